/**
 * The base class of Jenkinsfiles and library variables. It resolves an unknown name as a variable of the binding, then
 * as a variable of a library, then as a step. Source: workflow-cps CpsScript.java
 */
abstract class PipelineScript extends Script {

    /** The build of the thread that creates the script. */
    final Build build = Build.current()

    PipelineScript() {
        binding.setVariable('steps', build.dsl)
    }

    @Override
    Object invokeMethod(String name, Object args) {
        Object bound = binding.hasVariable(name) ? binding.getVariable(name) : null
        // A library's variable hides the step of its name, also for arguments that it does not accept.
        Object known = bound?.metaClass?.respondsTo(bound, 'call', args as Object[]) ? bound : build.globalVariable(this, name)
        return known == null ? build.dsl.invokeMethod(name, args) : known.metaClass.invokeMethod(known, 'call', args as Object[])
    }

    @Override
    Object getProperty(String name) {
        if (name in ['env', 'currentBuild']) {
            return build."$name"
        }
        try {
            return super.getProperty(name)
        } catch (MissingPropertyException e) {
            Object known = build.globalVariable(this, name) ?: build.env.getProperty(name)
            if (known == null) {
                throw e
            }
            return known
        }
    }

}
