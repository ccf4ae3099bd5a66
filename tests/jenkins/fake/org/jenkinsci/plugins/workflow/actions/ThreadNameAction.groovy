package org.jenkinsci.plugins.workflow.actions

/** Marks the body of a parallel branch. Source: workflow-api ThreadNameAction.java */
class ThreadNameAction {

    String threadName

}
