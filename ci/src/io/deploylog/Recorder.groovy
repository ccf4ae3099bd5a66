package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** Runs a body between its two records. Whatever becomes of the records, the body's value or exception comes out as it is. */
class Recorder implements Serializable {

    private static final long serialVersionUID = 1L
    private static final List<String> RESULTS = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED']
    private static final int FAILURES = 100

    final Object script
    final Outbox outbox
    final Map fields
    // The exceptions that left a recorded stage, to know one that comes by again.
    final List<Throwable> failures

    Recorder(Object script, Outbox outbox, Map fields, List<Throwable> failures) {
        this.script = script
        this.outbox = outbox
        this.fields = fields
        this.failures = failures
    }

    /** The whole deploy; its settings hold for all steps of all libraries inside. */
    Object deploy(String id, Closure body) {
        return around(null, 'deployed', settings(id, outbox.transport.url, outbox.transport.credentialsId, fields), body)
    }

    Object stage(String name, Closure body) {
        String path = new StagePath(script).of(name)
        return around(path, 'succeeded', StagePath.inside(path, ''), body)
    }

    /** A record by hand. */
    void status(String stage, String word) {
        record(stage, [word], [System.currentTimeMillis()], false)
    }

    private Object around(String stage, String done, List<String> environment, Closure body) {
        List<Throwable> before = new ArrayList<Throwable>(failures)
        // After a failure Declarative enters every later stage only to skip it: whether this one runs shows at its end.
        boolean late = stage != null && !before.isEmpty()
        String result = currentResult()
        long began = System.currentTimeMillis()
        Object value = null
        Throwable thrown = null
        try {
            if (!late) {
                record(stage, ['started'], [began], false)
            }
            value = new StagePath(script).within(environment, body)
        } catch (Throwable e) {
            thrown = e
        }
        long ended = System.currentTimeMillis()
        try {
            if (late && before.contains(thrown)) {
                record(stage, ['skipped'], [ended], false)
            } else {
                String word = word(thrown, result, currentResult(), done)
                record(stage, late ? ['started', word] : [word], late ? [began, ended] : [ended], stage == null)
            }
        } catch (FlowInterruptedException e) {
            thrown = thrown ?: e
        }
        if (thrown != null) {
            remember(thrown)
            throw thrown
        }
        return value
    }

    private String currentResult() {
        try {
            return script.currentBuild.currentResult
        } catch (Exception ignored) {
            return null
        }
    }

    /** Only an interruption comes out of here: whatever else goes wrong with a record is no business of the build. */
    private void record(String stage, List<String> words, List<Long> moments, boolean closing) {
        try {
            List<String> lines = Records.lines(fields, stage, words, moments)
            if (closing) {
                outbox.close(lines)
            } else {
                outbox.send(lines)
            }
        } catch (FlowInterruptedException e) {
            throw e
        } catch (Throwable e) {
            script.steps.echo('deploylog: not recorded: ' + e)
        }
    }

    private void remember(Throwable thrown) {
        if (!failures.contains(thrown)) {
            failures.add(thrown)
            if (failures.size() > FAILURES) {
                failures.remove(0)
            }
        }
    }

    /** A result that was bad before says nothing of this body. */
    @NonCPS
    private static String word(Throwable thrown, String before, String after, String done) {
        if (thrown instanceof FlowInterruptedException) {
            return interrupted(thrown)
        }
        if (thrown != null) {
            return 'failed'
        }
        if (RESULTS.indexOf(after) <= RESULTS.indexOf(before)) {
            return done
        }
        return after == 'UNSTABLE' ? 'unstable' : after == 'FAILURE' ? 'failed' : 'aborted'
    }

    /** A downstream build that failed comes as an interruption, too. The sandbox keeps causes and result to itself. */
    @NonCPS
    private static String interrupted(FlowInterruptedException interruption) {
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
            DEPLOYLOG_COMMITTED_AT: fields.committed_at, DEPLOYLOG_UNPLANNED: fields.unplanned,
        ]
        return values.findAll { it.value != null }.collect { name, value -> StagePath.variable(name, value.toString()) }
    }

}
