import groovy.json.JsonOutput
import groovy.json.JsonSlurper

/** How records leave a build. */
class Delivery {

    static void define(Suite suite) {
        for (transport in ['httpRequest', 'curl', 'powershell', 'controller']) {
            suite.test("the token goes with the record and never into the log, by ${transport}") {
                WrongServer server = new WrongServer({ request -> WrongServer.passOn(suite.service, request) })
                Build build = suite.build(transport: transport, secrets: [token: 's3cr3t-t0ken\n'])
                build.environment.DEPLOYLOG_URL = server.url
                build.run("node { recordDeploy(component: 'shop', credentialsId: 'token') { stage('x') { } } }")
                server.stop()
                Suite.same(server.requests*.headers*.authorization, ['Bearer s3cr3t-t0ken'] * 4)
                Suite.same(server.requests*.headers*.getAt('content-type'), ['application/x-ndjson'] * 4)
                Suite.same(suite.service.records(build.run).size(), 4)
            }
        }
        for (transport in ['httpRequest', 'curl', 'powershell', 'controller']) {
            suite.test("a service that repeats the token in its answer does not bring it into the log, by ${transport}") {
                WrongServer server = new WrongServer({ request ->
                    [status: 500, body: JsonOutput.toJson([status: 500, detail: 'not for ' + request.headers.authorization])]
                })
                Build build = suite.build(transport: transport, secrets: [token: 's3cr3t-t0ken'])
                build.environment.DEPLOYLOG_URL = server.url
                build.run("node { recordDeploy(component: 'shop', credentialsId: 'token') { } }")
                server.stop()
                Suite.yes(build.text.contains('the service answered 500 (not for Bearer ****)'), build.text)
            }
        }
        suite.test('a missing transport is passed over, a failing service is not') {
            Build build = suite.build(transport: 'curl')
            build.run("node { withEnv(['PATH=/nowhere']) { recordDeploy(component: 'shop') { } } }")
            Suite.same(Service.lines(suite.service.records(build.run)), ['deploy started', 'deploy deployed 0'])
            WrongServer server = new WrongServer({ [status: 500, body: '{}'] })
            build = suite.build()
            build.environment.DEPLOYLOG_URL = server.url
            build.run("node { recordDeploy(component: 'shop') { } }")
            server.stop()
            Suite.same([server.requests.size(), build.calls.sh], [2, null])
        }
        suite.test('records made where there is no way out are kept, and go out at the next node in order') {
            Build build = suite.build(transport: 'curl', sandboxed: true)
            Suite.same(suite.lines(build, '''
                recordDeploy(component: 'shop') {
                    stage('Outside') { sleep time: 5 }
                    node { stage('Inside') { sh 'sleep 6' } }
                }'''), ['deploy started', 'Outside started', 'Outside succeeded 5', 'Inside started', 'Inside succeeded 6'])
            Suite.yes(build.text.contains('1 records were not delivered'), build.text)
            Suite.yes(build.text.contains('no node at hand'), build.text)
        }
        suite.test('a refused line is printed with the reason and holds up nothing') {
            WrongServer server = refusing(suite, '"stage":"Bad"')
            Closure good = server.answer
            server.answer = { [status: 503, body: '{}'] }
            Build build = suite.build(hooks: [recover: { server.answer = good }])
            build.environment.DEPLOYLOG_URL = server.url
            build.run('''
                recordDeploy(component: 'shop') {
                    stage('Good') { sleep time: 1 }
                    stage('Bad') { }
                    build.hooks.recover()
                    sleep time: 40
                    stage('Bad') { }
                    stage('Fine') { sleep time: 2 }
                }''')
            server.stop()
            Suite.same(Service.lines(suite.service.records(build.run)).toSorted(), ['deploy deployed 43', 'deploy started',
                'Fine started', 'Fine succeeded 2', 'Good started', 'Good succeeded 1'].toSorted(), build)
            Suite.same(build.text.count('deploylog: refused and left out: stage: not wanted'), 4)
            Suite.yes(!build.text.contains('not delivered'), build.text)
        }
        suite.test('a refusal that names no line, and a limit of a proxy, cost only the line they mean') {
            for (status in [400, 413]) {
                WrongServer server = new WrongServer({ [status: 503, body: ''] })
                Build build = suite.build()
                build.environment.DEPLOYLOG_URL = server.url
                build.hooks.recover = {
                    server.answer = { request ->
                        boolean bad = status == 413 ? request.body.readLines().size() > 3 : request.body.contains('"S3"')
                        bad ? [status: status, body: 'what?'] : WrongServer.passOn(suite.service, request)
                    }
                }
                build.run('''
                    recordDeploy(component: 'shop') {
                        for (int i = 0; i < 8; i++) { stage("S${i}") { } }
                        build.hooks.recover()
                    }''')
                server.stop()
                List<String> lines = Service.lines(suite.service.records(build.run))
                Suite.same(lines.count { it.startsWith('S') }, status == 413 ? 16 : 14, build)
                Suite.same(lines.last(), 'deploy deployed 0')
            }
        }
        suite.test('a record whose answer was lost is one record') {
            int lost = 0
            WrongServer server = new WrongServer({ request ->
                Map answer = WrongServer.passOn(suite.service, request)
                lost++ < 3 ? [status: 502, body: 'lost'] : answer
            })
            Build build = suite.build()
            build.environment.DEPLOYLOG_URL = server.url
            Suite.same(suite.lines(build, '''
                recordDeploy(component: 'shop') { for (int i = 0; i < 4; i++) { stage("S${i}") { sleep time: 50 } } }'''),
                ['deploy started', 'S0 started', 'S0 succeeded 50', 'S1 started', 'S1 succeeded 50', 'S2 started', 'S2 succeeded 50',
                 'S3 started', 'S3 succeeded 50', 'deploy deployed 200'])
            server.stop()
        }
        suite.test('what is left is archived once a deploy, and curl replays it with the right times') {
            Build build = suite.build()
            build.environment.DEPLOYLOG_URL = 'http://127.0.0.1:9'
            build.run('''
                node { parallel(eu: { recordDeploy(component: 'eu') { stage('Copy') { sh 'sleep 5' } } },
                                us: { recordDeploy(component: 'us') { stage('Copy') { sh 'sleep 6' } } }) }''')
            Suite.same(build.archived.size(), 2)
            Suite.yes(build.archived.keySet().every { it ==~ /deploylog-undelivered-[0-9a-f-]{36}\.ndjson/ }, build.archived)
            2.times {
                build.archived.each { name, text ->
                    File file = File.createTempFile('undelivered', '')
                    file.text = text
                    Process curl = ['curl', '--silent', '--fail', '--header', 'Content-Type: application/x-ndjson', '--data-binary',
                                    '@' + file.path, suite.service.url + '/api/'].execute()
                    Suite.same(new JsonSlurper().parse(curl.inputStream).recorded, it == 0 ? 4 : 0)
                    file.delete()
                }
            }
            Suite.same(Service.lines(suite.service.records(build.run)).toSorted(), ['Copy started', 'Copy started', 'Copy succeeded 5',
                'Copy succeeded 6', 'deploy deployed 5', 'deploy deployed 6', 'deploy started', 'deploy started'].toSorted())
        }
        suite.test('each kept record stands in the log at once, whole and on a line of its own') {
            List<List<String>> seen = []
            Build build = suite.build(hooks: [look: { seen.add(printed(Build.current())) }])
            build.environment.DEPLOYLOG_URL = 'http://127.0.0.1:9'
            build.run("recordDeploy(component: 'shop') { stage('x') { build.hooks.look() } ; build.hooks.look() }")
            Suite.same(seen, [['started deploy', 'started x'], ['started deploy', 'started x', 'succeeded x']], build)
        }
        suite.test('an abort during a delivery: the record is kept, the abort goes on, unless the body had thrown') {
            for (attempt in 1..4) {
                Build build = suite.build(abortDuring: [attempt])
                Throwable thrown = build.run("recordDeploy(component: 'shop') { stage('x') { sleep time: 1 } }")
                Suite.same(thrown.class.simpleName, 'FlowInterruptedException', build)
                List<Map> records = suite.service.records(build.run)
                // The last attempt is the deploy's own finish: it was lost, and says so in the log.
                String last = attempt == 4 ? 'x succeeded' : 'deploy aborted'
                Suite.yes(Service.lines(records).last().startsWith(last), build.text)
                Suite.same(build.text.contains('kept (interrupted)'), true)
            }
            Build build = suite.build(abortDuring: [3])
            Throwable thrown = build.run("recordDeploy(component: 'shop') { stage('x') { error 'mine' } }")
            Suite.same(thrown.message, 'mine')
            Suite.same(Service.lines(suite.service.records(build.run)), ['deploy started', 'x started', 'x failed 0', 'deploy failed 0'])
        }
        suite.test('what recordStage and every stage keep survives a restart of Jenkins') {
            Build build = suite.build(everyStage: true)
            build.run { script ->
                WrongServer server = new WrongServer({ [status: 500, body: '{}'] })
                build.environment.DEPLOYLOG_URL = server.url
                script.recordStage('By hand', component: 'shop') { script.sleep(time: 3) }
                script.stage('Stage') { script.sleep(time: 4) }
                build.restart()
                server.answer = { request -> WrongServer.passOn(suite.service, request) }
                script.sleep(time: 600)
                script.stage('Later') { }
                script.recordStage('By hand again', component: 'shop') { script.sleep(time: 5) }
                server.stop()
            }
            Suite.sameInAnyOrder(Service.lines(suite.service.records(build.run)), ['By hand started', 'By hand succeeded 3', 'Stage started',
                'Stage succeeded 4', 'Later started', 'Later succeeded 0', 'By hand again started', 'By hand again succeeded 5'], build)
        }
    }

    private static List<String> printed(Build build) {
        return build.text.readLines().findAll { it.startsWith('{') }.collect {
            Map record = new JsonSlurper().parseText(it) as Map
            record.status + ' ' + (record.stage ?: 'deploy')
        }
    }

    /** The service, but for lines that it does not want, which it refuses as the service does. */
    private static WrongServer refusing(Suite suite, String unwanted) {
        return new WrongServer({ request ->
            List<Integer> bad = request.body.readLines().findIndexValues { it.contains(unwanted) }*.toInteger()
            bad ? [status: 400, body: JsonOutput.toJson([status: 400, title: 'Bad Request', detail: 'bad lines',
                errors: bad.collect { [line: it + 1, field: 'stage', reason: 'not wanted'] }])] : WrongServer.passOn(suite.service, request)
        })
    }

}
