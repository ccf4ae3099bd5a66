import com.cloudbees.groovy.cps.SerializableScript;
import groovy.lang.MissingPropertyException;
import org.codehaus.groovy.runtime.InvokerHelper;

/** The base class of Jenkinsfiles and library variables. It resolves names as workflow-cps CpsScript.java does. */
public abstract class PipelineBase extends SerializableScript {

    private static final long serialVersionUID = 1L;

    public PipelineBase() {
        getBinding().setVariable("steps", new StepsVariable());
    }

    @Override
    public final Object invokeMethod(String name, Object arguments) {
        Object[] array = (Object[]) arguments;
        if (getBinding().hasVariable(name)) {
            Object bound = getBinding().getVariable(name);
            if (!InvokerHelper.getMetaClass(bound).respondsTo(bound, "call", array).isEmpty()) {
                return InvokerHelper.getMetaClass(bound).invokeMethod(bound, "call", array);
            }
        }
        Object variable = Engine.current().variable(this, name);
        if (variable != null) {
            return InvokerHelper.getMetaClass(variable).invokeMethod(variable, "call", array);
        }
        return new StepsVariable().invokeMethod(name, arguments);
    }

    @Override
    public Object getProperty(String name) {
        try {
            return super.getProperty(name);
        } catch (MissingPropertyException e) {
            Object value = Engine.current().variable(this, name);
            value = value == null ? Engine.current().environment(name) : value;
            if (value == null) {
                throw e;
            }
            return value;
        }
    }

}
