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
        report(name, attempt(body))
    }

    /** A test that waits for real time to pass, beside the others. */
    void aside(String name, Closure body) {
        Map test = [name: name]
        test.thread = Thread.startDaemon { test.outcome = attempt(body) }
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

    /** A build whose records go to the service, and whose log must not hold a secret. */
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

    static void same(Object got, Object wanted, Build build = null) {
        if (got != wanted) {
            throw new AssertionError("\n  wanted: ${text(wanted)}\n  got:    ${text(got)}" + (build ? '\n  log: ' + build.text.take(2000) : ''))
        }
    }

    /** For branches that run side by side: whose record comes first is up to them. */
    static void sameInAnyOrder(List<String> got, List<String> wanted, Build build = null) {
        same(got.toSorted(), wanted.toSorted(), build)
    }

    static void yes(boolean holds, Object what) {
        if (!holds) {
            throw new AssertionError(what)
        }
    }

    private static String text(Object it) {
        return it instanceof List ? it.join('\n          ') : String.valueOf(it)
    }

    /** What holds for every build. */
    private static void always(Build build) {
        if (build.unserialisable) {
            throw new AssertionError('what the library keeps does not survive a restart', build.unserialisable[0])
        }
        build.secrets.values().each { yes(!build.text.contains(it.trim()), 'a secret in the log: ' + build.text) }
    }

    private static Map attempt(Closure body) {
        long began = System.nanoTime()
        try {
            BUILDS.get().clear()
            body()
            BUILDS.get().each { always(it) }
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
