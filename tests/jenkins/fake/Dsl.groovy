/** The `steps` object. As in Jenkins, an unknown step throws an Error. Source: workflow-cps DSL.java */
class Dsl extends GroovyObjectSupport {

    private final Build build

    Dsl(Build build) {
        this.build = build
    }

    @Override
    Object invokeMethod(String name, Object args) {
        return build.steps.invoke(name, args as Object[])
    }

}
