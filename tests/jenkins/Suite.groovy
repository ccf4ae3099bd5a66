/** Runs tests and counts them. */
class Suite {

    final Service service
    private static final ThreadLocal<List<Build>> BUILDS = ThreadLocal.withInitial { [] }
    private int passed = 0
    private int failed = 0
    private final List<Map> running = []

    Suite(Service service) {
        this.service = service
    }

    void test(String name, Closure body) {
        report(name, execute(body))
    }

    /** Runs a test that waits in real time, in parallel with other tests. */
    void background(String name, Closure body) {
        Map test = [name: name]
        test.thread = Thread.startDaemon { test.outcome = execute(body) }
        running.add(test)
    }

    void join() {
        running.each { test ->
            test.thread.join()
            report(test.name, test.outcome)
        }
        running.clear()
    }

    boolean close() {
        println "${passed} passed, ${failed} failed"
        return failed == 0 && passed > 0
    }

    /** Creates a build that sends its records to the service. After the test, its log must not contain a secret. */
    Build build(Map settings = [:]) {
        Build build = new Build(settings)
        build.environment.DEPLOYLOG_URL = service.url
        BUILDS.get().add(build)
        return build
    }

    /** Runs a Jenkinsfile in a build and returns the build's records as lines. */
    List<String> lines(Build build, Object jenkinsfile) {
        build.run(jenkinsfile)
        return Service.lines(service.records(build.run))
    }

    static void expect(Object actual, Object expected, Build build = null) {
        if (actual != expected) {
            String log = build ? '\n  log: ' + build.text.take(2000) : ''
            throw new AssertionError("\n  expected: ${text(expected)}\n  actual:   ${text(actual)}" + log)
        }
    }

    /** For parallel branches, whose records have no fixed order. */
    static void expectInAnyOrder(List<String> actual, List<String> expected, Build build = null) {
        expect(actual.toSorted(), expected.toSorted(), build)
    }

    static void check(boolean condition, Object message) {
        if (!condition) {
            throw new AssertionError(message)
        }
    }

    private static String text(Object it) {
        return it instanceof List ? it.join('\n            ') : String.valueOf(it)
    }

    /** Checks the conditions that apply to every build. */
    private static void checkInvariants(Build build) {
        if (build.unserialisable) {
            throw new AssertionError('the state of the library does not survive a restart', build.unserialisable[0])
        }
        build.secrets.values().each { check(!build.text.contains(it.trim()), 'a secret in the log: ' + build.text) }
    }

    private static Map execute(Closure body) {
        long began = System.nanoTime()
        try {
            BUILDS.get().clear()
            body()
            BUILDS.get().each { checkInvariants(it) }
            return [seconds: (System.nanoTime() - began) / 1000000000]
        } catch (Throwable e) {
            return [error: e]
        }
    }

    private synchronized void report(String name, Map outcome) {
        if (outcome.error == null) {
            passed++
            println "ok     ${name}" + (outcome.seconds > 2 ? ' (' + outcome.seconds.toInteger() + ' s)' : '')
        } else {
            failed++
            println "FAILED ${name}"
            println outcome.error
            println outcome.error.cause ?: ''
            println outcome.error.stackTrace.findAll { it.fileName?.endsWith('.groovy') }.take(6).collect { '    at ' + it }.join('\n')
        }
    }

}
