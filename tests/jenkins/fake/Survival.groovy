import java.lang.reflect.Modifier

/** What the library's variables keep must survive a restart of Jenkins at every step. */
class Survival {

    /** Notes in the build what does not come back as it went. */
    static void check(Build build) {
        for (Script instance in new ArrayList(build.instances)) {
            Map<String, Object> kept = fields(instance)
            try {
                String before = told(kept)
                String after = told(back(bytes(kept)))
                if (before != after) {
                    throw new IllegalStateException(before + ' came back as ' + after)
                }
            } catch (Throwable e) {
                build.unserialisable.add(e)
            }
        }
    }

    /** A restart between two steps: every variable of the library goes on with what was written down. */
    static void restart(Build build) {
        for (Script instance in build.instances) {
            Map<String, Object> restored = back(bytes(fields(instance)), build)
            own(instance).each { field ->
                field.accessible = true
                field.set(instance, restored[field.name])
            }
        }
    }

    /** The state in words, which are the same for what is the same. */
    private static String told(Object it, List<Object> above = []) {
        if (it == null || it instanceof CharSequence || it instanceof Number || it instanceof Boolean) {
            return it
        }
        if (above.any { other -> other.is(it) }) {
            return 'again'
        }
        List<Object> all = above + [it]
        if (it instanceof Collection) {
            return it.collect { part -> told(part, all) }
        }
        if (it instanceof Map) {
            return it.collect { name, part -> name + ': ' + told(part, all) }
        }
        if (it instanceof Throwable || it instanceof Script || it instanceof Place) {
            return it instanceof Throwable ? it.toString() : 'script'
        }
        return it.class.name + it.class.declaredFields.findAll { !Modifier.isStatic(it.modifiers) && !it.synthetic && it.name != 'metaClass' }
            .collect { field ->
                field.accessible = true
                field.name + ': ' + told(field.get(it), all)
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

    private static byte[] bytes(Object state) {
        ByteArrayOutputStream out = new ByteArrayOutputStream()
        new Writer(out).writeObject(state)
        return out.toByteArray()
    }

    private static Object back(byte[] written, Build build = null) {
        return new Reader(new ByteArrayInputStream(written), build).readObject()
    }

    /** Stands for a script, which Jenkins knows how to write itself. */
    static class Place implements Serializable {

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
            return it instanceof Script ? new Place(script: System.identityHashCode(it)) : it
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
            return it instanceof Place ? build.instances.find { script -> System.identityHashCode(script) == it.script } : it
        }

    }

}
