/** The sources of the fields of a record. */
class StepSettings {

    static void define(Suite suite) {
        suite.test('settings: component, version, owner, run and url default to those of the build') {
            Build build = suite.build()
            Suite.expect(fields(suite, build, 'recordDeploy { }'), [component: 'shop/deploy', version: build.number.toString(), owner: 'aoliveira',
                run: build.run, url: "https://jenkins.example/job/shop/job/deploy/${build.number}/".toString()])
        }
        suite.test('settings: arguments override the environment') {
            Build build = suite.build()
            build.environment.putAll([DEPLOYLOG_COMPONENT: 'from env', DEPLOYLOG_VERSION: '1', DEPLOYLOG_ENVIRONMENT: 'staging',
                                      DEPLOYLOG_OWNER: 'mreyes', GIT_COMMIT: '0123456789abcdef0123456789abcdef01234567'])
            Map from = fields(suite, build, 'recordDeploy { }')
            Suite.expect(from.subMap(['component', 'version', 'environment', 'owner', 'commit']), [component: 'from env', version: '1',
                environment: 'staging', owner: 'mreyes', commit: '0123456789abcdef0123456789abcdef01234567'])
            build = suite.build()
            build.environment.putAll([DEPLOYLOG_COMPONENT: 'from env', DEPLOYLOG_URL: 'http://127.0.0.1:9'])
            from = fields(suite, build, "recordDeploy(url: '${suite.service.url}/api/', component: 'mine', version: 7, " +
                "environment: \"pro\${'duction'}\", owner: 'x', unplanned: true, commit: 'abc', committed_at: '2026-11-24T07:00:00+01:00') { }")
            Suite.expect(from.subMap(['component', 'version', 'environment', 'owner', 'unplanned', 'commit', 'committed_at']),
                [component: 'mine', version: '7', environment: 'production', owner: 'x', unplanned: true, commit: 'abc',
                 committed_at: '2026-11-24T06:00:00.000000Z'])
        }
        suite.test('settings: those of a deploy apply to the steps inside') {
            Build build = suite.build()
            build.run("""recordDeploy(component: 'shop', commit: 'abc', committed_at: '2026-11-24T07:00:00Z', unplanned: true) {
                recordStage('x') { }
                recordStatus(status: 'rolled_back')
            }""")
            List<Map> records = suite.service.records(build.run)
            Suite.expect(records.size(), 5)
            Suite.expect(records*.subMap(['commit', 'committed_at', 'unplanned']).toSet(),
                [[commit: 'abc', committed_at: '2026-11-24T07:00:00.000000Z', unplanned: true]].toSet())
        }
        suite.test('settings: a job name with an invalid encoding is used unchanged') {
            Build build = suite.build(job: 'team/x%zz')
            build.environment.BRANCH_NAME = 'main'
            Suite.expect(fields(suite, build, 'recordDeploy { }').component, 'team/x%zz')
        }
        suite.test('settings: a multibranch project has its name without the branch as component and the commit as version') {
            for (branch in [['main', 'main'], ['feature/x+y', 'feature%2Fx+y'], ['PR-7', 'PR-7']]) {
                Build build = suite.build(job: 'team/shop/' + branch[1])
                build.environment.putAll([BRANCH_NAME: branch[0], GIT_COMMIT: '0123456789abcdef'])
                Suite.expect(fields(suite, build, 'recordDeploy { }').subMap(['component', 'version']),
                    [component: 'team/shop', version: '0123456789ab'])
            }
            Build other = suite.build(job: 'team/shop')
            other.environment.BRANCH_NAME = 'main'
            Suite.expect(fields(suite, other, 'recordDeploy { }').component, 'team/shop')
        }
        suite.test('settings: the owner is the user who started the build, else the cause, else jenkins') {
            Map timer = [_class: 'hudson.triggers.TimerTrigger$TimerTriggerCause', shortDescription: 'Started by timer']
            Suite.expect(fields(suite, suite.build(causes: [timer]), 'recordDeploy { }').owner, 'Started by timer')
            Suite.expect(fields(suite, suite.build(causes: []), 'recordDeploy { }').owner, 'jenkins')
            Map nobody = [_class: 'hudson.model.Cause$UserIdCause', userId: null, userName: 'anonymous']
            Suite.expect(fields(suite, suite.build(causes: [nobody]), 'recordDeploy { }').owner, 'anonymous')
        }
        suite.test('settings: without a root URL in Jenkins, the record has no url') {
            Suite.expect(fields(suite, suite.build(rootUrl: null), 'recordDeploy { }').url, null)
        }
        suite.test('settings: an invalid committed_at is left out with a warning, and the deploy is recorded') {
            for (given in ['yesterday', '2026-02-30T07:00:00Z', '2026-11-24T07:00:00', '2026-11-24', 'Tue Nov 24 07:00:00 UTC 2026']) {
                Build build = suite.build()
                Suite.expect(fields(suite, build, "recordDeploy(component: 'c', committed_at: '${given}') { }").committed_at, null)
                String warning = 'deploylog: committed_at is left out: it must be a time such as 2026-11-24T07:00:00Z, not ' + given
                Suite.expect(build.log.count(warning), 1, build)
            }
            for (given in ['2026-11-24t07:00:00.123456789+01:00', '2026-11-24T06:00:00.1234567890123z']) {
                Suite.expect(fields(suite, suite.build(), "recordDeploy(committed_at: '${given}') { }").committed_at, '2026-11-24T06:00:00.123456Z')
            }
        }
        suite.test('settings: unplanned accepts yes, no, true, false, 1 and 0 in any case, and warns about other words') {
            [true: true, 'Yes': true, 'TRUE ': true, '1': true, false: false, NO: false, '0': false].each { word, expected ->
                Build build = suite.build()
                Suite.expect(fields(suite, build, "recordDeploy(unplanned: '${word}') { }").unplanned, expected)
                Suite.check(!build.text.contains('unplanned'), build.text)
            }
            Suite.expect(fields(suite, suite.build(), 'recordDeploy(unplanned: 1) { }').unplanned, true)
            Suite.expect(fields(suite, suite.build(), 'recordDeploy(unplanned: false) { }').unplanned, false)
            Build build = suite.build(everyStage: true)
            build.environment.DEPLOYLOG_UNPLANNED = 'maybe'
            build.run('stage("a") { }; stage("b") { }')
            Suite.expect(suite.service.records(build.run)*.unplanned, [null] * 4)
            Suite.expect(build.log.count { it == 'deploylog: unplanned is left out: it must be true or false, yes or no, 1 or 0, not maybe' }, 1)
        }
        suite.test('settings: characters that the service rejects are replaced, and invisible names count as missing') {
            Build build = suite.build()
            build.run('''
                recordDeploy(component: 'a\u0085b\u009fc', version: 'x\ud83dy\udca9', owner: '\u200b\u3000', environment: '\u2060\ufe0f') {
                    stage('1\ud83d') { }
                    stage('\ud83d\ude00\u007f\u0000!') { }
                }''')
            List<Map> records = suite.service.records(build.run)
            Suite.expect(records.size(), 6, build)
            Suite.expect(records[0].subMap(['component', 'version', 'owner', 'environment']),
                [component: 'a b c', version: 'x y ', owner: 'aoliveira'])
            Suite.expect(records*.stage.unique(), [null, '1 ', '\ud83d\ude00  !'])
        }
        suite.test('settings: an unknown argument is reported with the known ones, and the build continues') {
            Build build = suite.build()
            Suite.expect(suite.lines(build, "recordDeploy(componnet: 'shop', version: '1') { stage('x') { } }"),
                ['deploy started', 'x started', 'x succeeded 0', 'deploy deployed 0'])
            Suite.check(build.text.contains('unknown argument componnet; known arguments: component, version, environment, owner,'), build.text)
        }
        suite.test('settings: without a URL one line is printed and the bodies run') {
            Build build = suite.build(everyStage: true)
            build.environment.remove('DEPLOYLOG_URL')
            Suite.expect(build.run('''
                def got = recordDeploy(component: 'shop') { stage('x') { } ; 'value' }
                assert got == 'value'
                stage('y') { }
                stage('z') { }'''), null)
            Suite.expect(build.log.count { it.contains('set DEPLOYLOG_URL') }, 2)
            Suite.expect(build.calls.httpRequest, null)
        }
        suite.test('settings: a dollar sign in a component or stage is recorded once') {
            Build build = suite.build()
            build.run('''recordDeploy(component: 'pay$roll') { recordStage('a$b') { stage('c$$d') { } } }''')
            List<Map> records = suite.service.records(build.run)
            Suite.expect(records*.component.toSet(), ['pay$roll'].toSet(), build)
            Suite.expect(records*.stage.toSet(), [null, 'a$b', 'a$b / c$$d'].toSet(), build)
        }
        suite.test('settings: long names are truncated and stay distinct, special characters are preserved') {
            Build build = suite.build()
            build.run('''
                recordDeploy(component: 'k' * 300, version: 'v\\u0007\\n1', owner: '😀' * 150, environment: '  ') {
                    stage('s' * 1200 + 'a') { stage('inner') { } }
                    stage('s' * 1200 + 'b') { }
                    stage('Preis $5 / $HOME "ü" \\\\ 100%') { stage('x') { } }
                }''')
            List<Map> records = suite.service.records(build.run)
            Suite.expect(records.size(), 12, build)
            Suite.check(records[0].component ==~ /k{190,}~[0-9a-z]+/ && records[0].component.length() == 200, records[0])
            Suite.expect(records[0].version, 'v  1')
            Suite.check(records[0].owner.startsWith('😀😀') && records[0].owner.length() <= 200, records[0])
            Suite.expect(records[0].environment, null)
            Suite.expect(records.findAll { it.status == 'started' }*.stage.findAll()*.length().max(), 1000)
            Suite.expect(records*.stage.toSet().size(), 6)
            Suite.check('Preis $5 / $HOME "ü" \\ 100% / x' in records*.stage, records*.stage)
        }
    }

    private static Map fields(Suite suite, Build build, String jenkinsfile) {
        Suite.expect(build.run(jenkinsfile), null, build)
        List<Map> records = suite.service.records(build.run)
        Suite.expect(records.size(), 2, build)
        return records[0].subMap(['component', 'version', 'environment', 'owner', 'run', 'url', 'commit', 'committed_at', 'unplanned'])
            .findAll { it.value != null }
    }

}
