/** Calls with wrong arguments. Whatever they are, the body runs and its value is returned. */
class Misuse {

    private static final String DEPLOY = "recordDeploy as recordDeploy(component: 'shop', version: '2.1') { … }"
    private static final String STAGE = "recordStage as recordStage('Migrate') { … } or recordStage('Migrate', component: 'shop') { … }"
    private static final String STATUS = "recordStatus as recordStatus(status: 'rolled_back')"

    static void define(Suite suite) {
        suite.test('misuse: recordDeploy says what is wrong, runs the body and returns its value') {
            for (call in ["recordDeploy('shop') { work() }", 'recordDeploy(null) { work() }', 'recordDeploy({ work() }, [component: "c"])',
                          "recordDeploy('shop', component: 'c') { work() }", "recordDeploy(7, '2.1', true) { work() }",
                          "recordDeploy([component: 'c'], null) { work() }", 'recordDeploy(["component"]) { work() }']) {
                check(suite, call, 'worked', DEPLOY)
            }
        }
        suite.test('misuse: recordStage says what is wrong, runs the body and returns its value') {
            for (call in ["recordStage(name: 'x') { work() }", 'recordStage { work() }', 'recordStage(null) { work() }',
                          "recordStage({ work() }, 'x')", 'recordStage(component: "c") { work() }', 'recordStage("x", "y") { work() }',
                          'recordStage("x", null) { work() }', 'recordStage(null, "x") { work() }']) {
                check(suite, call, 'worked', STAGE)
            }
        }
        suite.test('misuse: recordStatus says what is wrong') {
            for (call in ["recordStatus('rolled_back')", 'recordStatus()', 'recordStatus(null)', 'recordStatus("a", status: "b")',
                          'recordStatus(1, 2, 3)']) {
                check(suite, call, null, STATUS)
            }
            check(suite, "recordStatus('x') { work() }", 'worked', STATUS)
        }
        suite.test('misuse: a step without its body says what is wrong') {
            for (call in ["recordDeploy(component: 'c')", 'recordDeploy()', 'recordDeploy(null)', 'recordDeploy(null, null)',
                          'recordDeploy([component: "c"], null)']) {
                check(suite, call, null, DEPLOY)
            }
            for (call in ["recordStage('x')", 'recordStage()', 'recordStage(null)', "recordStage('x', null)", 'recordStage(null, null, null)']) {
                check(suite, call, null, STAGE)
            }
        }
        suite.test('misuse: an error in the body of a wrong call is thrown on unchanged') {
            Build build = suite.build()
            Suite.expect(build.run('''
                def thrown = new IOException('mine')
                try { recordDeploy('shop') { throw thrown } } catch (e) { assert e.is(thrown); return }
                assert false'''), null, build)
        }
        suite.test('misuse: names are texts of any kind') {
            Suite.expect(suite.lines(suite.build(), '''
                int i = 7
                recordStage("part ${i}") { }
                recordStage("more ${i}", component: "c ${i}") { }'''),
                ['part 7 started', 'part 7 succeeded 0', 'more 7 started', 'more 7 succeeded 0'])
        }
        suite.test('misuse: the every-stage library passes on to Jenkins what it does not record') {
            Build build = suite.build(everyStage: true)
            Suite.expect(suite.lines(build, '''
                for (call in [{ stage(null) { } }, { stage { } }, { stage('a', 'b') { } }, { stage(7) }, { parallel() }, { parallel(null) },
                              { parallel('a', { }) }]) {
                    try { call() } catch (Throwable e) { echo 'from Jenkins' }
                }
                stage(name: "GString ${1 + 1}") { }
                stage 'old'
                parallel(a: { stage('x') { } })'''), ['GString 2 started', 'GString 2 succeeded 0', 'a / x started', 'a / x succeeded 0'], build)
        }
    }

    private static void check(Suite suite, String call, Object value, String message) {
        Build build = suite.build()
        Suite.expect(build.run("def work() { 'worked' }\nassert (${call}) == ${value ? "'$value'" : null}"), null, build)
        Suite.expect(build.log.findAll { it.contains('deploylog') }, ['deploylog: nothing is recorded: call ' + message], build)
        Suite.expect(suite.service.records(build.run), [])
    }

}
