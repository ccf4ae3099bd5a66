package io.deploylog

import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** What a step of the library keeps between its calls in one build. */
class Recorders implements Serializable {

    private static final long serialVersionUID = 1L

    final Map<String, Outbox> outboxes = [:]
    final Map<String, Recorder> deploys = [:]
    final List<Throwable> failures = []
    boolean told = false

    /** recordDeploy. Its records have an outbox of their own, closed when the body has ended. */
    Object deploy(Object script, Map arguments, Closure body) {
        String id = UUID.randomUUID()
        Recorder recorder = open(script, arguments, Settings.KNOWN, id)
        if (recorder == null) {
            return body()
        }
        deploys[id] = recorder
        try {
            return recorder.deploy(id, body)
        } finally {
            deploys.remove(id)
            outboxes.remove(id)
        }
    }

    /** A stage called in the body of recordDeploy. */
    Object stageOfDeploy(Object script, String name, Closure body) {
        Recorder recorder = deploys[script.env.DEPLOYLOG_DEPLOY]
        return recorder == null ? body() : recorder.stage(name, body)
    }

    /** recordStage, and every stage. */
    Object stage(Object script, Map arguments, String name, Closure body) {
        Recorder recorder = open(script, arguments, Settings.KNOWN, null)
        return recorder == null ? body() : recorder.stage(name, body)
    }

    /** recordStatus. */
    void status(Object script, Map arguments) {
        Recorder recorder = open(script, arguments, ['status', 'stage'] + Settings.KNOWN, null)
        String word = Limits.fit(arguments.status, Limits.NAME)
        if (word == null) {
            script.steps.echo('deploylog: recordStatus without status: nothing is recorded')
        } else if (recorder != null) {
            recorder.status(Limits.fit(arguments.stage, Limits.PATH), word)
        }
    }

    /** Null when nothing is to be recorded. */
    private Recorder open(Object script, Map arguments, List<String> known, String id) {
        try {
            String complaint = Settings.complaint(arguments, known)
            if (complaint != null) {
                script.steps.echo('deploylog: ' + complaint)
            }
            Settings settings = new Settings(script, arguments)
            String url = settings.url()
            if (url != null) {
                return new Recorder(script, outbox(script, id, url, settings.credentialsId()), settings.fields(),
                    id == null ? failures : [])
            }
            if (!told) {
                told = true
                script.steps.echo('deploylog: no DEPLOYLOG_URL is set (nor url: given), so nothing is recorded')
            }
        } catch (FlowInterruptedException e) {
            throw e
        } catch (Throwable e) {
            script.steps.echo('deploylog: nothing is recorded: ' + e)
        }
        return null
    }

    private Outbox outbox(Object script, String id, String url, String credentialsId) {
        String key = id ?: url + ' ' + credentialsId
        if (outboxes[key] == null) {
            outboxes[key] = new Outbox(script, url, credentialsId)
        }
        return outboxes[key]
    }

}
