package org.jenkinsci.plugins.workflow.steps

/** Replaces the exception that Jenkins throws from a step that needs a node and has none. */
class MissingContextVariableException extends Exception {

    private static final long serialVersionUID = 1L

    MissingContextVariableException(String step) {
        super('Required context class hudson.FilePath is missing. Perhaps you forgot to surround the ' + step +
            ' step with a step that provides this, such as: node')
    }

}
