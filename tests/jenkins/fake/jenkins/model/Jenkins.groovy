package jenkins.model

import hudson.model.TaskListener

/** Replaces the class of the controller. Its global properties are those of the current build. */
class Jenkins {

    /** The global variables of the builds of this thread. */
    static final ThreadLocal<Map<String, String>> GLOBAL = new InheritableThreadLocal<Map<String, String>>()

    static Jenkins get() {
        return new Jenkins()
    }

    List<Jenkins> getGlobalNodeProperties() {
        return [this]
    }

    // Source: jenkins EnvironmentVariablesNodeProperty.java
    void buildEnvVars(Map environment, TaskListener listener) {
        environment.putAll(GLOBAL.get() ?: [:])
    }

}
