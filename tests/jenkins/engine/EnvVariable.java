import groovy.lang.GroovyObjectSupport;
import java.io.Serializable;

/** The `env` variable. Source: workflow-cps EnvActionImpl.java */
public class EnvVariable extends GroovyObjectSupport implements Serializable {

    private static final long serialVersionUID = 1L;

    @Override
    public Object getProperty(String name) {
        return Engine.current().environment(name);
    }

    @Override
    public void setProperty(String name, Object value) {
        Engine.current().state.environment.put(name, String.valueOf(value));
    }

}
