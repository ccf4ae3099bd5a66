package io.deploylog

import com.cloudbees.groovy.cps.NonCPS

/** What a step is told by its arguments, the environment and the build, in this order. */
class Settings implements Serializable {

    static final List<String> KNOWN = ['component', 'version', 'environment', 'owner', 'url', 'credentialsId',
                                       'commit', 'committed_at', 'unplanned']

    private static final long serialVersionUID = 1L

    final Object script
    final Map arguments

    Settings(Object script, Map arguments) {
        this.script = script
        this.arguments = arguments
    }

    /** Names the arguments that mean nothing, or returns null. */
    @NonCPS
    static String complaint(Map arguments, List<String> known) {
        List<String> unknown = arguments.keySet().findAll { !known.contains(it.toString()) }*.toString()
        return unknown ? 'unknown argument ' + unknown.join(', ') + '; known: ' + known.join(', ') : null
    }

    /** Where the service is, without a slash at the end, or null. */
    String url() {
        String given = Limits.fit(arguments.url ?: script.env.DEPLOYLOG_URL, Limits.LINK)
        return given == null ? null : given.trim().replaceAll('(/api)?/*$', '')
    }

    String credentialsId() {
        return Limits.fit(arguments.credentialsId ?: script.env.DEPLOYLOG_CREDENTIALS_ID, Limits.NAME)
    }

    /** The fields that all records of the deploy share. */
    Map fields() {
        String commit = arguments.commit ?: script.env.DEPLOYLOG_COMMIT ?: script.env.GIT_COMMIT
        Object unplanned = arguments.unplanned == null ? script.env.DEPLOYLOG_UNPLANNED : arguments.unplanned
        Map fields = [
            component: Limits.fit(arguments.component ?: script.env.DEPLOYLOG_COMPONENT, Limits.NAME) ?: job(),
            version: Limits.fit(arguments.version ?: script.env.DEPLOYLOG_VERSION, Limits.NAME) ?: build(commit),
            environment: Limits.fit(arguments.environment ?: script.env.DEPLOYLOG_ENVIRONMENT, Limits.NAME),
            owner: Limits.fit(arguments.owner ?: script.env.DEPLOYLOG_OWNER, Limits.NAME) ?: starter(),
            run: Limits.fit(script.currentBuild.externalizableId, Limits.PATH),
            url: link(),
            commit: commit != null && commit.length() <= Limits.COMMIT ? Limits.fit(commit, Limits.COMMIT) : null,
            committed_at: Limits.fit(arguments.committed_at ?: script.env.DEPLOYLOG_COMMITTED_AT, Limits.NAME),
        ]
        if (unplanned != null) {
            fields.unplanned = unplanned.toString() == 'true'
        }
        return fields
    }

    private String job() {
        return Limits.fit(withoutBranch(script.currentBuild.fullProjectName, script.env.BRANCH_NAME), Limits.NAME)
    }

    private String build(String commit) {
        return commit ? Limits.fit(commit.length() > 12 ? commit.substring(0, 12) : commit, 12) :
            Limits.fit(script.currentBuild.number, Limits.NAME)
    }

    /** A multibranch project names its jobs after the branch, percent-encoded. */
    @NonCPS
    static String withoutBranch(String job, String branch) {
        int slash = job.lastIndexOf('/')
        if (slash < 0 || !branch) {
            return job
        }
        return branch in names(job.substring(slash + 1)) ? job.substring(0, slash) : job
    }

    /** As it stands, and decoded where it is encoded. */
    @NonCPS
    private static List<String> names(String name) {
        try {
            return [name, URLDecoder.decode(name.replace('+', '%2B'), 'UTF-8')]
        } catch (IllegalArgumentException ignored) {
            return [name]
        }
    }

    private String starter() {
        try {
            String starter = starterIn(script.currentBuild.getBuildCauses('hudson.model.Cause$UserIdCause'))
            return starter ?: causeIn(script.currentBuild.buildCauses) ?: 'jenkins'
        } catch (Exception ignored) {
            return 'jenkins'
        }
    }

    @NonCPS
    private static String starterIn(List causes) {
        return causes ? text(causes[0].userId) ?: text(causes[0].userName) : null
    }

    @NonCPS
    private static String causeIn(List causes) {
        return causes ? text(causes[0].shortDescription) : null
    }

    /** Causes are JSON, where an unset value reads "null". */
    @NonCPS
    private static String text(Object value) {
        return value?.toString() == 'null' ? null : Limits.fit(value, Limits.NAME)
    }

    private String link() {
        try {
            String link = script.currentBuild.absoluteUrl
            return link && link.length() <= Limits.LINK && link.startsWith('http') ? link : null
        } catch (Exception ignored) {
            // Jenkins throws when it has not been told its own address.
            return null
        }
    }

}
