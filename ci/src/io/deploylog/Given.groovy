package io.deploylog

import com.cloudbees.groovy.cps.NonCPS

/**
 * The arguments of a call to a step, whatever their number, order and types. In the sandbox, a call that fits no method
 * fails the build with an error about `invokeMethod`. So the steps take anything, and check it here.
 */
class Given implements Serializable {

    private static final long serialVersionUID = 1L

    /** One letter for each argument: m for named arguments, n for a name, b for a body, else a question mark. */
    final String shape
    final List<Object> all
    final Map named
    final String name
    final Closure body

    Given(String shape, List<Object> all, Map named, String name, Closure body) {
        this.shape = shape
        this.all = all
        this.named = named
        this.name = name
        this.body = body
    }

    @NonCPS
    static Given of(Object[] given) {
        String shape = ''
        Map named = [:]
        String name = null
        Closure body = null
        // Groovy passes a single null as the array itself.
        List<Object> all = given == null ? [null] : Arrays.asList(given)
        for (Object it in all) {
            if (it instanceof Map) {
                shape += 'm'
                named = it
            } else if (it instanceof CharSequence) {
                shape += 'n'
                name = it.toString()
            } else if (it instanceof Closure) {
                shape += 'b'
                body = it
            } else {
                shape += '?'
            }
        }
        return new Given(shape, all, named, name, body)
    }

    /** The name in a call to Jenkins' stage step with a body; null for any other call. */
    @NonCPS
    String stageName() {
        return shape == 'nb' ? name : shape == 'mb' ? named.name?.toString() : null
    }

    /**
     * Calls a step of Jenkins with these arguments. No step takes more than two, and with three the call fails as in
     * Jenkins. `steps.invokeMethod` would print a warning about a mismatch (workflow-cps ContinuationGroup.java).
     */
    Object pass(Object steps, String step) {
        if (all.size() < 2) {
            return all.isEmpty() ? steps."${step}"() : steps."${step}"(all[0])
        }
        return all.size() == 2 ? steps."${step}"(all[0], all[1]) : steps."${step}"(all[0], all[1], all[2])
    }

    /** Says that the call is wrong and what a right call is. The body, if there is one, runs unrecorded. */
    Object wrong(Object script, String step, String usage) {
        script.steps.echo('deploylog: nothing is recorded: call ' + step + ' as ' + usage)
        return body == null ? null : body.call()
    }

}
