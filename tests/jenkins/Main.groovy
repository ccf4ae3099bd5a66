/** Runs all tests of the library. The argument is the root of the repository. */
class Main {

    static void main(String[] args) {
        Build.root = new File(args[0])
        // One hour in the past, so that no record is in the future for the service.
        Build.epoch = System.currentTimeMillis() - 3600000
        Build.prepare()
        Service service = new Service(System.getenv('DEPLOYLOG_BIN'))
        Runtime.runtime.addShutdownHook(new Thread({ service.stop() }))
        service.start()
        Suite suite = new Suite(service)
        ScriptedPipelines.define(suite)
        DeclarativePipelines.define(suite)
        Outcomes.define(suite)
        // These measure waiting times, so the tests above load all classes first.
        SlowServices.define(suite)
        StepSettings.define(suite)
        Misuse.define(suite)
        Waiting.define(suite)
        Delegates.define(suite)
        Delivery.define(suite)
        Addresses.define(suite)
        Costs.define(suite)
        Failures.define(suite)
        Tokens.define(suite)
        OwnPipeline.define(suite)
        Style.define(suite, Build.root)
        suite.join()
        TwentyStages.define(suite)
        System.exit(suite.close() ? 0 : 1)
    }

}
