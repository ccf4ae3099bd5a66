package org.jenkinsci.plugins.workflow.graph

/** Source: workflow-api BlockEndNode.java */
class BlockEndNode extends FlowNode {

    protected final BlockStartNode start

    BlockEndNode(BlockStartNode start, List<FlowNode> before, Throwable failure) {
        super('}', before, start.around)
        this.start = start
        this.failure = failure
        start.end = this
    }

    BlockStartNode getStartNode() {
        return allowed(start)
    }

}
