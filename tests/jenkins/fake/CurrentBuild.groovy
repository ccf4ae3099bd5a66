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

}
