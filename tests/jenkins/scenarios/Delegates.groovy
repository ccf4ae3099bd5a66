/** What names in the body of recordDeploy mean: the recorded steps, then what they meant before. */
class Delegates {

    static void define(Suite suite) {
        for (strategy in ['OWNER_FIRST', 'DELEGATE_FIRST']) {
            suite.test("delegates: a body keeps the methods and properties of its own delegate, with ${strategy}") {
                Build build = suite.build()
                Suite.expect(suite.lines(build, """
                    class Helper {
                        String target = 'eu'
                        void copy() { target += '!' }
                        Object stage(String name, Closure body) { throw new IllegalStateException('not recorded') }
                    }
                    def method() { 'mine' }
                    shared = 'a variable'
                    stored = { -> 'a closure in a variable' }
                    Helper helper = new Helper()
                    Closure body = {
                        stage('Copy') {
                            copy()
                            parallel(a: { stage('x') { echo "to \${target}" } })
                        }
                        target = 'us'
                        assert method() == 'mine' && shared == 'a variable' && stored() == 'a closure in a variable'
                        shared = 'changed'
                        node { assert env.NODE_NAME == 'built-in' }
                    }
                    body.delegate = helper
                    body.resolveStrategy = Closure.${strategy}
                    recordDeploy(component: 'shop', body)
                    assert shared == 'changed' && ${strategy == 'DELEGATE_FIRST' ? 'helper.target' : 'target'} == 'us'"""),
                    ['deploy started', 'Copy started', 'Copy / a / x started', 'Copy / a / x succeeded 0', 'Copy succeeded 0',
                     'deploy deployed 0'], build)
                Suite.check('to eu!' in build.log && !build.text.contains('threw'), build.text)
            }
        }
        suite.test('delegates: a body sets the values of a map that is its delegate') {
            Build build = suite.build()
            Suite.expect(build.run('''
                Map config = [:]
                Closure body = { stage('Set') { target = 'eu' } }
                body.delegate = config
                body.resolveStrategy = Closure.DELEGATE_FIRST
                recordDeploy(component: 'shop', body)
                assert config == [target: 'eu']'''), null, build)
            Suite.expect(Service.lines(suite.service.records(build.run)),
                ['deploy started', 'Set started', 'Set succeeded 0', 'deploy deployed 0'], build)
        }
        suite.test('delegates: one body can be that of several deploys, also at the same time') {
            Build build = suite.build()
            Suite.expectInAnyOrder(suite.lines(build, '''
                Closure body = { stage('Copy') { sleep time: 1 } }
                recordDeploy(environment: 'test', body)
                parallel(a: { recordDeploy(environment: 'eu', body) }, b: { recordDeploy(environment: 'us', body) })'''),
                ['deploy started', 'Copy started', 'Copy succeeded 1', 'deploy deployed 1'] * 3, build)
        }
    }

}
