import java.lang.reflect.Modifier

/** What the library's variables keep must survive a restart of Jenkins at every step. */
class Survival {

    /** Notes in the build what does not come back as it went. */
    static void check(Build build) {
        for (Script instance in new ArrayList(build.instances)) {
            Map<String, Object> kept = fields(instance)
            try {
                byte[] first = bytes(kept)
                if (!Arrays.equals(first, bytes(back(first)))) {
                    throw new IllegalStateException('came back otherwise: ' + kept)
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
