import com.cloudbees.groovy.cps.Continuable;
import groovy.lang.GroovyObjectSupport;
import java.io.Serializable;

/** The `steps` object. Every step suspends the program. Source: workflow-cps DSL.java */
public class StepsVariable extends GroovyObjectSupport implements Serializable {

    private static final long serialVersionUID = 1L;

    @Override
    public Object invokeMethod(String name, Object arguments) {
        if (!Step.isKnown(name)) {
            throw new NoSuchMethodError("No such DSL method '" + name + "' found among steps [] or symbols [] or globals []");
        }
        if (name.equals("string")) {
            return ((Object[]) arguments)[0];
        }
        return Continuable.suspend(name, new Step(name, (Object[]) arguments));
    }

}
