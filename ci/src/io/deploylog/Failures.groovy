package io.deploylog

import com.cloudbees.groovy.cps.NonCPS

/**
 * The last failure of each sequence of Declarative stages. After a failure Declarative enters the later stages of the
 * sequence only to skip them, and each rethrows the same exception (pipeline-model-definition ModelInterpreter.groovy).
 * Exceptions themselves are not kept, because some cannot be serialized.
 */
class Failures implements Serializable {

    private static final long serialVersionUID = 1L

    // By the path of the sequence: the identities of this object and of the exception, and a hash of its text.
    final Map<String, List<Integer>> failures = [:]

    @NonCPS
    void add(String sequence, Throwable e) {
        failures[sequence ?: ''] = [System.identityHashCode(this), System.identityHashCode(e), text(e)]
    }

    /** Whether Declarative can skip a stage of the sequence. */
    @NonCPS
    boolean precede(String sequence) {
        return !enclosing(sequence).isEmpty()
    }

    /** Identities do not survive a restart of Jenkins. After one, the text decides. */
    @NonCPS
    boolean contain(String sequence, Throwable e) {
        return e != null && enclosing(sequence).any { List<Integer> failure ->
            failure[0] == System.identityHashCode(this) ? failure[1] == System.identityHashCode(e) : failure[2] == text(e)
        }
    }

    @NonCPS
    private List<List<Integer>> enclosing(String sequence) {
        String path = (sequence ?: '') + ' / '
        return failures.findAll { it.key == '' || path.startsWith(it.key + ' / ') }*.value
    }

    @NonCPS
    private static int text(Throwable e) {
        return e.toString().hashCode()
    }

}
