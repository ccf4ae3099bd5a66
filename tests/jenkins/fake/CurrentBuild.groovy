import hudson.model.TaskListener

/** The `currentBuild` variable of a pipeline. Source: workflow-support RunWrapper.java */
class CurrentBuild {

    Build build

    String getExternalizableId() { return build.run }

    String getFullProjectName() { return build.job ?: 'shop/deploy' }

    int getNumber() { return build.number }

    String getResult() { return build.result }

    void setResult(String result) { build.worsen(result) }

    String getCurrentResult() { return build.result ?: 'SUCCESS' }

    String getAbsoluteUrl() {
        if (build.rootUrl == null) {
            throw new IllegalStateException("Root URL isn't configured yet. Cannot compute absolute URL.")
        }
        return build.rootUrl + 'job/' + fullProjectName.replace('/', '/job/') + '/' + build.number + '/'
    }

    List<Map> getBuildCauses() { return build.causes }

    List<Map> getBuildCauses(String type) { return build.causes.findAll { it._class == type } }

    /** Only for trusted libraries. */
    RawBuild getRawBuild() {
        if (build.sandboxed) {
            throw new SecurityException('Scripts not permitted to use method RunWrapper getRawBuild')
        }
        return new RawBuild(build)
    }

    /** A run, and also its job. Source: jenkins Job.java */
    static class RawBuild {

        private final Build build

        RawBuild(Build build) { this.build = build }

        RawBuild getParent() { return this }

        Map<String, String> getEnvironment(Object node, TaskListener listener) { return new HashMap(build.folder) }

    }

}
