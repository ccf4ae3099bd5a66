/** Variables of the build, and of what encloses the branch that asks. */
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
