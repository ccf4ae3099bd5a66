/** Failing services during a build of 20 stages: number of attempts and delivery of the records. */
class Failures {

    static final String TWENTY_STAGES = '''
        node {
            recordDeploy(component: 'shop') {
                for (int i = 1; i <= 20; i++) { stage("S${i}") { sh 'sleep 20' } }
            }
        }'''

    static final List<String> LINES = ['deploy started'] + (1..20).collectMany { ["S${it} started", "S${it} succeeded 20"]*.toString() } +
        ['deploy deployed 400']

    static final Map<String, Closure> RESPONSES = [
        'returns 500': { [status: 500, body: '{"status":500,"title":"Internal Server Error"}'] },
        'returns 401': { [status: 401, body: '{"status":401,"title":"Unauthorized","detail":"no such token"}'] },
        'returns 413': { [status: 413, body: '{"status":413,"title":"Content Too Large"}'] },
        'is another program': { [status: 200, body: '<html>It works!</html>'] },
        'returns a wrong number of ids': { [status: 201, body: '{"recorded":1,"ids":[]}'] },
        'returns garbage': { 'SSH-2.0-OpenSSH_9.2\r\n' },
        'closes the connection': { '' },
    ]

    static void define(Suite suite) {
        for (transport in ['httpRequest', 'curl', 'powershell', 'controller']) {
            RESPONSES.each { name, response ->
                suite.test("a service that ${name} causes few attempts and no lost record, by ${transport}") {
                    FakeServer server = new FakeServer(response)
                    Build build = suite.build(transport: transport)
                    build.environment.DEPLOYLOG_URL = server.url
                    Suite.expect(build.run(TWENTY_STAGES), null, build)
                    server.stop()
                    // Attempts at 0, 40, 100 and 220 seconds and at the end of the deploy. Splitting a body that is too large
                    // takes more requests, and Java repeats a POST when the server closes the connection.
                    int most = name == 'returns 413' ? 20 : name == 'closes the connection' && transport == 'controller' ? 10 : 5
                    Suite.check(server.requests.size() in 5..most, server.requests.size())
                    Suite.expect(server.requests*.body.collect { it.readLines()[0] }.toSet().size(), 1)
                    allQueued(build)
                    Suite.expect(build.text.count('credentialsId:'), name == 'returns 401' ? 1 : 0)
                }
            }
        }
        for (transport in [[transport: 'httpRequest'], [transport: 'httpRequest', httpRequestThrows: true], [transport: 'curl'],
                           [transport: 'powershell'], [transport: 'controller']]) {
            suite.test("a service that refuses connections causes no lost record, by ${transport.values().join(', throwing: ')}") {
                Build build = suite.build(transport)
                build.environment.DEPLOYLOG_URL = 'http://127.0.0.1:9'
                Suite.expect(build.run(TWENTY_STAGES), null)
                allQueued(build)
            }
        }
        RESPONSES.each { name, response ->
            suite.test("a service that ${name} during the build and recovers has every record") {
                FakeServer server = new FakeServer({ request -> FakeServer.forward(suite.service, request) })
                Build build = suite.build()
                build.environment.DEPLOYLOG_URL = server.url
                Suite.expect(suite.lines(build) { script ->
                    build.clock.at(build.clock.now() + 90000) { server.handler = response }
                    build.clock.at(build.clock.now() + 395000) { server.handler = { request -> FakeServer.forward(suite.service, request) } }
                    build.classes.parseClass(TWENTY_STAGES, 'WorkflowScript.groovy').newInstance().run()
                }, LINES, build)
                server.stop()
                Suite.expect(build.archived, [:])
            }
        }
        suite.test('a missing credential is reported with its setting, and the records are queued') {
            Build build = suite.build()
            build.environment.DEPLOYLOG_CREDENTIALS_ID = 'gone'
            Suite.expect(build.run(TWENTY_STAGES), null)
            allQueued(build)
            Suite.check(build.text.contains('DEPLOYLOG_CREDENTIALS_ID cannot be read'), build.text)
        }
        for (transport in ['httpRequest', 'curl', 'controller']) {
            suite.test("an invalid address causes no lost record, by ${transport}") {
                ['nonsense', 'http://', 'http://host.invalid:5000', 'ftp://127.0.0.1/'].each { address ->
                    Build build = suite.build(transport: transport)
                    build.environment.DEPLOYLOG_URL = address
                    Suite.expect(build.run("node { recordDeploy(component: 'shop') { stage('x') { } } }"), null, build)
                    Suite.expect(build.archived.values()*.readLines()*.size(), [4], build)
                }
            }
        }
    }

    /** Checks that the log and the archive contain every record in order. */
    static void allQueued(Build build) {
        Suite.expect(build.archived.size(), 1, build)
        List<String> lines = build.archived.values()[0].readLines()
        Suite.expect(lines.size(), 42)
        Suite.check(lines[0].contains('"status":"started"') && lines[1].contains('"S1"') && lines[41].contains('"deployed"'), lines)
        lines.each { line -> Suite.expect(build.text.readLines().count { it == line }, 2) }
    }

}
