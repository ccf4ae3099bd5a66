package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import org.jenkinsci.plugins.workflow.graph.FlowNode
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** Records the start and finish of a body. The body's value or exception always passes through unchanged. */
class Recorder implements Serializable {

    private static final long serialVersionUID = 1L

    final Object script
    final Outbox outbox
    final Map fields

    Recorder(Object script, Outbox outbox, Map fields) {
        this.script = script
        this.outbox = outbox
        this.fields = fields
    }

    /** Records a deploy. Its settings apply to all steps of all libraries in the body. */
    Object deploy(String id, StagePath place, Closure body) {
        List<String> environment = settings(id, outbox.transport.address, outbox.transport.credentialsId, fields) + place.base()
        List<Map> facts = []
        return record(null, place.outer(), 'deployed', null, facts) {
            place.runWith(environment) {
                Object value = body()
                facts.add(readGraph())
                value
            }
        }
    }

    /** The failures are those of a Declarative pipeline, or null: only Declarative enters stages to skip them. */
    Object stage(String name, StagePath place, Failures failures, Closure body) {
        List<Map> facts = []
        return record(place.of(name), place.outer(), 'succeeded', failures, facts) {
            try {
                place.runStage(name, body)
            } finally {
                facts.add(readGraph())
            }
        }
    }

    /** Sends a single record. */
    void status(String stage, String status) {
        send(stage, [status], [System.currentTimeMillis()])
    }

    /** The body adds facts from the flow graph if it can. */
    private Object record(String stage, String sequence, String successStatus, Failures failures, List<Map> facts, Closure body) {
        // Whether Declarative skips this stage is known at its end.
        boolean late = failures != null && failures.precede(sequence)
        String resultBefore = currentResult()
        Waiting waiting = new Waiting(script)
        Long waitedBefore = stage == null || waiting.observed() ? waiting.total() : null
        long startedAt = System.currentTimeMillis()
        Object value = null
        Throwable thrown = null
        String node = outbox.enter()
        try {
            if (!late) {
                send(stage, ['started'], [startedAt])
            }
            value = body()
        } catch (Throwable e) {
            thrown = e
        }
        long finishedAt = System.currentTimeMillis()
        BigDecimal waited = waitedBefore == null ? null : Waiting.seconds(waiting.total() - waitedBefore)
        outbox.leave(node)
        try {
            Map known = facts.isEmpty() ? null : facts[0]
            if (known == null ? late && failures.contain(sequence, thrown) : known.skipped) {
                finish(stage, 'skipped', finishedAt, null)
            } else {
                String status = finishStatus(thrown, known, resultBefore, currentResult(), successStatus)
                if (late) {
                    send(stage, ['started'], [startedAt])
                }
                finish(stage, status, finishedAt, waited)
            }
        } catch (FlowInterruptedException e) {
            thrown = thrown ?: e
        }
        if (thrown != null) {
            failures?.add(sequence, thrown)
            throw thrown
        }
        return value
    }

    /** Facts about the innermost block here, or null. In the sandbox it asks once in a build, because each refusal is logged. */
    private Map readGraph() {
        try {
            OpenBlocks open = new OpenBlocks(script)
            if (open.contains('sandbox')) {
                return null
            }
            if (FlowGraph.isAllowed()) {
                return FlowGraph.facts(script.steps.getContext(FlowNode))
            }
            open.open('sandbox')
        } catch (Throwable e) {
            script.steps.echo('deploylog: the status can be inexact: the flow graph cannot be read: ' + e)
        }
        return null
    }

    private String currentResult() {
        try {
            return script.currentBuild.currentResult
        } catch (Exception ignored) {
            return null
        }
    }

    private void send(String stage, List<String> statuses, List<Long> moments) {
        deliver(stage, statuses, moments, null, 'send')
    }

    /** A finish can wait for the next start if an enclosing block sends it at the latest when it ends. */
    private void finish(String stage, String status, long moment, BigDecimal waited) {
        deliver(stage, [status], [moment], waited, stage == null ? 'close' : outbox.mayHold() ? 'hold' : 'send')
    }

    /** Throws only an interruption. Any other error is printed, so that recording cannot fail the build. */
    private void deliver(String stage, List<String> statuses, List<Long> moments, BigDecimal waited, String how) {
        try {
            List<String> lines = Records.lines(fields, stage, statuses, moments, waited)
            if (how == 'close') {
                outbox.close(lines)
            } else if (how == 'hold') {
                outbox.hold(lines)
            } else {
                outbox.send(lines)
            }
        } catch (FlowInterruptedException e) {
            throw e
        } catch (Throwable e) {
            script.steps.echo('deploylog: not recorded: ' + e)
        }
    }

    /**
     * The build's result counts only if it got worse: a bad result from before the body does not describe the body. In a
     * parallel branch it can be that of another branch, and the flow graph counts alone.
     */
    @NonCPS
    private static String finishStatus(Throwable thrown, Map facts, String before, String after, String successStatus) {
        if (thrown instanceof FlowInterruptedException) {
            return interruptedStatus(thrown)
        }
        if (thrown != null) {
            return 'failed'
        }
        String build = FlowGraph.worse(before, after) == before ? 'SUCCESS' : after
        String result = facts == null ? build : FlowGraph.worse(facts.result, facts.inBranch ? 'SUCCESS' : build)
        if (result == 'SUCCESS') {
            return successStatus
        }
        return result == 'UNSTABLE' ? 'unstable' : result == 'FAILURE' ? 'failed' : 'aborted'
    }

    /** A failed downstream build also throws an interruption. The sandbox denies access to causes and result. */
    @NonCPS
    private static String interruptedStatus(FlowInterruptedException interruption) {
        try {
            if (interruption.causes.any { it.class.simpleName == 'ExceededTimeout' }) {
                return 'timeout'
            }
            String result = interruption.result
            return result == 'FAILURE' ? 'failed' : result == 'UNSTABLE' ? 'unstable' : 'aborted'
        } catch (Exception ignored) {
            return 'aborted'
        }
    }

    @NonCPS
    private static List<String> settings(String id, String url, String credentialsId, Map fields) {
        Map<String, Object> values = [
            DEPLOYLOG_DEPLOY: id, DEPLOYLOG_URL: url, DEPLOYLOG_CREDENTIALS_ID: credentialsId,
            DEPLOYLOG_COMPONENT: fields.component, DEPLOYLOG_VERSION: fields.version,
            DEPLOYLOG_ENVIRONMENT: fields.environment, DEPLOYLOG_OWNER: fields.owner, DEPLOYLOG_COMMIT: fields.commit,
            DEPLOYLOG_RUN: fields.run, DEPLOYLOG_COMMITTED_AT: fields.committed_at, DEPLOYLOG_UNPLANNED: fields.unplanned,
        ]
        return values.findAll { it.value != null }.collect { name, value -> name + '=' + value }
    }

}
