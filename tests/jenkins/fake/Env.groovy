/** The environment of the current branch, then that of the build. */
class Env extends GroovyObjectSupport {

    Build build

    @Override
    Object getProperty(String name) {
        return Branch.current().get(name) ?: this.@build.environment[name]
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
