/** A service that asks for a token. */
class Tokens {

    static void define(Suite suite) {
        File data = File.createTempDir()
        // Reads are public so that the records can be looked at. An own database: a token would close the others' service.
        Service service = new Service(System.getenv('DEPLOYLOG_BIN'),
            [DATABASE_URL: '', DEPLOYLOG_DATA_DIR: data.path, DEPLOYLOG_PUBLIC_READS: 'true'])
        data.setExecutable(true, false)
        data.setReadable(true, false)
        String right = service.token('jenkins', '--scope', 'write', '--component', 'shop*')
        String reader = service.token('dashboard', '--scope', 'read')
        service.start()
        for (transport in ['httpRequest', 'curl', 'powershell', 'controller']) {
            suite.test("a token with the scope write is all that a build needs, by ${transport}") {
                Build build = build(suite, service, transport, right)
                build.run("node { recordDeploy(component: 'shop') { stage('x') { sleep time: 3 } } }")
                Suite.same(Service.lines(service.records(build.run)), ['deploy started', 'x started', 'x succeeded 3', 'deploy deployed 3'], build)
                Suite.yes(!build.text.contains('credentialsId:'), build.text)
            }
            [none: [null, 'this call needs a token'], wrong: ['dl_' + 'A' * 43, 'the token is unknown or revoked'],
             reading: [reader, 'this call needs a token with the scope write']].each { name, given ->
                suite.test("a build goes on without a token that counts (${name}) and its log says why, by ${transport}") {
                    Build build = build(suite, service, transport, given[0])
                    Suite.same(build.run("node { recordDeploy(component: 'shop') { stage('x') { sleep time: 3 } } }"), null, build)
                    Suite.same(service.records(build.run), [])
                    Suite.yes(build.text.contains(given[1]), build.text)
                    Suite.same(build.text.count('see to DEPLOYLOG_CREDENTIALS_ID'), 1)
                }
            }
        }
        suite.test('a component that the token may not write of is told by its name') {
            Build build = build(suite, service, 'curl', right)
            Suite.same(build.run("node { recordDeploy(component: 'web') { } }"), null, build)
            Suite.yes(build.text.contains('component web does not match shop*, the pattern of the token jenkins'), build.text)
        }
        service.stop()
        data.deleteDir()
    }

    private static Build build(Suite suite, Service service, String transport, String token) {
        Build build = suite.build([transport: transport] + (token ? [secrets: [token: token]] : [:]))
        build.environment.DEPLOYLOG_URL = service.url
        if (token) {
            build.environment.DEPLOYLOG_CREDENTIALS_ID = 'token'
        }
        return build
    }

}
