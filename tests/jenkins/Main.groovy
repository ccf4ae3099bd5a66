/** All tests of the library. The argument is the root of the repository. */
class Main {

    static void main(String[] args) {
        Build.root = new File(args[0])
        // An hour back, so that no test's time lies ahead of the service's.
        Build.epoch = System.currentTimeMillis() - 3600000
        Build.useClocks()
        Service service = new Service(System.getenv('DEPLOYLOG_BIN'))
        boolean well = false
        try {
            service.start()
            Suite suite = new Suite(service)
            Scripted.define(suite)
            DeclarativeShaped.define(suite)
            suite.join()
            well = suite.close()
        } finally {
            service.stop()
        }
        System.exit(well ? 0 : 1)
    }

}
