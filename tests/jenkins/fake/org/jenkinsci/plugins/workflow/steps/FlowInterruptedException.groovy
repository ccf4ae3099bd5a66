package org.jenkinsci.plugins.workflow.steps

/** Stands in for what Jenkins throws into a step that is aborted or timed out. */
class FlowInterruptedException extends InterruptedException {

    private static final long serialVersionUID = 1L

    /** In the sandbox neither causes nor result may be read. */
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
