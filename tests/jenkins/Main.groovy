/** All tests of the library. The argument is the root of the repository. */
class Main {

    static void main(String[] args) {
        Build.root = new File(args[0])
        // An hour back, so that no test's time lies ahead of the service's.
        Build.epoch = System.currentTimeMillis() - 3600000
        Build.prepare()
        Service service = new Service(System.getenv('DEPLOYLOG_BIN'))
        Runtime.runtime.addShutdownHook(new Thread({ service.stop() }))
        service.start()
        Suite suite = new Suite(service)
        Scripted.define(suite)
        DeclarativeShaped.define(suite)
        // What these measure is the waiting, so what they run has been loaded by the tests before.
        Hanging.define(suite)
        SettingsOfSteps.define(suite)
        Delivery.define(suite)
        Failures.define(suite)
        Tokens.define(suite)
        Style.define(suite, Build.root)
        suite.join()
        Twenty.define(suite)
        System.exit(suite.close() ? 0 : 1)
    }

}
