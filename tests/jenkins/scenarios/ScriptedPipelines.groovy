/** Scripted pipelines: the records of a build, with their order, statuses and durations. */
class ScriptedPipelines {

    static void define(Suite suite) {
        [SUCCESS: ['succeeded', 'succeeded'], UNSTABLE: ['unstable', 'aborted'], FAILURE: ['failed', 'aborted'],
         ABORTED: ['aborted', 'aborted']].each { result, statuses ->
            suite.test("scripted: the result ${result} of a downstream build sets the status if the sandbox does not hide it") {
                [false, true].eachWithIndex { sandboxed, i ->
                    List<String> lines = suite.lines(suite.build(sandboxed: sandboxed), """
                        node {
                            recordDeploy(component: 'shop') {
                                try { recordStage('Downstream') { build(job: '${result}') } } catch (ignored) { }
                            }
                        }""")
                    Suite.expect(lines, ['deploy started', 'Downstream started', "Downstream ${statuses[i]} 0".toString(), 'deploy deployed 0'])
                }
            }
        }
        for (transport in ['httpRequest', 'curl', 'powershell', 'controller']) {
            suite.test("scripted: sequential and nested stages are recorded, by ${transport}") {
                Build build = suite.build(transport: transport)
                Suite.expect(suite.lines(build, '''
                    node {
                        recordDeploy(component: 'shop', version: '2.1', environment: 'production') {
                            stage('Build') { sh 'sleep 30' }
                            stage('Deploy') {
                                stage('eu-west') { sh 'sleep 5' }
                                sh 'sleep 1'
                            }
                        }
                    }'''), ['deploy started', 'Build started', 'Build succeeded 30', 'Deploy started', 'Deploy / eu-west started',
                            'Deploy / eu-west succeeded 5', 'Deploy succeeded 6', 'deploy deployed 36'], build)
                Suite.expect(build.calls.httpRequest, transport == 'httpRequest' ? 5 : null)
                Suite.expect(build.calls.powershell, transport == 'powershell' ? 5 : null)
            }
        }
        suite.test('scripted: equal stage names in parallel branches stay distinct') {
            Suite.expectInAnyOrder(suite.lines(suite.build(), '''
                recordDeploy(component: 'shop') {
                    stage('Deploy') {
                        parallel(
                            eu: { stage('Test') { sleep time: 10 } },
                            us: { stage('Test') { sleep time: 20 } },
                            asia: { stage('asia') { sleep time: 5 } })
                    }
                }'''), ['deploy started', 'Deploy started', 'Deploy / eu / Test started', 'Deploy / us / Test started',
                        'Deploy / asia started', 'Deploy / asia succeeded 5', 'Deploy / eu / Test succeeded 10',
                        'Deploy / us / Test succeeded 20', 'Deploy succeeded 20', 'deploy deployed 20'])
        }
        suite.test('scripted: stages in loops and in a matrix of branches are recorded') {
            Suite.expectInAnyOrder(suite.lines(suite.build(), '''
                recordDeploy(component: 'shop') {
                    ['a', 'b'].each { name -> stage(name) { sleep time: 1 } }
                    for (int i = 0; i < 2; i++) { stage("round ${i}") { sleep time: 2 } }
                    def cells = [:]
                    for (os in ['linux', 'mac']) {
                        for (db in ['pg15', 'pg17']) {
                            def cell = os + ' ' + db
                            cells[cell] = { stage('Test') { sleep time: 3 } }
                        }
                    }
                    parallel cells
                }'''), ['deploy started', 'a started', 'a succeeded 1', 'b started', 'b succeeded 1', 'round 0 started',
                        'round 0 succeeded 2', 'round 1 started', 'round 1 succeeded 2',
                        'linux pg15 / Test started', 'linux pg17 / Test started', 'mac pg15 / Test started', 'mac pg17 / Test started',
                        'linux pg15 / Test succeeded 3', 'linux pg17 / Test succeeded 3', 'mac pg15 / Test succeeded 3',
                        'mac pg17 / Test succeeded 3', 'deploy deployed 9'])
        }
        suite.test('scripted: each attempt of a retried stage has its own duration') {
            Suite.expect(suite.lines(suite.build(), '''
                recordDeploy(component: 'shop') {
                    int attempt = 0
                    retry(3) {
                        stage('Flaky') {
                            attempt++
                            sleep time: attempt * 10
                            if (attempt < 3) { error 'not yet' }
                        }
                    }
                }'''), ['deploy started', 'Flaky started', 'Flaky failed 10', 'Flaky started', 'Flaky failed 20', 'Flaky started',
                        'Flaky succeeded 30', 'deploy deployed 60'])
        }
        suite.test('scripted: a timeout is distinguished from an abort') {
            Build build = suite.build()
            Suite.expect(suite.lines(build, '''
                recordDeploy(component: 'shop') {
                    catchError { stage('Inside') { timeout(time: 10, unit: 'SECONDS') { sleep time: 60 } } }
                    timeout(time: 5, unit: 'SECONDS') { stage('Around') { sleep time: 60 } }
                }'''), ['deploy started', 'Inside started', 'Inside timeout 10', 'Around started', 'Around timeout 5', 'deploy timeout 15'])
            Suite.expect(suite.service.records(build.run).phase, ['started', 'started', 'failed', 'started', 'failed', 'failed'])
        }
        suite.test('scripted: in the sandbox, a timeout is recorded as an abort') {
            Suite.expect(suite.lines(suite.build(sandboxed: true), '''
                recordDeploy(component: 'shop') { timeout(time: 5, unit: 'SECONDS') { stage('Slow') { sleep time: 60 } } }'''),
                ['deploy started', 'Slow started', 'Slow aborted 5', 'deploy aborted 5'])
        }
        suite.test('scripted: approved and rejected input is recorded') {
            Suite.expect(suite.lines(suite.build(), '''
                recordDeploy(component: 'shop') {
                    stage('Approve') { input(message: 'Go on?') }
                    stage('Approve again') { input(message: 'Go on, Nobody?') }
                }'''), ['deploy started', 'Approve started', 'Approve succeeded 20', 'Approve again started',
                        'Approve again aborted 20', 'deploy aborted 40'])
        }
        suite.test('scripted: catchError, warnError, unstable and error set the status') {
            Build build = suite.build()
            Suite.expect(suite.lines(build, '''
                recordDeploy(component: 'shop') {
                    stage('Unstable') { unstable('hm') }
                    stage('Fine') { sleep time: 1 }
                    stage('Caught') { catchError { error 'inside' } }
                    warnError('careful') { stage('Warned') { error 'x' } }
                    catchError { stage('Failed') { sleep time: 2; error 'y' } }
                    stage('After') { sleep time: 3 }
                }'''), ['deploy started', 'Unstable started', 'Unstable unstable 0', 'Fine started', 'Fine succeeded 1',
                        'Caught started', 'Caught failed 0', 'Warned started', 'Warned failed 0', 'Failed started', 'Failed failed 2',
                        'After started', 'After succeeded 3', 'deploy failed 6'], build)
            Suite.expect(build.result, 'FAILURE')
        }
        suite.test('scripted: warnError in a stage makes it unstable, warnError around a deploy does not') {
            Suite.expect(suite.lines(suite.build(), '''
                recordDeploy(component: 'a') { stage('Warned') { warnError('careful') { error 'x' } } }
                warnError('careful') { recordDeploy(component: 'b') { error 'x' } }'''),
                ['deploy started', 'Warned started', 'Warned unstable 0', 'deploy unstable 0', 'deploy started', 'deploy failed 0'])
        }
        suite.test('scripted: an abort is recorded for every open stage') {
            Build build = suite.build()
            Suite.expectInAnyOrder(suite.lines(build, '''
                build.clock.at(build.clock.now() + 7000) { build.abort() }
                recordDeploy(component: 'shop') {
                    stage('Deploy') { parallel(eu: { stage('Copy') { sleep time: 60 } }, us: { stage('Copy') { sleep time: 70 } }) }
                }'''), ['deploy started', 'Deploy started', 'Deploy / eu / Copy started', 'Deploy / us / Copy started',
                        'Deploy / eu / Copy aborted 7', 'Deploy / us / Copy aborted 7', 'Deploy aborted 7', 'deploy aborted 7'], build)
        }
        suite.test('scripted: failFast aborts the other branches') {
            Suite.expectInAnyOrder(suite.lines(suite.build(), '''
                recordDeploy(component: 'shop') {
                    parallel(
                        bad: { stage('Bad') { sleep time: 3; error 'x' } },
                        good: { stage('Good') { sleep time: 60 } },
                        failFast: true)
                }'''), ['deploy started', 'bad / Bad started', 'good / Good started', 'bad / Bad failed 3', 'good / Good aborted 3',
                        'deploy failed 3'])
        }
        suite.test('scripted: stages are recorded with a node, without one and after it is lost') {
            Build build = suite.build(transport: 'curl')
            Suite.expect(suite.lines(build, '''
                recordDeploy(component: 'shop') {
                    stage('Outside') { sleep time: 1 }
                    node { stage('At a node') { sh 'sleep 2' } }
                    node { withEnv(['NODE_LOST=1']) { stage('Lost') { sleep time: 3 } } }
                }'''), ['deploy started', 'Outside started', 'Outside succeeded 1', 'At a node started', 'At a node succeeded 2',
                        'Lost started', 'Lost succeeded 3', 'deploy deployed 6'])
        }
        suite.test('scripted: a body returns its value, throws its own exception and can set its variables') {
            Build build = suite.build()
            Suite.expect(build.run('''
                count = 1
                helper = { it * 2 }
                def thrown = new IllegalStateException('mine')
                def got = recordDeploy(component: 'shop') { count = helper(count); stage('Value') { recordStage('Inner') { 'value' } } }
                assert got == 'value'
                assert count == 2
                try {
                    recordDeploy(component: 'shop') { recordStage('Throws') { throw thrown } }
                    assert false
                } catch (IllegalStateException e) {
                    assert e.is(thrown)
                }'''), null)
        }
        suite.test('scripted: recordStage works in methods and outside recordDeploy, and accepts its own settings') {
            Suite.expect(suite.lines(suite.build(), '''
                def copy(where) { recordStage("Copy ${where}", owner: 'mreyes') { sleep time: 2 } }
                recordStage('Before', component: 'shop') { sleep time: 1 }
                recordDeploy(component: 'shop') { stage('Deploy') { copy('eu') } }'''),
                ['Before started', 'Before succeeded 1', 'deploy started', 'Deploy started', 'Deploy / Copy eu started',
                 'Deploy / Copy eu succeeded 2', 'Deploy succeeded 2', 'deploy deployed 2'])
        }
        suite.test('scripted: recordStatus sends one record, with the start or finish time that its status needs') {
            Build build = suite.build()
            build.run('''
                recordDeploy(component: 'shop', version: '3', environment: 'production') {
                    recordStatus(status: 'rolled_back')
                }
                recordStatus(status: 'Rolling-Out', component: 'shop', version: '4')
                sleep time: 9
                recordStatus(status: 'live', component: 'shop', version: '4')
                recordStatus(status: 'pending', component: 'shop', stage: 'Approval')
                recordStatus(component: 'shop')''')
            List<Map> records = suite.service.records(build.run)
            Suite.expect(Service.lines(records), ['deploy started', 'deploy rolled_back', 'deploy deployed 0', 'deploy Rolling-Out',
                                                'deploy live 9', 'Approval pending'], build)
            Suite.expect(records[1].subMap(['component', 'version', 'environment', 'phase']).values().toList(),
                ['shop', '3', 'production', 'noted'])
            Suite.check(build.text.contains('recordStatus needs a status'), build.text)
        }
        suite.test('scripted: parallel deploys have separate records') {
            Build build = suite.build()
            build.run('''
                parallel(['eu', 'us'].collectEntries { where -> [where, {
                    recordDeploy(component: 'shop', environment: where) { stage('Copy') { sleep time: where == 'eu' ? 5 : 9 } }
                }] })''')
            List<Map> records = suite.service.records(build.run)
            Suite.expect(Service.lines(records.findAll { it.environment == 'eu' }),
                ['deploy started', 'Copy started', 'Copy succeeded 5', 'deploy deployed 5'])
            Suite.expect(Service.lines(records.findAll { it.environment == 'us' }),
                ['deploy started', 'Copy started', 'Copy succeeded 9', 'deploy deployed 9'])
        }
        suite.test('scripted: parallel deploys of the same component and environment have their own run, and one warning is printed') {
            Build build = suite.build()
            build.run('''
                parallel(['5', '9', '7'].collectEntries { seconds -> [seconds, {
                    recordDeploy(component: 'shop', version: seconds) { recordStage('Copy') { sleep time: seconds.toInteger() } }
                }] })
                recordDeploy(component: 'shop', version: '3') { sleep time: 3 }''')
            List<Map> records = suite.service.records(build.run) + suite.service.records(build.run + ' (2)') +
                suite.service.records(build.run + ' (3)')
            ['5', '9', '7'].each { seconds ->
                Suite.expectInAnyOrder(Service.lines(records.findAll { it.version == seconds }), ['deploy started', 'Copy started',
                    'Copy succeeded ' + seconds, 'deploy deployed ' + seconds], build)
            }
            Suite.expect(records.findAll { it.version == '3' }*.run.unique(), [build.run])
            Suite.expect(build.text.count('ends in (2), (3)'), 1)
        }
        suite.test('scripted: stages directly below a base set no variables, and equal names stay apart') {
            Build build = suite.build(everyStage: true)
            Suite.expectInAnyOrder(suite.lines(build, '''
                stage('A') { stage('A') { stage('B') { recordStage('C') { stage('C') { } } } } }
                recordDeploy(component: 'shop') { stage('A') { parallel(x: { stage('A') { stage('A') { } } }) } }'''),
                ['A', 'A / A', 'A / A / B', 'A / A / B / C', 'A / A / B / C / C'].with { paths ->
                    paths.collectMany { [it + ' started', it + ' succeeded 0'] }
                } + ['deploy started', 'A started', 'A / x / A started', 'A / x / A / A started', 'A / x / A / A succeeded 0',
                     'A / x / A succeeded 0', 'A succeeded 0', 'deploy deployed 0'], build)
            Suite.expect(build.calls.withEnv, 7)
        }
        suite.test('scripted: a deploy inside a deploy has its own records') {
            Build build = suite.build()
            build.run('''
                recordDeploy(component: 'all', environment: 'production') {
                    stage('Parts') {
                        recordDeploy(component: 'part') { stage('Copy') { sleep time: 3 } }
                        stage('Check') { sleep time: 1 }
                    }
                }''')
            List<Map> records = suite.service.records(build.run)
            Suite.expect(Service.lines(records.findAll { it.component == 'part' }),
                ['deploy started', 'Parts / Copy started', 'Parts / Copy succeeded 3', 'deploy deployed 3'], build)
            Suite.expect(Service.lines(records.findAll { it.component == 'all' }), ['deploy started', 'Parts started', 'Parts / Check started',
                'Parts / Check succeeded 1', 'Parts succeeded 4', 'deploy deployed 4'], build)
            Suite.expect(records*.environment.unique(), ['production'])
        }
        suite.test('scripted: a dollar sign in a setting or stage name is recorded as it is') {
            Build build = suite.build()
            Suite.expect(suite.lines(build, '''
                recordDeploy(component: 'pay$roll', version: '$1') {
                    stage('a$b') { stage('c$$d') { recordStage('${x}') { } } }
                }'''), ['deploy started', 'a$b started', 'a$b / c$$d started', 'a$b / c$$d / ${x} started', 'a$b / c$$d / ${x} succeeded 0',
                        'a$b / c$$d succeeded 0', 'a$b succeeded 0', 'deploy deployed 0'])
            Suite.expect(suite.service.records(build.run)*.component.unique(), ['pay$roll'])
            Suite.expect(suite.service.records(build.run)*.version.unique(), ['$1'])
        }
        [recordDeploy: "recordDeploy(component: 'shop') {", 'the every-stage library': 'if (true) {'].each { name, step ->
            suite.test("scripted: a stage after a caught failure is recorded when it starts, also if it rethrows that failure, by ${name}") {
                List<List<String>> seen = []
                Build build = suite.build(everyStage: name != 'recordDeploy')
                build.hooks.look = { seen.add(Service.lines(suite.service.records(build.run)).findAll { it.startsWith('Rollback') }) }
                build.run(step + '''
                    def caught
                    try { stage('A') { error 'x' } } catch (e) { caught = e }
                    stage('Rollback') { sleep time: 5; build.hooks.look(); throw caught }
                }''')
                Suite.expect(seen, [['Rollback started']], build)
                Suite.expect(Service.lines(suite.service.records(build.run)).findAll { it.startsWith('Rollback') },
                    ['Rollback started', 'Rollback failed 5'], build)
            }
        }
        suite.test('scripted: a stage without a body is ignored, and the map form is recorded') {
            Suite.expect(suite.lines(suite.build(), '''
                recordDeploy(component: 'shop') {
                    stage 'old'
                    stage(name: 'New', concurrency: 1) { sleep time: 1 }
                }'''), ['deploy started', 'New started', 'New succeeded 1', 'deploy deployed 1'])
        }
    }

}
