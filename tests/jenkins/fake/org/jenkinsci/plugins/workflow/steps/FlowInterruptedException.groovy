package org.jenkinsci.plugins.workflow.steps

/** Replaces the exception that Jenkins throws into an aborted or timed-out step. */
class FlowInterruptedException extends InterruptedException {

    private static final long serialVersionUID = 1L

    /** The sandbox denies access to causes and result. */
    private static final ThreadLocal<Boolean> SANDBOXED = new InheritableThreadLocal<Boolean>()

    private final List<Serializable> why

    private final String outcome

    FlowInterruptedException(Serializable cause, String result = 'ABORTED') {
        super()
        why = [cause]
        outcome = result
    }

    static void setSandboxed(boolean sandboxed) {
        SANDBOXED.set(sandboxed)
    }

    List<Serializable> getCauses() {
        if (SANDBOXED.get()) {
            throw new SecurityException('Scripts not permitted to use method FlowInterruptedException getCauses')
        }
        return why
    }

    String getResult() {
        if (SANDBOXED.get()) {
            throw new SecurityException('Scripts not permitted to use method FlowInterruptedException getResult')
        }
        return outcome
    }

}
