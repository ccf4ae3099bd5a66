/** The steps object: a name that is no step is an Error, as in Jenkins. */
class Dsl extends GroovyObjectSupport {

    private final Build build

    Dsl(Build build) {
        this.build = build
    }

    @Override
    Object invokeMethod(String name, Object args) {
        return build.steps.take(name, args as Object[])
    }

}
