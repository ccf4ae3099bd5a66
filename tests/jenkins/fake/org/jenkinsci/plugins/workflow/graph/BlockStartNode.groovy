package org.jenkinsci.plugins.workflow.graph

/** Source: workflow-api BlockStartNode.java */
class BlockStartNode extends FlowNode {

    final Map arguments
    final String label
    protected BlockEndNode end

    BlockStartNode(String function, List<FlowNode> before, List<BlockStartNode> around, Map arguments, String label) {
        super(function, before, around)
        this.arguments = arguments
        this.label = label
    }

    BlockEndNode getEndNode() {
        return allowed(end)
    }

}
