/** A service that requires a token. */
class Tokens {

    static void define(Suite suite) {
        File data = File.createTempDir()
        // Public reads let the tests read the records. A separate database keeps the service of other tests open without tokens.
        Service service = new Service(System.getenv('DEPLOYLOG_BIN'),
            [DATABASE_URL: '', DEPLOYLOG_DATA_DIR: data.path, DEPLOYLOG_PUBLIC_READS: 'true'])
        data.setExecutable(true, false)
        data.setReadable(true, false)
        String right = service.token('jenkins', '--scope', 'write', '--component', 'shop*')
        String reader = service.token('dashboard', '--scope', 'read')
        service.start()
        for (transport in ['httpRequest', 'curl', 'powershell', 'controller']) {
            suite.test("a token with the scope write is sufficient, by ${transport}") {
                Build build = build(suite, service, transport, right)
                build.run("node { recordDeploy(component: 'shop') { stage('x') { sleep time: 3 } } }")
                Suite.expect(Service.lines(service.records(build.run)), ['deploy started', 'x started', 'x succeeded 3', 'deploy deployed 3'], build)
                Suite.check(!build.text.contains('credentialsId:'), build.text)
            }
            [
                none: [null, 'this call needs a token'],
                unknown: ['dl_' + 'A' * 43, 'the token is unknown or revoked'],
                'read-only': [reader, 'this call needs a token with the scope write or admin; the token dashboard has the scope read'],
            ].each { name, setup ->
                suite.test("a build continues without a valid token (${name}) and its log says why, by ${transport}") {
                    Build build = build(suite, service, transport, setup[0])
                    Suite.expect(build.run("node { recordDeploy(component: 'shop') { stage('x') { sleep time: 3 } } }"), null, build)
                    Suite.expect(service.records(build.run), [])
                    Suite.check(build.text.contains(setup[1]), build.text)
                    Suite.expect(build.text.count('check that DEPLOYLOG_CREDENTIALS_ID'), 1)
                }
            }
        }
        suite.test('a component that the token does not allow is reported by name') {
            Build build = build(suite, service, 'curl', right)
            Suite.expect(build.run("node { recordDeploy(component: 'web') { } }"), null, build)
            Suite.check(build.text.contains('component: web does not match shop*, the pattern of the token jenkins'), build.text)
        }
        suite.test('a component that the token does not allow does not block the deploys of others') {
            Build build = build(suite, service, 'curl', right)
            build.run("""
                node { recordDeploy(component: 'shop') {
                    recordStage('Foreign', component: 'web') { }
                    recordStage('Own') { }
                    recordStage('Foreign again', component: 'web') { }
                } }""")
            Suite.expectInAnyOrder(Service.lines(service.records(build.run)), ['deploy started', 'Own started', 'Own succeeded 0',
                'deploy deployed 0'], build)
            Suite.check(!build.text.contains('queued') && !build.text.contains('not delivered'), build.text)
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
