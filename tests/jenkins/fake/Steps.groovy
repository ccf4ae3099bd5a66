import java.util.concurrent.TimeUnit

import hudson.AbortException
import org.jenkinsci.plugins.workflow.actions.ThreadNameAction
import org.jenkinsci.plugins.workflow.actions.WarningAction
import org.jenkinsci.plugins.workflow.graph.BlockStartNode
import org.jenkinsci.plugins.workflow.graph.FlowNode
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import org.jenkinsci.plugins.workflow.steps.MissingContextVariableException

/**
 * Fake steps that behave like those of Jenkins, including their errors. Beside each is the source that it was checked
 * against. Versions read: workflow-cps 4350, workflow-step-api 710, workflow-basic-steps 1098, workflow-support 1015,
 * workflow-durable-task-step 1479, pipeline-stage-step 322, pipeline-input-step 560, pipeline-build-step 599,
 * pipeline-groovy-lib 798, credentials-binding 728, http-request 1.25, Jenkins 2.578, each with the commits after it.
 */
class Steps extends ControlSteps {

    /** The context that each step needs. Sources: getRequiredContext of DurableTaskStep, IsUnixStep, WriteFileStep and CoreStep. */
    private static final Map<String, String> NODE_STEPS = [
        sh: 'hudson.FilePath', powershell: 'hudson.FilePath', isUnix: 'hudson.Launcher', writeFile: 'hudson.FilePath',
        archiveArtifacts: 'hudson.FilePath',
    ]

    /** The transports for which each step is available. A script given as text, not as a map, always runs. */
    private static final Map<String, List<String>> TRANSPORTS = [
        httpRequest: ['httpRequest'], sh: ['httpRequest', 'curl'], powershell: ['powershell'],
    ]

    private final TransportSteps transports

    Steps(Build build) {
        super(build)
        this.transports = new TransportSteps(build)
    }

    // Source: workflow-cps DSL.java
    Object invoke(String name, Object[] args) {
        boolean known = metaClass.respondsTo(this, name, args) && name != 'invoke'
        if (!known || name in TRANSPORTS.keySet() && !(build.transport in TRANSPORTS[name]) && args[0] instanceof Map) {
            throw new NoSuchMethodError("No such DSL method '" + name + "' found among steps [echo, node, stage] or symbols [] or globals []")
        }
        if (NODE_STEPS[name] && !(Branch.current().get('NODE_NAME') && !Branch.current().get('NODE_LOST'))) {
            throw new MissingContextVariableException(NODE_STEPS[name])
        }
        build.calls[name] = (build.calls[name] ?: 0) + 1
        Serialization.check(build)
        return name == 'string' ? metaClass.invokeMethod(this, name, args) : inGraph(name, args)
    }

    /** Adds the nodes of the step to the flow graph, and logs them. Sources: workflow-cps DSL.java, CpsBodyExecution.java */
    private Object inGraph(String name, Object[] args) {
        Branch branch = Branch.current()
        build.log.add('[Pipeline] ' + name)
        if (name != 'parallel' && !(args && args[-1] instanceof Closure)) {
            branch.atom(name)
            return metaClass.invokeMethod(this, name, args)
        }
        List<FlowNode> heads = [].asSynchronized()
        BlockStartNode start = branch.open(name, args[0] instanceof Map ? args[0] : [:], null)
        Object[] observed = args.clone()
        observed[-1] = name == 'parallel' ? args[-1].collectEntries { key, branchBody ->
            [key, branchBody instanceof Closure ? body(branchBody, key, [new ThreadNameAction(threadName: key)], heads) : branchBody]
        } : body(args[-1], name == 'stage' ? (args[0] instanceof Map ? args[0].name : args[0]).toString() : null, [], [])
        Throwable failure = null
        try {
            return metaClass.invokeMethod(this, name, observed)
        } catch (Throwable e) {
            failure = e
            throw e
        } finally {
            branch.close(start, failure, heads)
            build.log.add('[Pipeline] // ' + name)
        }
    }

    private Closure body(Closure body, String label, List<Object> facts, List<FlowNode> heads) {
        return { Object... given ->
            Branch branch = Branch.current()
            BlockStartNode start = branch.open('{', [:], label)
            start.facts.addAll(facts)
            build.log.add('[Pipeline] {' + (label ? ' (' + label + ')' : ''))
            Throwable failure = null
            try {
                return body.call(*given)
            } catch (Throwable e) {
                failure = e
                throw e
            } finally {
                branch.close(start, failure, null)
                build.log.add('[Pipeline] }')
                heads.add(branch.head)
            }
        }
    }

    // Source: workflow-basic-steps GetContextStep.java
    Object getContext(Object type) {
        return Branch.current().head
    }

    void echo(Object text) {
        build.log.add(text.toString())
    }

    // Source: workflow-basic-steps ErrorStep.java
    void error(String message) {
        throw new AbortException(message)
    }

    /** Fakes a downstream build. The job's name is its result. Source: pipeline-build-step BuildTriggerListener.java */
    Object build(Map args) {
        if (args.job != 'SUCCESS') {
            Serializable cause = new Causes.DownstreamFailure(shortDescription: 'downstream #1 completed with status ' + args.job)
            throw new FlowInterruptedException(cause, args.job, false)
        }
        return null
    }

    // Source: workflow-basic-steps SleepStep.java
    void sleep(Map args) {
        build.clock.sleep(TimeUnit.valueOf(args.unit ?: 'SECONDS').toMillis(args.time), Branch.current())
    }

    void sleep(long seconds) {
        sleep(time: seconds)
    }

    // Source: pipeline-stage-step StageStepExecution.java
    Object stage(String name) {
        build.log.add('Using the ‘stage’ step without a block argument is deprecated')
        return null
    }

    Object stage(Map args) {
        if (args.concurrency != null) {
            throw new AbortException('the ‘concurrency’ parameter to the ‘stage’ step is no longer supported')
        }
        return stage(args.name.toString())
    }

    Object stage(Map args, Closure body) {
        return stage(args.name.toString(), body)
    }

    Object stage(String name, Closure body) {
        return Branch.current().with([STAGE_NAME: name], body)
    }

    // Source: workflow-durable-task-step ExecutorStepExecution.java
    Object node(Closure body) {
        return node('', body)
    }

    /** The label or resource "after N" is free after N seconds. */
    Object node(String label, Closure body) {
        queue(label)
        return Branch.current().with([NODE_NAME: 'built-in', WORKSPACE: build.workspace.path], body)
    }

    Object node(Map args, Closure body) {
        return node(args?.label ?: '', body)
    }

    // Sources: lockable-resources LockStep.java, LockStepExecution.java
    Object lock(String resource, Closure body) {
        return lock([resource: resource], body)
    }

    Object lock(Map args, Closure body) {
        String resource = args.resource ?: args.label
        if (args.skipIfLocked && resource ==~ /after .*/) {
            return null
        }
        queue(resource)
        return args.variable ? Branch.current().with([(args.variable): resource], body) : body()
    }

    private void queue(String name) {
        if (name ==~ /after \d+/) {
            build.clock.sleep(name.substring(6).toInteger() * 1000L, Branch.current())
        }
    }

    /** Expands nothing. Sources: workflow-basic-steps EnvStep.java, workflow-step-api EnvironmentExpander.java */
    Object withEnv(List<String> settings, Closure body) {
        Map<String, String> more = settings.collectEntries { String setting ->
            int equals = setting.indexOf('=')
            if (equals == -1) {
                throw new IllegalArgumentException(setting)
            }
            [(setting.substring(0, equals)): setting.substring(equals + 1)]
        }
        return Branch.current().with(more, body)
    }

    // Source: workflow-cps DSL.java, invokeDescribable
    Map string(Map args) {
        return args
    }

    // Sources: credentials-binding BindingStep.java, MultiBinding.java
    Object withCredentials(List<Map> bindings, Closure body) {
        Map<String, String> more = bindings.collectEntries { Map binding ->
            if (!build.secrets.containsKey(binding.credentialsId)) {
                throw new AbortException("Could not find credentials entry with ID '${binding.credentialsId}'")
            }
            [(binding.variable): build.secrets[binding.credentialsId]]
        }
        build.log.add('Masking supported pattern matches of ' + more.keySet().collect { '$' + it }.join(' or '))
        return Branch.current().with(more, body)
    }

    /**
     * Returns after 20 seconds. A message that contains "Nobody" is rejected, any other is approved.
     * Source: pipeline-input-step InputStepExecution.java
     */
    Object input(Map args) {
        build.clock.sleep(20000, Branch.current())
        if (args.message.contains('Nobody')) {
            throw new FlowInterruptedException(new Causes.Rejection())
        }
        // One parameter gives its value, several give a map (InputStepExecution.java, parseValue).
        return args.parameters?.size() == 1 ? args.parameters[0] : args.parameters
    }

    Object input(String message) {
        return input(message: message)
    }

    // Source: workflow-basic-steps UnstableStep.java
    void unstable(String message) {
        Branch.current().head.facts.add(new WarningAction(result: 'UNSTABLE'))
        build.worsen('UNSTABLE')
        build.log.add('WARNING: ' + message)
    }

    // Source: workflow-basic-steps IsUnixStep.java
    boolean isUnix() {
        return build.transport != 'powershell'
    }

    Object sh(String script) {
        return sh(script: script)
    }

    /** The script "sleep N" takes N seconds on the build's clock. Source: workflow-durable-task-step DurableTaskStep.java */
    Object sh(Map args) {
        if (args.script ==~ /sleep \d+/) {
            build.clock.sleep(args.script.substring(6).toInteger() * 1000L, Branch.current())
            return null
        }
        return transports.sh(args)
    }

    Object powershell(Map args) {
        return transports.powershell(args)
    }

    Object httpRequest(Map args) {
        return transports.httpRequest(args)
    }

    // Source: workflow-basic-steps WriteFileStep.java
    void writeFile(Map args) {
        new File(build.workspace, args.file).setText(args.text, args.encoding ?: 'UTF-8')
    }

    // Source: jenkins ArtifactArchiver.java
    void archiveArtifacts(Map args) {
        if (!new File(build.workspace, args.artifacts).exists()) {
            throw new AbortException('No artifacts found that match the file pattern "' + args.artifacts + '". Configuration error?')
        }
        build.archived[args.artifacts] = new File(build.workspace, args.artifacts).text
    }

}
