/**
 * The base class of Jenkinsfiles and library variables. It resolves an unknown name as a variable of the binding, then
 * as a variable of a library, then as a step.
 */
abstract class PipelineScript extends Script {

    /** The build of the thread that creates the script. */
    final Build build = Build.current()

    PipelineScript() {
        binding.setVariable('steps', build.dsl)
    }

    @Override
    Object invokeMethod(String name, Object args) {
        Object known = binding.hasVariable(name) ? binding.getVariable(name) : build.globalVariable(this, name)
        if (known != null && known.metaClass.respondsTo(known, 'call', args as Object[])) {
            return known.metaClass.invokeMethod(known, 'call', args as Object[])
        }
        return build.dsl.invokeMethod(name, args)
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
