package org.jenkinsci.plugins.workflow.steps

/** Replaces the exception of a step outside of the step it needs. Source: workflow-step-api MissingContextVariableException.java */
class MissingContextVariableException extends Exception {

    private static final long serialVersionUID = 1L

    MissingContextVariableException(String type) {
        super('Required context class ' + type + ' is missing\n' +
            'Perhaps you forgot to surround the step with a step that provides this, such as: node')
    }

}
