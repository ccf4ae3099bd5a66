package io.deploylog

import com.cloudbees.groovy.cps.NonCPS

import java.time.DateTimeException
import java.time.format.DateTimeFormatter

/** The settings of a step: from its arguments, else the environment, else the build. */
class Settings implements Serializable {

    static final List<String> KNOWN = ['component', 'version', 'environment', 'owner', 'url', 'credentialsId',
                                       'commit', 'committed_at', 'unplanned']

    private static final long serialVersionUID = 1L
    private static final String RFC_3339 = '\\d{4}-\\d\\d-\\d\\d[Tt]\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?([Zz]|[-+]\\d\\d:\\d\\d)'
    private static final Map<String, Boolean> FLAGS = ['true': true, 'yes': true, '1': true, 'false': false, 'no': false, '0': false]

    final Object script
    final Map arguments
    /** What is wrong with the values, found by `fields`. */
    final List<String> problems = []

    Settings(Object script, Map arguments) {
        this.script = script
        this.arguments = arguments
    }

    /** Returns a message that names the unknown arguments, or null. */
    @NonCPS
    static String unknownArguments(Map arguments, List<String> known) {
        List<String> unknown = arguments.keySet().findAll { !known.contains(it.toString()) }*.toString()
        return unknown ? 'unknown argument ' + unknown.join(', ') + '; known arguments: ' + known.join(', ') : null
    }

    String url() {
        return Address.normalize(arguments.url ?: script.env.DEPLOYLOG_URL)
    }

    String credentialsId() {
        return Limits.normalize(arguments.credentialsId ?: script.env.DEPLOYLOG_CREDENTIALS_ID, Limits.NAME)
    }

    /** The fields common to all records of a deploy. */
    Map fields() {
        String commit = arguments.commit ?: script.env.DEPLOYLOG_COMMIT ?: script.env.GIT_COMMIT
        Object unplanned = arguments.unplanned == null ? script.env.DEPLOYLOG_UNPLANNED : arguments.unplanned
        return [
            component: Limits.normalize(arguments.component ?: script.env.DEPLOYLOG_COMPONENT, Limits.NAME) ?: componentFromJob(),
            version: Limits.normalize(arguments.version ?: script.env.DEPLOYLOG_VERSION, Limits.NAME) ?: versionFromBuild(commit),
            environment: Limits.normalize(arguments.environment ?: script.env.DEPLOYLOG_ENVIRONMENT, Limits.NAME),
            owner: Limits.normalize(arguments.owner ?: script.env.DEPLOYLOG_OWNER, Limits.NAME) ?: ownerFromBuild(),
            run: Limits.normalize(script.env.DEPLOYLOG_RUN ?: script.currentBuild.externalizableId, Limits.PATH),
            url: buildUrl(),
            commit: commit != null && commit.length() <= Limits.COMMIT ? Limits.normalize(commit, Limits.COMMIT) : null,
            committed_at: time(arguments.committed_at ?: script.env.DEPLOYLOG_COMMITTED_AT),
            unplanned: flag(unplanned),
        ]
    }

    /** An optional value that the service would reject is left out. Otherwise the record would be lost. */
    @NonCPS
    private String time(Object value) {
        String text = Limits.normalize(value, Limits.NAME)
        try {
            if (text == null || text ==~ RFC_3339 && DateTimeFormatter.ISO_OFFSET_DATE_TIME.parse(text.replaceAll('\\.\\d+', '')) != null) {
                return text
            }
        } catch (DateTimeException ignored) {
            // Not a date of the calendar.
        }
        problems.add('committed_at is left out: it must be a time such as 2026-11-24T07:00:00Z, not ' + text)
        return null
    }

    @NonCPS
    private Boolean flag(Object value) {
        String text = Limits.normalize(value, Limits.NAME)
        String word = text == null ? '' : text.trim().toLowerCase()
        if (text != null && !FLAGS.containsKey(word)) {
            problems.add('unplanned is left out: it must be true or false, yes or no, 1 or 0, not ' + text)
        }
        return FLAGS[word]
    }

    private String componentFromJob() {
        return Limits.normalize(withoutBranch(script.currentBuild.fullProjectName, script.env.BRANCH_NAME), Limits.NAME)
    }

    private String versionFromBuild(String commit) {
        return commit ? Limits.normalize(commit.length() > 12 ? commit.substring(0, 12) : commit, 12) :
            Limits.normalize(script.currentBuild.number, Limits.NAME)
    }

    /** A multibranch project names its jobs after the branch, percent-encoded. */
    @NonCPS
    static String withoutBranch(String job, String branch) {
        int slash = job.lastIndexOf('/')
        if (slash < 0 || !branch) {
            return job
        }
        return branch in decodings(job.substring(slash + 1)) ? job.substring(0, slash) : job
    }

    /** The name, and its decoded form if it is validly encoded. */
    @NonCPS
    private static List<String> decodings(String name) {
        try {
            return [name, URLDecoder.decode(name.replace('+', '%2B'), 'UTF-8')]
        } catch (IllegalArgumentException ignored) {
            return [name]
        }
    }

    /** Says that the build repeats another one: a replay, or a restart from a stage as Utils.isRestartedRun tells it. */
    String origin() {
        String replay = causeIn(script.currentBuild.getBuildCauses('org.jenkinsci.plugins.workflow.cps.replay.ReplayCause'))
        String restart = 'org.jenkinsci.plugins.pipeline.modeldefinition.causes.RestartDeclarativePipelineCause'
        return replay ?: causeIn(script.currentBuild.getBuildCauses(restart))
    }

    private String ownerFromBuild() {
        try {
            String user = userIn(script.currentBuild.getBuildCauses('hudson.model.Cause$UserIdCause'))
            return user ?: causeIn(script.currentBuild.buildCauses) ?: 'jenkins'
        } catch (Exception ignored) {
            return 'jenkins'
        }
    }

    @NonCPS
    private static String userIn(List causes) {
        return causes ? text(causes[0].userId) ?: text(causes[0].userName) : null
    }

    @NonCPS
    private static String causeIn(List causes) {
        return causes ? text(causes[0].shortDescription) : null
    }

    /** Build causes are JSON, in which the text of an unset value is "null". */
    @NonCPS
    private static String text(Object value) {
        return value?.toString() == 'null' ? null : Limits.normalize(value, Limits.NAME)
    }

    private String buildUrl() {
        try {
            String url = script.currentBuild.absoluteUrl
            return url && url.length() <= Limits.URL && url.startsWith('http') ? url : null
        } catch (Exception ignored) {
            // Jenkins throws if its root URL is not configured.
            return null
        }
    }

}
