package org.jenkinsci.plugins.workflow.actions

import org.jenkinsci.plugins.workflow.graph.FlowNode

/** Source: workflow-api ArgumentsAction.java */
class ArgumentsAction {

    static Map getFilteredArguments(FlowNode node) {
        return node.arguments ?: [:]
    }

}
