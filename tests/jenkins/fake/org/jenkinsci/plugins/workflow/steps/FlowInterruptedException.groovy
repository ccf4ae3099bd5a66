package org.jenkinsci.plugins.workflow.steps

/** Replaces the exception that interrupts a step. Source: workflow-step-api FlowInterruptedException.java */
class FlowInterruptedException extends InterruptedException {

    private static final long serialVersionUID = 1L

    /** The sandbox denies access to causes and result: script-security's whitelists do not name them. */
    private static final ThreadLocal<Boolean> SANDBOXED = new InheritableThreadLocal<Boolean>()

    private final List<Serializable> why
    private final String outcome
    private boolean actual

    FlowInterruptedException(Serializable cause, String result = 'ABORTED', boolean actualInterruption = true) {
        super()
        why = [cause]
        outcome = result
        actual = actualInterruption
    }

    static void setSandboxed(boolean sandboxed) {
        SANDBOXED.set(sandboxed)
    }

    private static void demandTrust(String method) {
        if (SANDBOXED.get()) {
            throw new SecurityException('Scripts not permitted to use method FlowInterruptedException ' + method)
        }
    }

    List<Serializable> getCauses() {
        demandTrust('getCauses')
        return why
    }

    String getResult() {
        demandTrust('getResult')
        return outcome
    }

    boolean isActualInterruption() {
        demandTrust('isActualInterruption')
        return actual
    }

    /** For the fake steps, which the sandbox does not restrict. */
    Map details() {
        return [causes: why, result: outcome, actual: actual]
    }

    void leaves(Object cause) {
        actual = actual && !why.any { it.is(cause) }
    }

    @Override
    String getMessage() {
        return why*.shortDescription.join(', ')
    }

}
