package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import hudson.model.TaskListener
import jenkins.model.Jenkins

/** The address of the service. A Jenkinsfile can set it, but the controller can reach more hosts than a Jenkinsfile may. */
class Address {

    // With ?, # or credentials, the path that the library appends would not be the end of the path, or the host another one.
    private static final String SYNTAX = '(?i)https?://[^\\s/?#@\\\\]+(/[^\\s?#\\\\]*)?'

    /** The base URL without `/api` and trailing slashes, or null. */
    @NonCPS
    static String normalize(Object given) {
        return Limits.normalize(given, Limits.URL)?.trim()?.replaceAll('(/api)?/*$', '')
    }

    @NonCPS
    static boolean isValid(String url) {
        return url ==~ SYNTAX
    }

    /**
     * Whether an administrator has set this address, or allows any. Only a trusted library can read these settings.
     * Folders contribute to the environment of a job (Jenkins Job.java), global properties to that of a run.
     */
    @NonCPS
    static boolean isConfigured(Object currentBuild, String url) {
        try {
            Map settings = currentBuild.rawBuild.parent.getEnvironment(null, TaskListener.NULL)
            boolean configured = allows(settings, url)
            Jenkins.get().globalNodeProperties.each { it.buildEnvVars(settings, TaskListener.NULL) }
            return configured || allows(settings, url)
        } catch (Exception ignored) {
            return false
        }
    }

    @NonCPS
    private static boolean allows(Map env, String url) {
        return env.DEPLOYLOG_ALLOW_ANY_URL == 'true' || normalize(env.DEPLOYLOG_URL) == url
    }

}
