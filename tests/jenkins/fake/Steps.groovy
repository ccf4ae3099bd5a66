import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import org.jenkinsci.plugins.workflow.steps.MissingContextVariableException

/** Fake steps that behave like those of Jenkins, including their errors. */
class Steps {

    private static final Set<String> NODE_STEPS = ['sh', 'powershell', 'isUnix', 'writeFile', 'archiveArtifacts']

    /** The transports for which each step is available. A script given as text, not as a map, always runs. */
    private static final Map<String, List<String>> TRANSPORTS = [
        httpRequest: ['httpRequest'], sh: ['httpRequest', 'curl'], powershell: ['powershell'],
    ]

    final Build build
    private final TransportSteps transports

    Steps(Build build) {
        this.build = build
        this.transports = new TransportSteps(build)
    }

    Object invoke(String name, Object[] args) {
        boolean known = metaClass.respondsTo(this, name, args) && name != 'invoke'
        if (!known || name in TRANSPORTS.keySet() && !(build.transport in TRANSPORTS[name]) && args[0] instanceof Map) {
            throw new NoSuchMethodError("No such DSL method '" + name + "' found among steps [echo, node, stage] or symbols [] or globals []")
        }
        if (name in NODE_STEPS && !(Branch.current().get('NODE_NAME') && !Branch.current().get('NODE_LOST'))) {
            throw new MissingContextVariableException(name)
        }
        build.calls[name] = (build.calls[name] ?: 0) + 1
        Serialization.check(build)
        return metaClass.invokeMethod(this, name, args)
    }

    void echo(Object text) {
        build.log.add(text.toString())
    }

    void error(String message) {
        throw new IOException(message)
    }

    /** Fakes a downstream build. The job's name is its result. */
    Object build(Map args) {
        if (args.job != 'SUCCESS') {
            throw new FlowInterruptedException(new Causes.DownstreamFailure(), args.job)
        }
        return null
    }

    void sleep(Map args) {
        build.clock.sleep(args.time * 1000L, Branch.current())
    }

    Object stage(String name) {
        return null
    }

    Object stage(Map args) {
        return null
    }

    Object stage(Map args, Closure body) {
        return stage(args.name.toString(), body)
    }

    Object stage(String name, Closure body) {
        build.log.add('[Pipeline] { (' + name + ')')
        return Branch.current().with([STAGE_NAME: name], body)
    }

    Object node(Closure body) {
        return Branch.current().with([NODE_NAME: 'built-in', WORKSPACE: build.workspace.path], body)
    }

    Object node(String label, Closure body) {
        return node(body)
    }

    /** Expands variables in values. */
    Object withEnv(List<String> settings, Closure body) {
        Map<String, String> more = settings.collectEntries { String setting ->
            int equals = setting.indexOf('=')
            String value = setting.substring(equals + 1).replaceAll(/\$(\$|\w+|\{[\w.]+\})/) { List<String> found ->
                found[1] == '$' ? '$' : build.env.getProperty(found[1].replaceAll(/[{}]/, '')) ?: found[0]
            }
            [(setting.substring(0, equals)): value]
        }
        return Branch.current().with(more, body)
    }

    Map string(Map args) {
        return args
    }

    Object withCredentials(List<Map> bindings, Closure body) {
        Map<String, String> more = bindings.collectEntries { Map binding ->
            if (!build.secrets.containsKey(binding.credentialsId)) {
                throw new IOException("Could not find credentials entry with ID '${binding.credentialsId}'")
            }
            [(binding.variable): build.secrets[binding.credentialsId]]
        }
        return Branch.current().with(more, body)
    }

    Object retry(int count, Closure body) {
        for (int attempt = 1; ; attempt++) {
            try {
                return body()
            } catch (FlowInterruptedException e) {
                throw e
            } catch (Throwable e) {
                if (attempt == count) {
                    throw e
                }
                build.log.add('Retrying')
            }
        }
    }

    Object timeout(Map args, Closure body) {
        Branch branch = Branch.current()
        Object scope = new Object()
        Map timer = build.clock.at(build.clock.now() + args.time * 1000L) {
            build.clock.interrupt(build.branches.findAll { it.scopes.any { it.is(scope) } }) {
                new FlowInterruptedException(new Causes.ExceededTimeout())
            }
        }
        branch.scopes.add(scope)
        try {
            return body()
        } finally {
            branch.scopes.removeAll { it.is(scope) }
            build.clock.cancel(timer)
        }
    }

    /** Returns after 20 seconds. A message that contains "Nobody" is rejected, any other is approved. */
    Object input(Map args) {
        build.clock.sleep(20000, Branch.current())
        if (args.message.contains('Nobody')) {
            throw new FlowInterruptedException(new Causes.Rejection())
        }
        return null
    }

    Object catchError(Map args = [:], Closure body) {
        try {
            return body()
        } catch (Throwable e) {
            if (e instanceof FlowInterruptedException && args.catchInterruptions == false) {
                throw e
            }
            build.log.add('ERROR: ' + e.message)
            build.worsen(args.buildResult ?: e instanceof FlowInterruptedException ? 'ABORTED' : 'FAILURE')
            return null
        }
    }

    Object warnError(String message, Closure body) {
        try {
            return body()
        } catch (Throwable e) {
            build.log.add('WARNING: ' + message)
            build.worsen(e instanceof FlowInterruptedException ? 'ABORTED' : 'UNSTABLE')
            return null
        }
    }

    void unstable(String message) {
        build.log.add('WARNING: ' + message)
        build.worsen('UNSTABLE')
    }

    /** Throws the first failure after all branches have ended. */
    Object parallel(Map given) {
        boolean failFast = given.failFast == true
        Throwable first = null
        List<Branch> started = []
        List<Closure> bodies = given.findAll { name, body -> body instanceof Closure }.collect { name, body ->
            Branch branch = Branch.current().child()
            started.add(branch)
            build.branches.add(branch)
            return {
                branch.enter()
                try {
                    body()
                } catch (Throwable e) {
                    if (first == null) {
                        first = e
                        if (failFast) {
                            build.clock.interrupt(started.findAll { !it.is(branch) && build.branches.contains(it) }) {
                                new FlowInterruptedException(new Causes.FailFast())
                            }
                        }
                    }
                } finally {
                    build.branches.remove(branch)
                }
            }
        }
        build.clock.runParallel(bodies)
        if (first != null) {
            throw first
        }
        return null
    }

    boolean isUnix() {
        return build.transport != 'powershell'
    }

    Object sh(String script) {
        return sh(script: script)
    }

    /** The script "sleep N" takes N seconds on the build's clock. */
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

    void writeFile(Map args) {
        new File(build.workspace, args.file).setText(args.text, args.encoding ?: 'UTF-8')
    }

    void archiveArtifacts(Map args) {
        build.archived[args.artifacts] = new File(build.workspace, args.artifacts).text
    }

}
