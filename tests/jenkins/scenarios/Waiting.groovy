/** The field `waited_seconds`: the time during which every open branch of a block waited in node, lock or input. */
class Waiting {

    static void define(Suite suite) {
        suite.test('waiting: for a node, a lock and an input is measured, and every overload passes its arguments and values on') {
            Build build = suite.build()
            Suite.expect(finishes(suite, build, '''
                recordDeploy(component: 'shop') {
                    stage('Node') {
                        assert node('after 30') { sleep time: 5; 'value' } == 'value'
                        assert node(label: "after ${1}") { env.NODE_NAME } == 'built-in'
                        assert node(null) { 'null' } == 'null'
                        node { }
                    }
                    stage('Lock') {
                        lock('after 7') { sleep time: 1 }
                        lock(label: 'after 2', quantity: 1, variable: 'LOCKED') { assert env.LOCKED == 'after 2' }
                        assert lock(resource: 'after 9', skipIfLocked: true) { assert false } == null
                    }
                    stage('Input') {
                        assert input('Go on?') == null
                        assert input(message: 'Who?', parameters: ['ana']) == 'ana'
                    }
                    stage('Work') { sleep time: 3; build(job: 'SUCCESS') }
                }'''),
                ['Node succeeded 36 waited 31', 'Lock succeeded 10 waited 9', 'Input succeeded 40 waited 40', 'Work succeeded 3 waited 0',
                 'deploy deployed 89 waited 80'], build)
        }
        suite.test('waiting: nested waits count once') {
            Build build = suite.build()
            Suite.expect(finishes(suite, build, '''
                recordDeploy(component: 'shop') {
                    lock('after 10') {
                        stage('Outer') { node('after 20') { lock('after 5') { input 'ok?'; sleep time: 4 }; sleep time: 1 } }
                    }
                }'''), ['Outer succeeded 50 waited 45', 'deploy deployed 60 waited 55'], build)
        }
        suite.test('waiting: a block waits while all its open branches wait') {
            Build build = suite.build()
            Suite.expectInAnyOrder(finishes(suite, build, '''
                recordDeploy(component: 'shop') {
                    stage('All') {
                        parallel(
                            a: { stage('x') { node('after 10') { sleep time: 5 } } },
                            b: { stage('x') { node('after 30') { sleep time: 1 } } })
                    }
                    stage('Some') {
                        parallel(a: { node('after 10') { sleep time: 5 } }, b: { sleep time: 12; node('after 8') { } }, c: { sleep time: 11 })
                    }
                    stage('Nested') {
                        parallel(
                            a: { parallel(a1: { lock('after 6') { } }, a2: { lock('after 4') { sleep time: 4 } }) },
                            b: { input 'ok?' },
                            failFast: true)
                    }
                }'''), ['All / a / x succeeded 15 waited 10', 'All / b / x succeeded 31 waited 30', 'All succeeded 31 waited 25',
                        'Some succeeded 20 waited 5', 'Nested succeeded 20 waited 16', 'deploy deployed 71 waited 46'], build)
        }
        suite.test('waiting: a branch can wait before its stages, and stages before a parallel step have their own time') {
            Build build = suite.build()
            Suite.expectInAnyOrder(finishes(suite, build, '''
                recordDeploy(component: 'shop') {
                    node('after 3') { stage('First') { sleep time: 2 } }
                    parallel(a: { node('after 10') { stage('Inside') { sleep time: 5 } } }, b: { stage('Busy') { sleep time: 7 } })
                    stage('Last') { lock('after 1') { } }
                }'''), ['First succeeded 2 waited 0', 'a / Inside succeeded 5 waited 0', 'b / Busy succeeded 7 waited 0', 'Last succeeded 1 waited 1',
                        'deploy deployed 21 waited 7'], build)
        }
        suite.test('waiting: an abort, a timeout, a rejection and an exception end it') {
            Build build = suite.build()
            Suite.expect(finishes(suite, build, '''
                recordDeploy(component: 'shop') {
                    catchError { stage('Timeout') { timeout(time: 5, unit: 'SECONDS') { node('after 60') { } } } }
                    catchError { stage('Rejected') { input 'Nobody?' } }
                    catchError { stage('Thrown') { node('after 2') { lock('after 3') { sleep time: 1; error 'x' } } } }
                    stage('After') { sleep time: 4 }
                    build.clock.at(build.clock.now() + 7000) { build.abort() }
                    stage('Aborted') { lock('after 60') { } }
                }'''), ['Timeout timeout 5 waited 5', 'Rejected aborted 20 waited 20', 'Thrown failed 6 waited 5', 'After succeeded 4 waited 0',
                        'Aborted aborted 7 waited 7', 'deploy aborted 42 waited 37'], build)
        }
        suite.test('waiting: an abort of branches that wait ends it') {
            Build build = suite.build()
            Suite.expectInAnyOrder(finishes(suite, build, '''
                recordDeploy(component: 'shop') {
                    stage('Both') {
                        catchError { parallel(a: { node('after 60') { } }, b: { sleep time: 3; error 'x' }, failFast: true) }
                        sleep time: 2
                    }
                }'''), ['Both failed 5 waited 0', 'deploy failed 5 waited 0'], build)
        }
        suite.test('waiting: survives a restart of Jenkins') {
            Build build = suite.build()
            Suite.expect(finishes(suite, build, '''
                build.clock.at(build.clock.now() + 4000) { build.restart() }
                recordDeploy(component: 'shop') { stage('Restarted') { node('after 10') { sleep time: 1 } } }'''),
                ['Restarted succeeded 11 waited 10', 'deploy deployed 11 waited 10'], build)
        }
        suite.test('waiting: the every-stage library measures it in Declarative pipelines, also for an agent per stage') {
            Build build = suite.build(everyStage: true)
            Suite.expectInAnyOrder(finishes(suite, build) { script ->
                new ModelInterpreter(script, [agent: 'none', stages: [
                    [name: 'Agent', agent: 'after 30', steps: { steps.sleep time: 5 }],
                    [name: 'Approve', input: 'Go on?', agent: 'after 3', steps: { steps.sleep time: 1 }],
                    [name: 'Both', parallel: [
                        [name: 'x', agent: 'after 10', steps: { steps.sleep time: 5 }],
                        [name: 'y', agent: 'after 12', steps: { lock('after 4') { recordStage('z') { input 'ok?' } } }],
                    ]],
                ]]).run()
            }, ['Agent succeeded 35 waited 30', 'Approve succeeded 24 waited 23', 'Both / x succeeded 15 waited 10',
                'Both / y / z succeeded 20 waited 20', 'Both / y succeeded 36 waited 36', 'Both succeeded 36 waited 31'], build)
        }
        suite.test('waiting: the every-stage library measures it in methods of a scripted pipeline') {
            Build build = suite.build(everyStage: true)
            Suite.expect(finishes(suite, build, '''
                def method() { node('after 6') { sleep time: 1 } }
                stage('Outer') { method(); assert input(message: 'Who?', parameters: ['ana']) == 'ana' }
                recordDeploy(component: 'shop') { stage('Inner') { node(label: 'after 2') { } } }'''),
                ['Outer succeeded 27 waited 26', 'Inner succeeded 2 waited 2', 'deploy deployed 2 waited 2'], build)
        }
        suite.test('waiting: a stage whose steps are not observed has none') {
            Build build = suite.build()
            Suite.expect(finishes(suite, build, '''
                recordDeploy(component: 'shop') { recordStage('Inside') { node('after 2') { } } }
                recordStage('Outside') { node('after 3') { } }'''),
                ['Inside succeeded 2 waited 2', 'deploy deployed 2 waited 2', 'Outside succeeded 3'], build)
        }
    }

    /** The records that stop the clock, with how long they waited. */
    private static List<String> finishes(Suite suite, Build build, Object jenkinsfile) {
        build.run(jenkinsfile)
        List<Map> records = suite.service.records(build.run).findAll { it.phase != 'started' }
        return [Service.lines(records), records].transpose().collect { line, record ->
            line + (record.waited_seconds == null ? '' : ' waited ' + record.waited_seconds.toBigDecimal().stripTrailingZeros().toPlainString())
        }
    }

}
