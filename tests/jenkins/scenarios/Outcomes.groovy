/** What a trusted library reads in the flow graph and in the causes of a build. */
class Outcomes {

    static void define(Suite suite) {
        suite.test('warnings and swallowed errors belong to the stage that contains them') {
            Build build = suite.build()
            Suite.expectInAnyOrder(suite.lines(build, '''
                recordDeploy(component: 'shop') {
                    stage('First') { unstable 'a' }
                    stage('Second') { unstable 'b' }
                    parallel(x: { stage('Bad') { catchError { sleep time: 1; error 'x' } } }, y: { stage('Good') { sleep time: 2 } })
                    stage('Again') { catchError { error 'y' } }
                    stage('Hidden') { catchError(buildResult: 'SUCCESS', stageResult: 'FAILURE') { error 'z' } }
                    stage('Ignored') { catchError(buildResult: 'SUCCESS') { error 'z' } }
                    stage('Caught') { try { error 'z' } catch (ignored) { } }
                    stage('Passed on') { try { catchError(catchInterruptions: false) { build(job: 'FAILURE') } } catch (ignored) { } }
                }'''), ['deploy started', 'First started', 'First unstable 0', 'Second started', 'Second unstable 0', 'x / Bad started',
                        'x / Bad failed 1', 'y / Good started', 'y / Good succeeded 2', 'Again started', 'Again failed 0', 'Hidden started',
                        'Hidden failed 0', 'Ignored started', 'Ignored succeeded 0', 'Caught started', 'Caught succeeded 0',
                        'Passed on started', 'Passed on failed 0', 'deploy failed 2'], build)
        }
        [ReplayCause: ['org.jenkinsci.plugins.workflow.cps.replay.ReplayCause', 'Replayed #41'], restart: [
            'org.jenkinsci.plugins.pipeline.modeldefinition.causes.RestartDeclarativePipelineCause', 'Restarted from build #41, stage Deploy',
        ]].each { kind, cause ->
            suite.test("the log says once that a build is a repetition, by ${kind}") {
                Build build = suite.build(causes: [[_class: cause[0], shortDescription: cause[1]]])
                build.run("recordDeploy(component: 'a') { recordStage('x') { } }; recordDeploy(component: 'b') { }")
                Suite.expect(build.text.count(cause[1] + '\n'), 1, build)
            }
        }
    }

}
