package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/**
 * The path of a stage through its enclosing stages and branches. The environment of the body passes it on: all steps of
 * all libraries can read it there, and parallel branches do not share it.
 */
class StagePath implements Serializable {

    private static final long serialVersionUID = 1L

    final Object script

    StagePath(Object script) {
        this.script = script
    }

    /** The path of a stage entered here. In Declarative a branch contains a stage of the same name; the name is used once. */
    String of(String name) {
        String outer = script.env.DEPLOYLOG_STAGE
        return outer && name == script.env.DEPLOYLOG_BRANCH ? outer : join(outer, name)
    }

    /** Wraps each branch so that it passes on its name. Other entries, such as failFast, stay as they are. */
    Map branches(Map given) {
        Map named = [:]
        List names = new ArrayList(given.keySet())
        for (int i = 0; i < names.size(); i++) {
            Object body = given[names[i]]
            named[names[i]] = body instanceof Closure ? branch(names[i].toString(), body) : body
        }
        return named
    }

    Closure branch(String name, Closure body) {
        return {
            Waiting waiting = new Waiting(script)
            long thread = waiting.fork()
            try {
                return runWith(variables(join(script.env.DEPLOYLOG_STAGE, name), name) + ['DEPLOYLOG_THREAD=' + thread], body)
            } finally {
                waiting.join(thread)
            }
        }
    }

    /** Runs the body with the given variables. If they cannot be set, the body runs without them. */
    Object runWith(List<String> environment, Closure body) {
        Object value = null
        boolean entered = false
        try {
            script.steps.withEnv(environment) {
                entered = true
                value = body()
            }
        } catch (Throwable e) {
            if (entered || e instanceof FlowInterruptedException) {
                throw e
            }
            script.steps.echo('deploylog: stage paths can be incomplete: ' + e)
            value = body()
        }
        return value
    }

    @NonCPS
    static List<String> variables(String path, String branch) {
        return ['DEPLOYLOG_STAGE=' + path, 'DEPLOYLOG_BRANCH=' + branch]
    }

    /** Truncated, because the environment is passed to every process of the build. */
    @NonCPS
    private static String join(String outer, String name) {
        return Limits.normalize(outer ? outer + ' / ' + name : name, Limits.PATH) ?: '(no name)'
    }

}
