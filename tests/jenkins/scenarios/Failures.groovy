/** Services that fail a build of 20 stages: what it costs, and what becomes of the records. */
class Failures {

    static final String TWENTY = '''
        node {
            recordDeploy(component: 'shop') {
                for (int i = 1; i <= 20; i++) { stage("S${i}") { sh 'sleep 20' } }
            }
        }'''

    static final List<String> LINES = ['deploy started'] + (1..20).collectMany { ["S${it} started", "S${it} succeeded 20"]*.toString() } +
        ['deploy deployed 400']

    static final Map<String, Closure> ANSWERS = [
        'answers 500': { [status: 500, body: '{"status":500,"title":"Internal Server Error"}'] },
        'answers 401': { [status: 401, body: '{"status":401,"title":"Unauthorized","detail":"no such token"}'] },
        'answers 413': { [status: 413, body: '{"status":413,"title":"Content Too Large"}'] },
        'is another program': { [status: 200, body: '<html>It works!</html>'] },
        'answers with a wrong number of ids': { [status: 201, body: '{"recorded":1,"ids":[]}'] },
        'talks garbage': { 'SSH-2.0-OpenSSH_9.2\r\n' },
        'hangs up': { '' },
    ]

    static void define(Suite suite) {
        for (transport in ['httpRequest', 'curl', 'powershell', 'controller']) {
            ANSWERS.each { name, answer ->
                suite.test("a service that ${name}, by ${transport}: nothing is lost, little is tried") {
                    WrongServer server = new WrongServer(answer)
                    Build build = suite.build(transport: transport)
                    build.environment.DEPLOYLOG_URL = server.url
                    Suite.same(build.run(TWENTY), null, build)
                    server.stop()
                    // At 0, 40, 100 and 220 seconds, and when the deploy ends. Halving a body that is too large takes more
                    // requests, and Java sends a POST once more by itself where the service hangs up.
                    int most = name == 'answers 413' ? 20 : name == 'hangs up' && transport == 'controller' ? 10 : 5
                    Suite.yes(server.requests.size() in 5..most, server.requests.size())
                    Suite.same(server.requests*.body.collect { it.readLines()[0] }.toSet().size(), 1)
                    kept(build)
                    Suite.same(build.text.count('credentialsId:'), name == 'answers 401' ? 1 : 0)
                    }
            }
        }
        for (transport in [[transport: 'httpRequest'], [transport: 'httpRequest', httpRequestThrows: true], [transport: 'curl'],
                           [transport: 'powershell'], [transport: 'controller']]) {
            suite.test("a service that refuses connections, by ${transport.values().join(', throwing: ')}") {
                Build build = suite.build(transport)
                build.environment.DEPLOYLOG_URL = 'http://127.0.0.1:9'
                Suite.same(build.run(TWENTY), null)
                kept(build)
            }
        }
        ANSWERS.each { name, answer ->
            suite.test("a service that ${name} in mid-build and is back at the end has every record") {
                WrongServer server = new WrongServer({ request -> WrongServer.passOn(suite.service, request) })
                Build build = suite.build()
                build.environment.DEPLOYLOG_URL = server.url
                Suite.same(suite.lines(build) { script ->
                    build.clock.at(build.clock.now() + 90000) { server.answer = answer }
                    build.clock.at(build.clock.now() + 395000) { server.answer = { request -> WrongServer.passOn(suite.service, request) } }
                    build.classes.parseClass(TWENTY, 'WorkflowScript.groovy').newInstance().run()
                }, LINES, build)
                server.stop()
                Suite.same(build.archived, [:])
            }
        }
        suite.test('a missing credential is said in words that name the setting, and keeps the records') {
            Build build = suite.build()
            build.environment.DEPLOYLOG_CREDENTIALS_ID = 'gone'
            Suite.same(build.run(TWENTY), null)
            kept(build)
            Suite.yes(build.text.contains('DEPLOYLOG_CREDENTIALS_ID cannot be read'), build.text)
        }
        for (transport in ['httpRequest', 'curl', 'controller']) {
            suite.test("an address that is none, by ${transport}") {
                ['nonsense', 'http://', 'http://host.invalid:5000', 'ftp://127.0.0.1/'].each { address ->
                    Build build = suite.build(transport: transport)
                    build.environment.DEPLOYLOG_URL = address
                    Suite.same(build.run("node { recordDeploy(component: 'shop') { stage('x') { } } }"), null, build)
                    Suite.same(build.archived.values()*.readLines()*.size(), [4], build)
                }
            }
        }
    }

    /** Every record stands in the log and in the archive, in order. */
    static void kept(Build build) {
        Suite.same(build.archived.size(), 1, build)
        List<String> lines = build.archived.values()[0].readLines()
        Suite.same(lines.size(), 42)
        Suite.yes(lines[0].contains('"status":"started"') && lines[1].contains('"S1"') && lines[41].contains('"deployed"'), lines)
        lines.each { line -> Suite.same(build.text.readLines().count { it == line }, 2) }
    }

}
