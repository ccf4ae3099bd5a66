package org.jenkinsci.plugins.workflow.steps

/** Stands in for what Jenkins throws into a step that is aborted or timed out. */
class FlowInterruptedException extends InterruptedException {

    private static final long serialVersionUID = 1L

    private final List<Serializable> why
    /** In the sandbox the causes may not be read. */
    static ThreadLocal<Boolean> sandboxed = new InheritableThreadLocal<Boolean>()

    FlowInterruptedException(Serializable cause) {
        super()
        why = [cause]
    }

    List<Serializable> getCauses() {
        if (sandboxed.get()) {
            throw new SecurityException('Scripts not permitted to use method FlowInterruptedException getCauses')
        }
        return why
    }

}
