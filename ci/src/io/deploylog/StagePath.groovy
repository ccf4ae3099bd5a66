package io.deploylog

import com.cloudbees.groovy.cps.NonCPS

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
        return {
            script.steps.withEnv(inside(below(script.env.DEPLOYLOG_STAGE, name), name)) { body() }
        }
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

    @NonCPS
    private static String below(String outer, String name) {
        return outer ? outer + ' / ' + name : name
    }

}
