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
        Hanging.define(suite)
        Scripted.define(suite)
        DeclarativeShaped.define(suite)
        SettingsOfSteps.define(suite)
        Delivery.define(suite)
        Failures.define(suite)
        Style.define(suite, Build.root)
        suite.join()
        Twenty.define(suite)
        System.exit(suite.close() ? 0 : 1)
    }

}
