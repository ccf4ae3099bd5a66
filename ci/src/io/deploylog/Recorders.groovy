package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** Holds the outboxes and running deploys of one library variable between its calls. */
class Recorders implements Serializable {

    private static final long serialVersionUID = 1L

    final Map<String, Outbox> outboxes = [:]
    final Map<String, Recorder> deploys = [:]
    final Failures failures = new Failures()
    final List<String> warnings = []

    /** Implements recordDeploy. Each deploy has its own outbox, which is closed after the body. */
    Object deploy(Object script, Map arguments, Closure body) {
        String id = UUID.randomUUID()
        Recorder recorder = createRecorder(script, arguments, Settings.KNOWN, id)
        if (recorder == null) {
            return body()
        }
        OpenBlocks open = new OpenBlocks(script)
        String name = 'deploy ' + recorder.fields.component + ' to ' + recorder.fields.environment
        int number = open.open(name)
        recorder.fields.run = numbered(script.currentBuild.externalizableId, number)
        deploys[id] = recorder
        try {
            // Never closed: the warning is printed once in a build.
            if (number > 1 && open.open('warning') == 1) {
                script.steps.echo('deploylog: the component and environment of this deploy have another open deploy in this build; ' +
                    'the run of each further one ends in (2), (3), …, which keeps their times apart')
            }
            return recorder.deploy(id, new StagePath(script, script.env.STAGE_NAME), body)
        } finally {
            open.close(name, number)
            deploys.remove(id)
            outboxes.remove(id)
        }
    }

    /** Records a stage that the body of recordDeploy calls. Returns the body for the real stage. */
    Closure stageOfDeploy(Object script, String name, Closure body) {
        StagePath place = new StagePath(script, script.env.STAGE_NAME)
        return {
            Recorder recorder = deploys[script.env.DEPLOYLOG_DEPLOY]
            recorder == null ? body() : recorder.stage(name, place, null, body)
        }
    }

    /** Implements recordStage and the library for every stage. Returns the body for the real stage. */
    Closure stage(Object script, Map arguments, String name, Closure body) {
        StagePath place = new StagePath(script, script.env.STAGE_NAME)
        return {
            Recorder recorder = createRecorder(script, arguments, Settings.KNOWN, null)
            recorder == null ? body() : recorder.stage(name, place, isOfDeclarative(body) ? failures : null, body)
        }
    }

    /** The service pairs records by their run. */
    @NonCPS
    private static String numbered(String run, int number) {
        return Limits.normalize(number > 1 ? run + ' (' + number + ')' : run, Limits.PATH)
    }

    /** Implements recordStatus. */
    void status(Object script, Map arguments) {
        Recorder recorder = createRecorder(script, arguments, ['status', 'stage'] + Settings.KNOWN, null)
        String status = Limits.normalize(arguments.status, Limits.NAME)
        if (status == null) {
            script.steps.echo('deploylog: nothing is recorded: recordStatus needs a status')
        } else if (recorder != null) {
            recorder.status(Limits.normalize(arguments.stage, Limits.PATH), status)
        }
    }

    /**
     * Declarative calls stage with a closure of its interpreter. The delegate of a closure is its owner at first. The
     * sandbox allows getDelegate but not getOwner (script-security generic-whitelist).
     */
    private static boolean isOfDeclarative(Closure body) {
        Object owner = body
        while (owner instanceof Closure) {
            owner = owner.delegate
        }
        return owner != null && owner.class.simpleName == 'ModelInterpreter'
    }

    /** Returns null if nothing can be recorded. */
    private Recorder createRecorder(Object script, Map arguments, List<String> known, String id) {
        try {
            String unknown = Settings.unknownArguments(arguments, known)
            if (unknown != null) {
                script.steps.echo('deploylog: ' + unknown)
            }
            Settings settings = new Settings(script, arguments)
            String url = settings.url()
            if (url != null) {
                Map fields = settings.fields()
                warn(script, settings.problems)
                sayOrigin(script, settings)
                return new Recorder(script, outbox(script, id, url, settings.credentialsId()), fields)
            }
            warn(script, ['nothing is recorded: set DEPLOYLOG_URL or pass url:'])
        } catch (FlowInterruptedException e) {
            throw e
        } catch (Throwable e) {
            script.steps.echo('deploylog: nothing is recorded: ' + e)
        }
        return null
    }

    /** Prints each problem once, although every stage can meet it again in the environment. */
    private void warn(Object script, List<String> problems) {
        for (int i = 0; i < problems.size(); i++) {
            if (!warnings.contains(problems[i])) {
                warnings.add(problems[i])
                script.steps.echo('deploylog: ' + problems[i])
            }
        }
    }

    /** Once in a build. */
    private static void sayOrigin(Object script, Settings settings) {
        OpenBlocks open = new OpenBlocks(script)
        String origin = open.contains('origin') ? null : settings.origin()
        if (origin != null) {
            open.open('origin')
            script.steps.echo('deploylog: the records of this build repeat those of another one: ' + origin)
        }
    }

    private Outbox outbox(Object script, String id, String url, String credentialsId) {
        String key = id ?: url + ' ' + credentialsId
        if (outboxes[key] == null) {
            outboxes[key] = new Outbox(script, url, credentialsId)
        }
        return outboxes[key]
    }

}
