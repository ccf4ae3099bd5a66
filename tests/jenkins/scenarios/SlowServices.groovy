/** Services that make a build wait in real time. These tests run in parallel with others. */
class SlowServices {

    static void define(Suite suite) {
        for (transport in ['httpRequest', 'curl', 'powershell', 'controller']) {
            neverResponds(suite, transport, 'accepts and never responds') { null }
            // The client behind the fake powershell step limits only the header.
            String start = 'HTTP/1.1 201 Created\r\n' + (transport == 'powershell' ? 'X-Long: ' : '\r\n{')
            neverResponds(suite, transport, 'responds byte by byte') { drip(start) }
        }
        for (sandboxed in [false, true]) {
            String library = sandboxed ? 'an untrusted' : 'a trusted'
            suite.background("an abort or a timeout of the pipeline during httpRequest ends the build, with ${library} library") {
                FakeServer server = new FakeServer({ drip('HTTP/1.1 201 Created\r\n\r\n{') })
                Build build = suite.build(realTime: true, sandboxed: sandboxed)
                build.environment.DEPLOYLOG_URL = server.url
                Throwable thrown = build.run("""
                    build.clock.at(build.clock.now() + 1000) { build.abort() }
                    recordDeploy(component: 'shop') { echo 'never' }""")
                Suite.expect(thrown.details().causes*.class*.simpleName, ['UserInterruption'], build)
                build = suite.build(realTime: true, sandboxed: sandboxed)
                build.environment.DEPLOYLOG_URL = server.url
                thrown = build.run("timeout(time: 2, unit: 'SECONDS') { recordDeploy(component: 'shop') { echo 'never' } }")
                server.stop()
                Suite.expect(thrown.details().causes*.class*.simpleName, ['ExceededTimeout'], build)
                Suite.check(build.clock.blockedMillis < 10000, build.clock.blockedMillis)
            }
        }
        suite.background('a service that hangs until the end of the deploy has every record') {
            FakeServer server = new FakeServer({ null })
            Build build = suite.build(realTime: true, hooks: [recover: { server.handler = { FakeServer.forward(suite.service, it) } }])
            build.environment.DEPLOYLOG_URL = server.url
            build.run("recordDeploy(component: 'shop') { stage('x') { sleep time: 60 } ; build.hooks.recover() }")
            server.stop()
            Suite.expect(suite.service.records(build.run)*.status, ['started', 'started', 'succeeded', 'deployed'], build)
        }
        for (transport in ['httpRequest', 'curl', 'controller']) {
            slow(suite, transport)
        }
        suite.background('parallel deploys share the waiting time') {
            hanging(suite, '''
                node { parallel((1..5).collectEntries { i -> ['d' + i, {
                    recordDeploy(component: 'd' + i) { for (int j = 0; j < 4; j++) { stage('S' + j) { sleep time: 40 } } }
                }] }) }''', 5)
        }
        suite.background('many sequential deploys wait no longer than one') {
            hanging(suite, '''
                node { for (int i = 0; i < 10; i++) { recordDeploy(component: 'd' + i) { stage('x') { sleep time: 40 } } } }''', 10)
        }
        suite.background('all steps share the retry budget of a build') {
            FakeServer server = new FakeServer({ null })
            Build build = suite.build(realTime: true, everyStage: true)
            build.environment.DEPLOYLOG_URL = server.url
            build.run('''
                for (int i = 0; i < 10; i++) {
                    stage('S' + i) { sleep time: 100 }
                    recordStage('R' + i) { sleep time: 100 }
                    recordStatus(status: 'queued')
                }''')
            server.stop()
            Suite.check(server.heldMillis.sum() < 18000, server.heldMillis)
            Suite.expect(build.text.readLines().findAll { it.startsWith('{') }.toSet().size(), 50)
        }
    }

    private static Closure drip(String start) {
        String next = start
        return { stream ->
            stream.write(next.bytes)
            next = 'x'
            Thread.sleep(300)
            return true
        }
    }

    /** Measures how long connections are open, because other tests can slow the build itself. */
    private static void neverResponds(Suite suite, String transport, String what, Closure handler) {
        suite.background("a service that ${what} delays 20 stages by less than 20 s, by ${transport}") {
            FakeServer server = new FakeServer(handler)
            Build build = suite.build(transport: transport, realTime: true)
            build.environment.DEPLOYLOG_URL = server.url
            Suite.expect(build.run(Failures.TWENTY_STAGES), null, build)
            server.stop()
            // Three, or two if a busy machine uses up the retry budget in the first.
            Suite.check(server.requests.size() in 2..3, server.requests.size())
            Suite.check(server.heldMillis.sum() > 9000 && server.heldMillis.sum() < 18000, server.heldMillis)
            Failures.allQueued(build)
        }
    }

    private static void slow(Suite suite, String transport) {
        suite.background("a service that responds slowly delays the build no longer and has every record, by ${transport}") {
            FakeServer server = new FakeServer({ request ->
                Thread.sleep(1800)
                FakeServer.forward(suite.service, request)
            })
            Build build = suite.build(realTime: true, transport: transport)
            build.environment.DEPLOYLOG_URL = server.url
            build.run(Failures.TWENTY_STAGES)
            server.stop()
            Suite.expect(suite.service.records(build.run)*.status.countBy { it }, [started: 21, succeeded: 20, deployed: 1], build)
            Suite.check(server.heldMillis.sum() < 20000, server.heldMillis)
        }
    }

    private static void hanging(Suite suite, String jenkinsfile, int deploys) {
        FakeServer server = new FakeServer({ null })
        Build build = suite.build(realTime: true)
        build.environment.DEPLOYLOG_URL = server.url
        Suite.expect(build.run(jenkinsfile), null, build)
        server.stop()
        Suite.check(build.clock.blockedMillis < 18000, build.clock.blockedMillis)
        Suite.expect(build.archived.size(), deploys)
    }

}
