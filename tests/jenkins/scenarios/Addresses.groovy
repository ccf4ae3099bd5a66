/** Addresses that are wrong or that no administrator has set, and the size of what an address returns. */
class Addresses {

    static void define(Suite suite) {
        for (transport in ['httpRequest', 'curl', 'powershell', 'controller']) {
            suite.test("an answer longer than 1 MiB is not parsed, by ${transport}") {
                FakeServer server = new FakeServer({ [status: 201, body: '{"ids":[1],"x":"' + 'x' * 1048576 + '"}'] })
                Build build = suite.build(transport: transport)
                build.environment.DEPLOYLOG_URL = server.url
                build.run("node { recordDeploy(component: 'shop') { } }")
                server.stop()
                Suite.check(build.text.contains('2 records were not delivered'), build.text.take(2000))
                Suite.check(build.text.length() < 20000, build.text.length())
            }
        }
        for (transport in ['curl', 'controller']) {
            suite.test("an answer that does not end is read to 1 MiB, by ${transport}") {
                long sent = 0
                String next = 'HTTP/1.1 201 Created\r\n\r\n'
                Closure<Boolean> write = { stream ->
                    stream.write(next.bytes)
                    sent += next.length()
                    next = 'x' * 65536
                    return true
                }
                FakeServer server = new FakeServer({ write })
                Build build = suite.build(transport: transport)
                build.environment.DEPLOYLOG_URL = server.url
                build.run("node { recordDeploy(component: 'shop') { } }")
                server.stop()
                Suite.check(build.text.contains('2 records were not delivered'), build.text.take(2000))
                // Two answers, and what the sockets buffer.
                Suite.check(sent < 40000000, sent)
            }
        }
        suite.test('DEPLOYLOG_URL in the body of recordDeploy is the address without /api/') {
            List<String> seen = []
            Build build = suite.build(hooks: [look: { seen.add(Build.current().env.DEPLOYLOG_URL) }])
            build.environment.DEPLOYLOG_URL = suite.service.url + '/api/'
            build.run("recordDeploy(component: 'shop') { build.hooks.look() }")
            Suite.expect(seen, [suite.service.url])
            Suite.expect(suite.service.records(build.run).size(), 2)
        }
        suite.test('an address with ?, #, credentials or another scheme is refused') {
            FakeServer server = new FakeServer({ request -> FakeServer.forward(suite.service, request) })
            String host = server.url.substring(7)
            ["http://${host}/x?", "http://${host}/x#", "http://u:s3cr3t@${host}", "http://h\\@${host}", "file://${host}", host].each { address ->
                Build build = suite.build(transport: 'controller')
                build.environment.DEPLOYLOG_URL = address
                Suite.expect(build.run("recordDeploy(component: 'shop') { stage('x') { } }"), null, build)
                Suite.check(build.text.contains('queued (DEPLOYLOG_URL (url:) must be http(s)://host[:port][/path], without ?'), build.text)
                Suite.check(build.text.contains('4 records were not delivered'), build.text)
                Suite.check(!build.text.contains('s3cr3t'), build.text)
            }
            server.stop()
            Suite.expect(server.requests, [])
        }
        suite.test('the controller warns once about an address that no administrator has set') {
            String url = suite.service.url
            [[global: [:]], [global: [DEPLOYLOG_URL: 'http://other'], folder: [DEPLOYLOG_URL: 'http://another']],
             [global: [DEPLOYLOG_URL: url + '/api/']], [global: [:], folder: [DEPLOYLOG_URL: url]],
             [global: [DEPLOYLOG_URL: 'http://other'], folder: [DEPLOYLOG_URL: url]],
             [global: [DEPLOYLOG_ALLOW_ANY_URL: 'true']], [global: [:], folder: [DEPLOYLOG_ALLOW_ANY_URL: 'true']],
             [global: [:], transport: 'httpRequest'], [global: [:], sandboxed: true]].eachWithIndex { settings, i ->
                Build build = suite.build([transport: 'controller'] + settings)
                build.environment.DEPLOYLOG_ALLOW_ANY_URL = 'true'
                build.run("""
                    recordDeploy(component: 'shop') { stage('x') { } }
                    recordDeploy(component: 'shop') { stage('x') { } }""")
                Suite.expect([i, build.text.count('set neither globally nor on the folder')], [i, i < 2 ? 1 : 0], build)
            }
        }
    }

}
