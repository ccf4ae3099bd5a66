/** Services that make a build wait in real time. These run beside the other tests. */
class Hanging {

    static void define(Suite suite) {
        for (transport in ['httpRequest', 'curl', 'powershell', 'controller']) {
            never(suite, transport, 'accepts and never answers') { null }
            if (transport == 'httpRequest') {
                // Its limit is for each read: the README says so, and nothing is promised here.
                continue
            }
            never(suite, transport, 'answers byte by byte') { request ->
                String next = 'HTTP/1.1 201 Created\r\nX-Long: '
                return { stream ->
                    stream.write(next.bytes)
                    next = 'x'
                    Thread.sleep(300)
                    return true
                }
            }
        }
        suite.aside('a service that hangs till the end of the deploy has every record') {
            WrongServer server = new WrongServer({ null })
            Build build = suite.build(realTime: true, hooks: [recover: { server.answer = { WrongServer.passOn(suite.service, it) } }])
            build.environment.DEPLOYLOG_URL = server.url
            build.run("recordDeploy(component: 'shop') { stage('x') { sleep time: 60 } ; build.hooks.recover() }")
            server.stop()
            Suite.same(suite.service.records(build.run)*.status, ['started', 'started', 'succeeded', 'deployed'], build)
        }
        for (transport in ['httpRequest', 'curl', 'controller']) {
            slow(suite, transport)
        }
        suite.aside('parallel deploys wait at the same time') {
            hanging(suite, '''
                node { parallel((1..5).collectEntries { i -> ['d' + i, {
                    recordDeploy(component: 'd' + i) { for (int j = 0; j < 4; j++) { stage('S' + j) { sleep time: 40 } } }
                }] }) }''', 5)
        }
        suite.aside('many deploys in a row wait no more than one') {
            hanging(suite, '''
                node { for (int i = 0; i < 10; i++) { recordDeploy(component: 'd' + i) { stage('x') { sleep time: 40 } } } }''', 10)
        }
        suite.aside('steps of all kinds share what a build may wait') {
            WrongServer server = new WrongServer({ null })
            Build build = suite.build(realTime: true, everyStage: true)
            build.environment.DEPLOYLOG_URL = server.url
            build.run('''
                for (int i = 0; i < 10; i++) {
                    stage('S' + i) { sleep time: 100 }
                    recordStage('R' + i) { sleep time: 100 }
                    recordStatus(status: 'queued')
                }''')
            server.stop()
            Suite.yes(server.heldMillis.sum() < 18000, server.heldMillis)
            Suite.same(build.text.readLines().findAll { it.startsWith('{') }.toSet().size(), 50)
        }
    }

    /** What it costs is what the build holds its connections: the machine may be busy with other tests. */
    private static void never(Suite suite, String transport, String what, Closure answer) {
        suite.aside("a service that ${what} costs 20 stages less than 20 s, by ${transport}") {
            WrongServer server = new WrongServer(answer)
            Build build = suite.build(transport: transport, realTime: true)
            build.environment.DEPLOYLOG_URL = server.url
            Suite.same(build.run(Failures.TWENTY), null, build)
            server.stop()
            // Three, unless the machine is so busy that the first alone took all there is to wait.
            Suite.yes(server.requests.size() in 2..3, server.requests.size())
            Suite.yes(server.heldMillis.sum() > 9000 && server.heldMillis.sum() < 18000, server.heldMillis)
            Failures.kept(build)
        }
    }

    private static void slow(Suite suite, String transport) {
        suite.aside("a service that answers, but slowly, costs no more and has every record, by ${transport}") {
            WrongServer server = new WrongServer({ request ->
                Thread.sleep(1800)
                WrongServer.passOn(suite.service, request)
            })
            Build build = suite.build(realTime: true, transport: transport)
            build.environment.DEPLOYLOG_URL = server.url
            build.run(Failures.TWENTY)
            server.stop()
            Suite.same(suite.service.records(build.run)*.status.countBy { it }, [started: 21, succeeded: 20, deployed: 1], build)
            Suite.yes(server.heldMillis.sum() < 20000, server.heldMillis)
        }
    }

    private static void hanging(Suite suite, String jenkinsfile, int deploys) {
        WrongServer server = new WrongServer({ null })
        Build build = suite.build(realTime: true)
        build.environment.DEPLOYLOG_URL = server.url
        Suite.same(build.run(jenkinsfile), null, build)
        server.stop()
        Suite.yes(build.clock.outsideMillis < 18000, build.clock.outsideMillis)
        Suite.same(build.archived.size(), deploys)
    }

}
