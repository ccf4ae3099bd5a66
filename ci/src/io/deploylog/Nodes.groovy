package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/**
 * Lets the body of a node send, before it ends, what waits in the outboxes of all variables of the libraries. A variable
 * cannot reach another, but Jenkins loads the classes of a library once per build. A restart of Jenkins empties the list:
 * an outbox enters it again when it holds its next line.
 */
class Nodes implements Serializable {

    private static final long serialVersionUID = 1L
    // By run and ID. Only in a test do the classes serve several builds.
    private static final Map<String, Outbox> OUTBOXES = [:]

    final Object script

    Nodes(Object script) {
        this.script = script
    }

    @NonCPS
    static synchronized void add(String run, Outbox outbox) {
        OUTBOXES[run + ' ' + outbox.id] = outbox
    }

    @NonCPS
    private static synchronized List<Outbox> waiting(String run) {
        return OUTBOXES.findAll { it.key.startsWith(run + ' ') }*.value
    }

    /** Runs the body of a node. Outboxes see the variable DEPLOYLOG_NODE, and so can hold lines until the body ends. */
    Object run(Closure body) {
        Object value = null
        Throwable thrown = null
        try {
            value = new StagePath(script, script.env.STAGE_NAME).runWith(['DEPLOYLOG_NODE=' + script.env.NODE_NAME], body)
        } catch (Throwable e) {
            thrown = e
        }
        try {
            List<Outbox> outboxes = waiting(script.currentBuild.externalizableId)
            for (int i = 0; i < outboxes.size(); i++) {
                outboxes[i].flush()
            }
        } catch (FlowInterruptedException e) {
            thrown = thrown ?: e
        }
        if (thrown != null) {
            throw thrown
        }
        return value
    }

}
