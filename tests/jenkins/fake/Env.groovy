/** The environment of the current branch, then that of the build. Source: workflow-cps EnvActionImpl.java */
class Env extends GroovyObjectSupport {

    Build build

    @Override
    Object getProperty(String name) {
        return Branch.current().has(name) ? Branch.current().get(name) : this.@build.environment[name]
    }

    @Override
    void setProperty(String name, Object value) {
        if (name == 'build') {
            this.@build = value
        } else {
            this.@build.environment[name] = String.valueOf(value)
        }
    }

}
