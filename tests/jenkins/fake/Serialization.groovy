import java.lang.reflect.Modifier

/** Checks that the state of the library's variables survives a restart of Jenkins at every step. */
class Serialization {

    /** Adds an error to the build for each state that changes in a round trip through serialization. */
    static void check(Build build) {
        for (Script instance in new ArrayList(build.instances)) {
            Map<String, Object> state = fields(instance)
            try {
                String before = describe(state)
                String after = describe(deserialize(serialize(state)))
                if (before != after) {
                    throw new IllegalStateException(before + ' was restored as ' + after)
                }
            } catch (Throwable e) {
                build.unserialisable.add(e)
            }
        }
    }

    /** Replaces the state of every library variable with its deserialized copy. */
    static void restart(Build build) {
        for (Script instance in build.instances) {
            Map<String, Object> restored = deserialize(serialize(fields(instance)), build)
            own(instance).each { field ->
                field.accessible = true
                field.set(instance, restored[field.name])
            }
        }
    }

    /** Describes the state as text; equal states have equal descriptions. */
    private static String describe(Object it, List<Object> parents = []) {
        if (it == null || it instanceof CharSequence || it instanceof Number || it instanceof Boolean) {
            return it
        }
        if (parents.any { other -> other.is(it) }) {
            return 'cycle'
        }
        List<Object> all = parents + [it]
        if (it instanceof Collection) {
            return it.collect { part -> describe(part, all) }
        }
        if (it instanceof Map) {
            return it.collect { name, part -> name + ': ' + describe(part, all) }
        }
        if (it instanceof Throwable || it instanceof Script || it instanceof ScriptReference) {
            return it instanceof Throwable ? it.toString() : 'script'
        }
        return it.class.name + it.class.declaredFields.findAll { !Modifier.isStatic(it.modifiers) && !it.synthetic && it.name != 'metaClass' }
            .collect { field ->
                field.accessible = true
                field.name + ': ' + describe(field.get(it), all)
            }
    }

    private static Map<String, Object> fields(Script instance) {
        return own(instance).collectEntries { field ->
            field.accessible = true
            [field.name, field.get(instance)]
        }
    }

    private static List own(Script instance) {
        return instance.class.declaredFields.findAll { !Modifier.isStatic(it.modifiers) && !it.synthetic }
    }

    private static byte[] serialize(Object state) {
        ByteArrayOutputStream out = new ByteArrayOutputStream()
        new Writer(out).writeObject(state)
        return out.toByteArray()
    }

    private static Object deserialize(byte[] written, Build build = null) {
        return new Reader(new ByteArrayInputStream(written), build).readObject()
    }

    /** Replaces a script, which Jenkins serializes itself. */
    static class ScriptReference implements Serializable {

        private static final long serialVersionUID = 1L
        int script

    }

    static class Writer extends ObjectOutputStream {

        Writer(OutputStream out) {
            super(out)
            enableReplaceObject(true)
        }

        @Override
        protected Object replaceObject(Object it) {
            return it instanceof Script ? new ScriptReference(script: System.identityHashCode(it)) : it
        }

    }

    static class Reader extends ObjectInputStream {

        private final Build build

        Reader(InputStream stream, Build build) {
            super(stream)
            this.build = build
            enableResolveObject(build != null)
        }

        @Override
        protected Class<?> resolveClass(ObjectStreamClass description) {
            return Class.forName(description.name, false, Build.current().classes)
        }

        @Override
        protected Object resolveObject(Object it) {
            return it instanceof ScriptReference ? build.instances.find { script -> System.identityHashCode(script) == it.script } : it
        }

    }

}
