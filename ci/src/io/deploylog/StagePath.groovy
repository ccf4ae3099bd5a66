package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/**
 * Where in the pipeline a stage stands. The path is handed down in the environment of the body, which parallel
 * branches do not share and which all steps of all libraries see.
 */
class StagePath implements Serializable {

    private static final long serialVersionUID = 1L

    final Object script

    StagePath(Object script) {
        this.script = script
    }

    /** The path of a stage entered here. A branch whose stage bears its name (so it is in Declarative) is named once. */
    String of(String name) {
        String outer = script.env.DEPLOYLOG_STAGE
        return outer && name == script.env.DEPLOYLOG_BRANCH ? outer : below(outer, name)
    }

    /** The branches, each handing its name down; what else stands in the map (failFast) as it is. */
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
        return { within(inside(below(script.env.DEPLOYLOG_STAGE, name), name), body) }
    }

    /** Runs the body in this environment, or where none can be made, without. */
    Object within(List<String> environment, Closure body) {
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
            script.steps.echo('deploylog: the names of stages may lack those around them: ' + e)
            value = body()
        }
        return value
    }

    @NonCPS
    static List<String> inside(String path, String branch) {
        return [variable('DEPLOYLOG_STAGE', path), variable('DEPLOYLOG_BRANCH', branch)]
    }

    /** withEnv replaces $NAME in a value, and $$ by $. */
    @NonCPS
    static String variable(String name, String value) {
        return name + '=' + value.replace('$', '$$')
    }

    /** Bounded, since the environment reaches every process of the build. */
    @NonCPS
    private static String below(String outer, String name) {
        return Limits.fit(outer ? outer + ' / ' + name : name, Limits.PATH) ?: '(no name)'
    }

}
