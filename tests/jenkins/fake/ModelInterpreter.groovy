import org.jenkinsci.plugins.workflow.actions.TagsAction

/**
 * Runs a tree of stages with the calls that Declarative makes on the script of a Jenkinsfile, including its synthetic
 * stages. Named after the class that makes them (pipeline-model-definition ModelInterpreter.groovy).
 *
 * A stage is a map with name; steps (a closure), stages or parallel (lists); and optionally when, input, agent, retry,
 * timeout, failFast, post, before and skip
 * (a reason). After a failure, later stages are entered, skipped, and rethrow the same exception.
 */
class ModelInterpreter {

    /** Source: pipeline-model-definition StageStatus.java */
    private static final Map<String, String> SKIPPED = [
        failure: 'SKIPPED_FOR_FAILURE', when: 'SKIPPED_FOR_CONDITIONAL', restart: 'SKIPPED_FOR_RESTART', unstable: 'SKIPPED_FOR_UNSTABLE',
    ]

    private final Object script
    private final Map root

    ModelInterpreter(Object script, Map root) {
        this.script = script
        this.root = root
    }

    void run() {
        Throwable first = null
        agent(root.agent) {
            if (root.agent != 'none') {
                script.stage('Declarative: Checkout SCM') { }
            }
            environment(root.environment) {
                first = sequence(root.stages, null, null)
                if (root.post) {
                    script.stage('Declarative: Post Actions') { root.post.call() }
                }
            }
        }
        if (first != null) {
            throw first
        }
    }

    private Throwable sequence(List<Map> stages, Throwable error, String skipped) {
        Throwable first = error
        stages.each { Map stage ->
            stage.before?.call()
            try {
                evaluate(stage, first, skipped)
            } catch (Throwable e) {
                first = first ?: e
            }
        }
        return first
    }

    private void evaluate(Map stage, Throwable error, String skipped) {
        script.stage(stage.name) {
            Throwable first = error
            try {
                if (skipped || stage.skip || first != null) {
                    skip(stage, first, skipped ?: stage.skip ?: 'failure')
                } else if (stage.containsKey('when') && !stage.when) {
                    skip(stage, null, 'when')
                } else {
                    options(stage) {
                        approve(stage.input) {
                            agent(stage.agent) {
                                environment(stage.environment) { inside(stage) }
                            }
                        }
                    }
                }
            } catch (Throwable e) {
                first = first ?: e
            } finally {
                if (stage.post && !skipped && error == null) {
                    stage.post.call()
                }
            }
            if (first != null) {
                throw first
            }
        }
    }

    private void inside(Map stage) {
        if (stage.parallel) {
            script.parallel(branches(stage, null, null))
        } else if (stage.stages) {
            Throwable nested = sequence(stage.stages, null, null)
            if (nested != null) {
                throw nested
            }
        } else {
            stage.steps.delegate = script
            stage.steps.resolveStrategy = Closure.DELEGATE_FIRST
            stage.steps.call()
        }
    }

    private void skip(Map stage, Throwable error, String why) {
        script.steps.echo('Stage "' + stage.name + '" skipped due to ' + why)
        Branch.current().blocks.reverse().findAll { it.label == stage.name }.take(2).each {
            it.facts.add(new TagsAction(tags: [STAGE_STATUS: SKIPPED[why]]))
        }
        if (stage.parallel) {
            script.parallel(branches(stage, error, why))
        } else if (stage.stages) {
            sequence(stage.stages, error, why)
        }
    }

    private Map branches(Map stage, Throwable error, String skipped) {
        Map branches = stage.parallel.collectEntries { Map branch -> [branch.name, { evaluate(branch, error, skipped) }] }
        return stage.failFast ? branches + [failFast: true] : branches
    }

    private void options(Map stage, Closure body) {
        if (stage.retry) {
            script.steps.retry(stage.retry, body)
        } else if (stage.timeout) {
            script.steps.timeout([time: stage.timeout, unit: 'SECONDS'], body)
        } else {
            body()
        }
    }

    private void approve(String question, Closure body) {
        if (question) {
            script.input(message: question, id: null, ok: null)
        }
        body()
    }

    private void agent(String agent, Closure body) {
        if (agent && agent != 'none') {
            script.node(agent, body)
        } else {
            body()
        }
    }

    private void environment(Map environment, Closure body) {
        if (environment) {
            script.steps.withEnv(environment.collect { name, value -> name + '=' + value }, body)
        } else {
            body()
        }
    }

}
