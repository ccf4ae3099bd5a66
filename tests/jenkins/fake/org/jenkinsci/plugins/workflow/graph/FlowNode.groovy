package org.jenkinsci.plugins.workflow.graph

/** A step, or the start or end of a block. As in Jenkins, the sandbox allows no method. Source: workflow-api FlowNode.java */
class FlowNode {

    /** Whether the current build is sandboxed. */
    static Closure<Boolean> sandboxed = { false }

    protected final List<FlowNode> before
    protected final List<BlockStartNode> around
    protected final String function
    /** The error of a failed body or step, as an ErrorAction has it. */
    Throwable failure
    final List<Object> facts = []

    FlowNode(String function, List<FlowNode> before, List<BlockStartNode> around) {
        this.function = function
        this.before = before
        this.around = around
    }

    /** Innermost first. */
    List<BlockStartNode> getEnclosingBlocks() {
        return allowed(around.reverse())
    }

    List<FlowNode> getParents() {
        return allowed(before)
    }

    Throwable getError() {
        return allowed(failure)
    }

    String getDisplayFunctionName() {
        return allowed(function)
    }

    Object getPersistentAction(Class type) {
        return allowed(facts.find { type.isInstance(it) })
    }

    protected static Object allowed(Object value) {
        if (sandboxed()) {
            throw new SecurityException('Scripts not permitted to use a method of FlowNode')
        }
        return value
    }

}
