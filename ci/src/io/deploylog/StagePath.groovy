package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/**
 * A place in a build, and the path of a stage that begins there, through its enclosing stages and branches. Variables of
 * the environment pass the path on: all steps of all libraries can read them, and parallel branches do not share them.
 *
 * Setting variables takes a step. So a stage directly below a base (the build, the body of a deploy, a branch, or a stage
 * with variables) sets none. Inside it, STAGE_NAME, which the stage step sets, differs from that at the base. That is only
 * so where this library meets all stages and branches.
 */
class StagePath implements Serializable {

    private static final long serialVersionUID = 1L

    final Object script
    // The STAGE_NAME of this place, null outside stages.
    final String enclosing
    final OpenBlocks open

    /** The name is that of STAGE_NAME outside the stage that begins here. */
    StagePath(Object script, String enclosing) {
        this.script = script
        this.enclosing = enclosing
        this.open = new OpenBlocks(script)
    }

    /** The path of this place, null outside stages. */
    String outer() {
        return isBelowStage() ? below(enclosing) : script.env.DEPLOYLOG_STAGE
    }

    String of(String name) {
        return isBelowStage() ? join(outer(), name) : below(name)
    }

    /** Runs the body of a stage so that stages in it find their path. */
    Object runStage(String name, Closure body) {
        if (isBelowStage() || name == script.env.DEPLOYLOG_STAGE_NAME || !new Waiting(script).observed()) {
            return runWith(variables(of(name), '', name), body)
        }
        String key = key(name)
        int number = open.open(key)
        try {
            return body()
        } finally {
            open.close(key, number)
        }
    }

    /** The variables that make this place a base. */
    List<String> base() {
        return variables(outer(), isBelowStage() ? '' : script.env.DEPLOYLOG_BRANCH, enclosing)
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
                return runWith(variables(join(outer(), name), name, enclosing) + ['DEPLOYLOG_THREAD=' + thread], body)
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

    /** Whether a first-level stage encloses this place. Stages that are not recorded also set STAGE_NAME. */
    private boolean isBelowStage() {
        return enclosing && enclosing != script.env.DEPLOYLOG_STAGE_NAME && open.contains(key(enclosing))
    }

    private String key(String name) {
        return 'stage ' + script.env.DEPLOYLOG_STAGE + ' / ' + name
    }

    /** In Declarative a branch contains a stage of the same name; the name is used once. */
    private String below(String name) {
        String base = script.env.DEPLOYLOG_STAGE
        return base && name == script.env.DEPLOYLOG_BRANCH ? base : join(base, name)
    }

    /** An empty value unsets a variable (jenkins EnvVars.java). */
    @NonCPS
    private static List<String> variables(String path, String branch, String stage) {
        return ['DEPLOYLOG_STAGE=' + (path ?: ''), 'DEPLOYLOG_BRANCH=' + (branch ?: ''), 'DEPLOYLOG_STAGE_NAME=' + (stage ?: '')]
    }

    /** Truncated, because the environment is passed to every process of the build. */
    @NonCPS
    private static String join(String outer, String name) {
        return Limits.normalize(outer ? outer + ' / ' + name : name, Limits.PATH) ?: '(no name)'
    }

}
