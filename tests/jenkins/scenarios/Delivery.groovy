import groovy.json.JsonOutput
import groovy.json.JsonSlurper

/** Delivery of records from a build to the service. */
class Delivery {

    static void define(Suite suite) {
        for (transport in ['httpRequest', 'curl', 'powershell', 'controller']) {
            suite.test("the token is sent with each record and never printed, by ${transport}") {
                FakeServer server = new FakeServer({ request -> FakeServer.forward(suite.service, request) })
                Build build = suite.build(transport: transport, secrets: [token: 's3cr3t-t0ken'])
                build.environment.DEPLOYLOG_URL = server.url
                build.run("node { recordDeploy(component: 'shop', credentialsId: 'token') { stage('x') { } } }")
                server.stop()
                Suite.expect(server.requests*.headers*.authorization, ['Bearer s3cr3t-t0ken'] * 3)
                Suite.expect(server.requests*.headers*.getAt('content-type'), ['application/x-ndjson'] * 3)
                Suite.expect(suite.service.records(build.run).size(), 4)
            }
        }
        for (transport in ['httpRequest', 'curl', 'powershell', 'controller']) {
            suite.test("a token repeated in a response is masked in the log, by ${transport}") {
                FakeServer server = new FakeServer({ request ->
                    [status: 500, body: JsonOutput.toJson([status: 500, detail: 'not for ' + request.headers.authorization])]
                })
                Build build = suite.build(transport: transport, secrets: [token: 's3cr3t-t0ken'])
                build.environment.DEPLOYLOG_URL = server.url
                build.run("node { recordDeploy(component: 'shop', credentialsId: 'token') { } }")
                server.stop()
                Suite.check(build.text.contains('the service returned 500 (not for Bearer ****)'), build.text)
            }
        }
        for (transport in ['httpRequest', 'curl', 'powershell', 'controller']) {
            suite.test("a secret with white space around the token is not sent, and the log says why, by ${transport}") {
                FakeServer server = new FakeServer({ request -> FakeServer.forward(suite.service, request) })
                ['s3cr3t-t0ken\n', ' s3cr3t-t0ken', 's3cr3t t0ken', 's3cr3t"t0ken'].each { secret ->
                    Build build = suite.build(transport: transport, secrets: [token: secret])
                    build.environment.DEPLOYLOG_URL = server.url
                    Suite.expect(build.run("node { recordDeploy(component: 'shop', credentialsId: 'token') { stage('x') { } } }"), null, build)
                    Suite.expect(build.text.count('contains only a valid token'), 1)
                    Suite.check(build.text.contains('the secret token contains white space'), build.text)
                }
                server.stop()
                Suite.expect(server.requests, [])
            }
        }
        suite.test('the next transport is used when one is missing, not when the service fails') {
            Build build = suite.build(transport: 'curl')
            build.run("node { withEnv(['PATH=/nowhere']) { recordDeploy(component: 'shop') { } } }")
            Suite.expect(Service.lines(suite.service.records(build.run)), ['deploy started', 'deploy deployed 0'])
            FakeServer server = new FakeServer({ [status: 500, body: '{}'] })
            build = suite.build()
            build.environment.DEPLOYLOG_URL = server.url
            build.run("node { recordDeploy(component: 'shop') { } }")
            server.stop()
            Suite.expect([server.requests.size(), build.calls.sh], [2, null])
        }
        suite.test('records without a transport are queued and sent in order from the next node') {
            Build build = suite.build(transport: 'curl', sandboxed: true)
            Suite.expect(suite.lines(build, '''
                recordDeploy(component: 'shop') {
                    stage('Outside') { sleep time: 5 }
                    node { stage('Inside') { sh 'sleep 6' } }
                }'''), ['deploy started', 'Outside started', 'Outside succeeded 5', 'Inside started', 'Inside succeeded 6'])
            Suite.check(build.text.contains('1 records were not delivered'), build.text)
            Suite.check(build.text.contains('no httpRequest step, no node'), build.text)
        }
        suite.test('a rejected line is printed with the reason and does not block others') {
            FakeServer server = rejecting(suite, '"stage":"Bad"')
            Closure good = server.handler
            server.handler = { [status: 503, body: '{}'] }
            Build build = suite.build(hooks: [recover: { server.handler = good }])
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
            Suite.expect(Service.lines(suite.service.records(build.run)).toSorted(), ['deploy deployed 43', 'deploy started',
                'Fine started', 'Fine succeeded 2', 'Good started', 'Good succeeded 1'].toSorted(), build)
            Suite.expect(build.text.count('deploylog: rejected and dropped: stage: not wanted'), 4)
            Suite.check(!build.text.contains('not delivered'), build.text)
        }
        suite.test('a line that the token does not allow is dropped, and the others are sent') {
            for (status in [403, 422]) {
                FakeServer server = rejecting(suite, '"stage":"Bad"', status)
                Build build = suite.build()
                build.environment.DEPLOYLOG_URL = server.url
                build.run("recordDeploy(component: 'shop') { stage('Good') { }; stage('Bad') { }; stage('Fine') { } }")
                server.stop()
                Suite.expect(Service.lines(suite.service.records(build.run)), ['deploy started', 'Good started', 'Good succeeded 0',
                    'Fine started', 'Fine succeeded 0', 'deploy deployed 0'], build)
                Suite.expect(build.text.count('deploylog: rejected and dropped: stage: not wanted'), 2)
                Suite.check(!build.text.contains('not delivered'), build.text)
            }
        }
        suite.test('a rejection without a line number and the body limit of a proxy affect only the lines concerned') {
            for (status in [400, 413]) {
                FakeServer server = new FakeServer({ [status: 503, body: ''] })
                Build build = suite.build()
                build.environment.DEPLOYLOG_URL = server.url
                build.hooks.recover = {
                    server.handler = { request ->
                        boolean bad = status == 413 ? request.body.readLines().size() > 3 : request.body.contains('"S3"')
                        bad ? [status: status, body: 'what?'] : FakeServer.forward(suite.service, request)
                    }
                }
                build.run('''
                    recordDeploy(component: 'shop') {
                        for (int i = 0; i < 8; i++) { stage("S${i}") { } }
                        build.hooks.recover()
                    }''')
                server.stop()
                List<String> lines = Service.lines(suite.service.records(build.run))
                Suite.expect(lines.count { it.startsWith('S') }, status == 413 ? 16 : 14, build)
                Suite.expect(lines.last(), 'deploy deployed 0')
            }
        }
        suite.test('a record whose response is lost is stored once') {
            int lost = 0
            FakeServer server = new FakeServer({ request ->
                Map response = FakeServer.forward(suite.service, request)
                lost++ < 3 ? [status: 502, body: 'lost'] : response
            })
            Build build = suite.build()
            build.environment.DEPLOYLOG_URL = server.url
            Suite.expect(suite.lines(build, '''
                recordDeploy(component: 'shop') { for (int i = 0; i < 4; i++) { stage("S${i}") { sleep time: 50 } } }'''),
                ['deploy started', 'S0 started', 'S0 succeeded 50', 'S1 started', 'S1 succeeded 50', 'S2 started', 'S2 succeeded 50',
                 'S3 started', 'S3 succeeded 50', 'deploy deployed 200'])
            server.stop()
        }
        suite.test('undelivered records are archived once per deploy, and curl replays them with the original times') {
            Build build = suite.build()
            build.environment.DEPLOYLOG_URL = 'http://127.0.0.1:9'
            build.run('''
                node { parallel(eu: { recordDeploy(component: 'eu') { stage('Copy') { sh 'sleep 5' } } },
                                us: { recordDeploy(component: 'us') { stage('Copy') { sh 'sleep 6' } } }) }''')
            Suite.expect(build.archived.size(), 2)
            Suite.check(build.archived.keySet().every { it ==~ /deploylog-undelivered-[0-9a-f-]{36}\.ndjson/ }, build.archived)
            2.times {
                build.archived.each { name, text ->
                    File file = File.createTempFile('undelivered', '')
                    file.text = text
                    Process curl = ['curl', '--silent', '--fail', '--header', 'Content-Type: application/x-ndjson', '--data-binary',
                                    '@' + file.path, suite.service.url + '/api/'].execute()
                    Suite.expect(new JsonSlurper().parse(curl.inputStream).recorded, it == 0 ? 4 : 0)
                    file.delete()
                }
            }
            Suite.expect(Service.lines(suite.service.records(build.run)).toSorted(), ['Copy started', 'Copy started', 'Copy succeeded 5',
                'Copy succeeded 6', 'deploy deployed 5', 'deploy deployed 6', 'deploy started', 'deploy started'].toSorted())
        }
        suite.test('a finish that waits is printed at once, sent with the next start, and not reported as undelivered') {
            FakeServer server = new FakeServer({ request -> FakeServer.forward(suite.service, request) })
            List<List<String>> seen = []
            Build build = suite.build(transport: 'curl', secrets: [token: 's3cr3t'], hooks: [look: { seen.add(printed(Build.current())) }])
            build.environment.DEPLOYLOG_URL = server.url
            build.run("""
                node { recordDeploy(component: 'shop', credentialsId: 'token') {
                    stage('Outer') { stage('x') { }; build.hooks.look() }
                    stage('y') { }
                } }""")
            server.stop()
            Suite.expect(seen, [['succeeded Outer / x']])
            Suite.expect(server.requests*.body*.readLines()*.size(), [1, 1, 1, 3, 2])
            Suite.expect([build.calls.sh, build.calls.withCredentials, build.calls.isUnix], [5, 5, 1])
            Suite.check(!build.text.contains('queued') && !build.text.contains('not delivered'), build.text)
        }
        suite.test('each queued record is printed at once on its own line') {
            List<List<String>> seen = []
            Build build = suite.build(hooks: [look: { seen.add(printed(Build.current())) }])
            build.environment.DEPLOYLOG_URL = 'http://127.0.0.1:9'
            build.run("recordDeploy(component: 'shop') { stage('x') { build.hooks.look() } ; build.hooks.look() }")
            Suite.expect(seen, [['started deploy', 'started x'], ['started deploy', 'started x', 'succeeded x']], build)
        }
        suite.test('after an abort during a delivery the record is queued and the abort continues, unless the body has thrown') {
            for (attempt in 1..3) {
                Build build = suite.build(abortDuring: [attempt])
                Throwable thrown = build.run("recordDeploy(component: 'shop') { stage('x') { sleep time: 1 } }")
                Suite.expect(thrown.class.simpleName, 'FlowInterruptedException', build)
                List<Map> records = suite.service.records(build.run)
                // The last attempt sends the finishes of the stage and the deploy, which are only in the log.
                String last = attempt == 3 ? 'x started' : 'deploy aborted'
                Suite.check(Service.lines(records).last().startsWith(last), build.text)
                Suite.expect(build.text.contains('queued (interrupted)'), true)
            }
            Build build = suite.build(abortDuring: [2])
            Throwable thrown = build.run("recordStage('x', component: 'shop') { error 'mine' }")
            Suite.expect(thrown.message, 'mine')
            Suite.expect(Service.lines(suite.service.records(build.run)), ['x started'])
            Suite.check(build.text.contains('queued (interrupted)'), build.text)
        }
        suite.test('the records queued by recordStage and the every-stage library survive a restart of Jenkins') {
            Build build = suite.build(everyStage: true)
            build.run { script ->
                FakeServer server = new FakeServer({ [status: 500, body: '{}'] })
                build.environment.DEPLOYLOG_URL = server.url
                script.recordStage('By hand', component: 'shop') { script.sleep(time: 3) }
                script.stage('Stage') { script.sleep(time: 4) }
                build.restart()
                server.handler = { request -> FakeServer.forward(suite.service, request) }
                script.sleep(time: 600)
                script.stage('Later') { }
                script.recordStage('By hand again', component: 'shop') { script.sleep(time: 5) }
                server.stop()
            }
            Suite.expectInAnyOrder(Service.lines(suite.service.records(build.run)), ['By hand started', 'By hand succeeded 3', 'Stage started',
                'Stage succeeded 4', 'Later started', 'Later succeeded 0', 'By hand again started', 'By hand again succeeded 5'], build)
        }
    }

    private static List<String> printed(Build build) {
        return build.text.readLines().findAll { it.startsWith('{') }.collect {
            Map record = new JsonSlurper().parseText(it) as Map
            record.status + ' ' + (record.stage ?: 'deploy')
        }
    }

    /** Forwards requests to the service, but rejects lines that contain a text as the service does. */
    private static FakeServer rejecting(Suite suite, String text, int status = 400) {
        return new FakeServer({ request ->
            List<Integer> bad = request.body.readLines().findIndexValues { it.contains(text) }*.toInteger()
            bad ? [status: status, body: JsonOutput.toJson([status: status, title: 'Bad Request', detail: 'bad lines',
                errors: bad.collect { [line: it + 1, field: 'stage', reason: 'not wanted'] }])] : FakeServer.forward(suite.service, request)
        })
    }

}
