/** Unmodified Declarative pipelines that the every-stage library records. */
class DeclarativePipelines {

    static void define(Suite suite) {
        suite.test('declarative: sequential, nested, parallel and matrix stages are recorded, synthetic stages are not') {
            Build build = build(suite)
            Suite.expectInAnyOrder(lines(suite, build, [agent: 'any', post: { }, stages: [
                [name: 'Build', steps: { sh 'sleep 30' }],
                [name: 'Test', parallel: [
                    [name: 'unit', steps: { sh 'sleep 5' }],
                    [name: 'load', stages: [[name: 'prepare', steps: { sh 'sleep 1' }], [name: 'run', steps: { sh 'sleep 8' }]]],
                ]],
                [name: 'Matrix', parallel: [
                    [name: "Matrix - OS = 'linux'", stages: [[name: 'Check', steps: { sh 'sleep 2' }]]],
                    [name: "Matrix - OS = 'mac'", stages: [[name: 'Check', steps: { sh 'sleep 3' }]]],
                ]],
            ]]), ['Build started', 'Build succeeded 30', 'Test started', 'Test / unit started', 'Test / load started',
                  'Test / load / prepare started', 'Test / load / prepare succeeded 1', 'Test / load / run started',
                  'Test / unit succeeded 5', 'Test / load / run succeeded 8', 'Test / load succeeded 9', 'Test succeeded 9',
                  'Matrix started', "Matrix / Matrix - OS = 'linux' started", "Matrix / Matrix - OS = 'mac' started",
                  "Matrix / Matrix - OS = 'linux' / Check started", "Matrix / Matrix - OS = 'mac' / Check started",
                  "Matrix / Matrix - OS = 'linux' / Check succeeded 2", "Matrix / Matrix - OS = 'linux' succeeded 2",
                  "Matrix / Matrix - OS = 'mac' / Check succeeded 3", "Matrix / Matrix - OS = 'mac' succeeded 3",
                  'Matrix succeeded 3'], build)
        }
        suite.test('declarative: after a failure later stages are skipped without a start, and parents fail') {
            Build build = build(suite)
            Suite.expectInAnyOrder(lines(suite, build, [agent: 'any', post: { }, stages: [
                [name: 'Outer', stages: [
                    [name: 'Good', steps: { sh 'sleep 1' }],
                    [name: 'Bad', steps: { sh 'sleep 2'; error 'x' }],
                    [name: 'Rest', steps: { sh 'sleep 3' }],
                ]],
                [name: 'Later', parallel: [[name: 'a', steps: { }], [name: 'b', steps: { }]]],
                [name: 'Last', steps: { }],
            ]]), ['Outer started', 'Outer / Good started', 'Outer / Good succeeded 1', 'Outer / Bad started', 'Outer / Bad failed 2',
                  'Outer / Rest skipped', 'Outer failed 3', 'Later / a skipped', 'Later / b skipped', 'Later skipped', 'Last skipped'])
            Suite.expect(suite.service.records(build.run).count { it.phase == 'skipped' }, 5)
        }
        suite.test('declarative: after failures in two branches other stages still run') {
            Suite.expectInAnyOrder(lines(suite, build(suite), [agent: 'any', stages: [
                [name: 'Both', parallel: [
                    [name: 'x', stages: [[name: 'fails', steps: { sh 'sleep 1'; error '1' }], [name: 'rest', steps: { }]]],
                    [name: 'y', stages: [[name: 'fails', steps: { sh 'sleep 2'; error '2' }], [name: 'rest', steps: { }]]],
                    [name: 'z', stages: [[name: 'slow', steps: { sh 'sleep 3' }], [name: 'more', steps: { sh 'sleep 4' }]]],
                ]],
            ]]), ['Both started', 'Both / x started', 'Both / y started', 'Both / z started', 'Both / x / fails started',
                  'Both / y / fails started', 'Both / z / slow started', 'Both / x / fails failed 1', 'Both / x / rest skipped',
                  'Both / x failed 1', 'Both / y / fails failed 2', 'Both / y / rest skipped', 'Both / y failed 2',
                  'Both / z / slow succeeded 3', 'Both / z / more started', 'Both / z / more succeeded 4', 'Both / z succeeded 7',
                  'Both failed 7'])
        }
        suite.test('declarative: a failure that cannot be serialized does not harm the build, and skipped stages are recognised') {
            Throwable failure = new IllegalStateException('x', new Unserializable())
            Suite.expect(lines(suite, build(suite), [agent: 'any', stages: [
                [name: 'Bad', steps: { throw failure }], [name: 'Rest', steps: { }],
            ]]), ['Bad started', 'Bad failed 0', 'Rest skipped'])
        }
        suite.test('declarative: skipped stages are recognised after a restart of Jenkins') {
            Build build = build(suite)
            Suite.expect(lines(suite, build, [agent: 'any', stages: [
                [name: 'Bad', steps: { error 'x' }], [name: 'Rest', before: { build.restart() }, steps: { }], [name: 'Last', steps: { }],
            ]]), ['Bad started', 'Bad failed 0', 'Rest skipped', 'Last skipped'])
        }
        suite.test('declarative: stages of other branches and retried stages are recorded when they run') {
            List<List<String>> seen = []
            Build build = build(suite)
            int attempt = 0
            Suite.expectInAnyOrder(lines(suite, build, [agent: 'any', stages: [
                [name: 'Both', parallel: [
                    [name: 'x', retry: 2, stages: [[name: 'once', steps: { if (attempt++ == 0) { error '1' } }], [name: 'rest', steps: { }]]],
                    [name: 'y', stages: [[name: 'slow', steps: { sh 'sleep 3' }], [name: 'more', steps: {
                        seen.add(Service.lines(suite.service.records(build.run)).findAll { it.startsWith('Both / y / more') })
                        error '2'
                    }]]],
                ]],
            ]]), ['Both started', 'Both / x started', 'Both / x / once started', 'Both / x / once failed 0', 'Both / x / rest skipped',
                  'Both / x / once started', 'Both / x / once succeeded 0', 'Both / x / rest started', 'Both / x / rest succeeded 0',
                  'Both / x succeeded 0', 'Both / y started', 'Both / y / slow started', 'Both / y / slow succeeded 3',
                  'Both / y / more started', 'Both / y / more failed 0', 'Both / y failed 3', 'Both failed 3'], build)
            Suite.expect(seen, [['Both / y / more started']])
        }
        suite.test('declarative: failFast, retry, timeout and input are recorded') {
            Build build = build(suite)
            int attempt = 0
            Suite.expectInAnyOrder(lines(suite, build, [agent: 'none', stages: [
                [name: 'Flaky', agent: 'any', retry: 2, steps: { sh 'sleep 4'; if (attempt++ == 0) { error 'once' } }],
                [name: 'Approve', input: 'Go on?', agent: 'any', steps: { sh 'sleep 1' }],
                [name: 'Both', failFast: true, parallel: [
                    [name: 'x', agent: 'any', timeout: 5, steps: { sh 'sleep 60' }],
                    [name: 'y', agent: 'any', steps: { sh 'sleep 60' }],
                ]],
                [name: 'Never', steps: { }],
            ]]), ['Flaky started', 'Flaky succeeded 8', 'Approve started', 'Approve succeeded 21', 'Both started', 'Both / x started',
                  'Both / y started', 'Both / x timeout 5', 'Both / y aborted 5', 'Both timeout 5', 'Never skipped'], build)
        }
        suite.test('declarative: an abort is recorded') {
            Build build = build(suite)
            Suite.expect(lines(suite, build, [agent: 'any', stages: [
                [name: 'Deploy', steps: { build.clock.at(build.clock.now() + 3000) { build.abort() }; sh 'sleep 60' }],
                [name: 'Later', steps: { }],
            ]]), ['Deploy started', 'Deploy aborted 3', 'Later skipped'])
        }
        suite.test('declarative: unstable, catchError and warnError in steps set the status') {
            Suite.expect(lines(suite, build(suite), [agent: 'any', stages: [
                [name: 'Unstable', steps: { unstable 'hm' }],
                [name: 'Warned', steps: { warnError('careful') { error 'x' } }],
                [name: 'Caught', steps: { catchError { error 'x' } }],
                [name: 'Fine', steps: { sh 'sleep 1' }],
            ]]), ['Unstable started', 'Unstable unstable 0', 'Warned started', 'Warned unstable 0', 'Caught started', 'Caught failed 0',
                  'Fine started', 'Fine succeeded 1'])
        }
        [false, true].each { sandboxed ->
            suite.test('declarative: a stage skipped by "when", unstable or a restart is recorded as ' +
                (sandboxed ? 'succeeded in the sandbox, which is asked once' : 'skipped')) {
                String status = sandboxed ? 'succeeded 0' : 'skipped'
                Build build = suite.build(everyStage: true, sandboxed: sandboxed)
                Suite.expect(lines(suite, build, [agent: 'any', stages: [
                    [name: 'Before', skip: 'restart', steps: { }], [name: 'Optional', when: false, steps: { }],
                    [name: 'Run', steps: { }], [name: 'After', skip: 'unstable', steps: { }],
                ]]), ['Before started', 'Before ' + status, 'Optional started', 'Optional ' + status, 'Run started', 'Run succeeded 0',
                      'After started', 'After ' + status]*.toString(), build)
                Suite.expect(build.rejections, sandboxed ? 1 : 0)
            }
        }
        suite.test('declarative: recordDeploy works in the steps of a recorded stage, with settings from the environment block') {
            Build build = build(suite)
            Suite.expect(lines(suite, build, [agent: 'any', environment: [DEPLOYLOG_COMPONENT: 'shop', DEPLOYLOG_OWNER: 'mreyes'], stages: [
                [name: 'Deploy', steps: { recordDeploy(environment: 'production') { stage('eu') { sh 'sleep 4' } } }],
            ]]), ['Deploy started', 'deploy started', 'Deploy / eu started', 'Deploy / eu succeeded 4', 'deploy deployed 4',
                  'Deploy succeeded 4'], build)
            List<Map> records = suite.service.records(build.run)
            Suite.expect(records*.owner.unique(), ['mreyes'])
            Suite.expect(records*.component.unique(), ['shop'])
            Suite.expect(records*.environment, [null] + ['production'] * 4 + [null])
        }
        suite.test('declarative: recordStage works in steps without the every-stage library') {
            Build build = suite.build()
            Suite.expect(lines(suite, build, [agent: 'any', stages: [
                [name: 'Deploy', steps: { recordStage('Copy') { sh 'sleep 4' } }],
            ]]), ['Copy started', 'Copy succeeded 4'])
        }
        suite.test('the every-stage library records stages of a scripted pipeline, including those in methods and closures') {
            Suite.expectInAnyOrder(suite.lines(build(suite), '''
                def body = { stage('In a closure') { sleep time: 1 } }
                def method() { stage('In a method') { sleep time: 2 } }
                node {
                    stage('Outer') { body(); method() }
                    parallel(a: { stage('Test') { sleep time: 3 } }, b: { stage('Test') { sleep time: 4 } })
                    stage 'old'
                    stage(name: 'Map') { }
                }'''), ['Outer started', 'Outer / In a closure started', 'Outer / In a closure succeeded 1', 'Outer / In a method started',
                        'Outer / In a method succeeded 2', 'Outer succeeded 3', 'a / Test started', 'b / Test started',
                        'a / Test succeeded 3', 'b / Test succeeded 4', 'Map started', 'Map succeeded 0'])
        }
        suite.test('recordDeploy and the every-stage library together record each stage once') {
            Suite.expect(suite.lines(build(suite), '''
                def method() { stage('In a method') { sleep time: 2 } }
                recordDeploy(component: 'shop') { stage('Direct') { method() } }'''),
                ['deploy started', 'Direct started', 'Direct / In a method started', 'Direct / In a method succeeded 2',
                 'Direct succeeded 2', 'deploy deployed 2'])
        }
    }

    /** Holds a Matcher, as exceptions of pipelines can. */
    static class Unserializable extends RuntimeException {

        private static final long serialVersionUID = 1L
        final Object matcher = 'x' =~ 'x'

    }

    static Build build(Suite suite) {
        return suite.build(everyStage: true)
    }

    static List<String> lines(Suite suite, Build build, Map root) {
        return suite.lines(build) { script -> new ModelInterpreter(script, root).run() }
    }

}
