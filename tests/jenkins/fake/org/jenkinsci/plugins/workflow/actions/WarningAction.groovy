package org.jenkinsci.plugins.workflow.actions

/** Source: workflow-api WarningAction.java */
class WarningAction {

    /** The text of a hudson.model.Result. */
    String result

}
