import groovy.lang.Closure;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A call of a step, and how far it is. The versions and sources of the steps are those of the fakes in tests/jenkins/fake. */
final class Step implements Serializable {

    private static final long serialVersionUID = 1L;
    private static final Set<String> KNOWN = Set.of("archiveArtifacts", "catchError", "echo", "error", "httpRequest", "input", "isUnix",
        "node", "parallel", "retry", "sh", "sleep", "stage", "string", "timeout", "unstable", "withCredentials", "withEnv", "writeFile");

    final String name;
    Map<Object, Object> arguments = new LinkedHashMap<>();
    Object value;
    Closure<?> body;
    /** The moment at which the step ends or interrupts its body. */
    long until = Long.MAX_VALUE;
    /** The threads that run the step's bodies, with the name of each branch. */
    final Map<String, PipelineThread> running = new LinkedHashMap<>();
    final Map<String, Object> results = new LinkedHashMap<>();
    final List<Throwable> failures = new ArrayList<>();
    Serializable interruption;

    Step(String name, Object[] given) {
        this.name = name;
        for (Object argument : given) {
            if (argument instanceof Closure) {
                body = (Closure<?>) argument;
            } else if (argument instanceof Map) {
                arguments.putAll((Map<?, ?>) argument);
            } else {
                value = argument;
            }
        }
    }

    static boolean isKnown(String name) {
        return KNOWN.contains(name) && !(name.equals("httpRequest") && !Engine.current().httpRequest);
    }

    Object argument(String name) {
        Object argument = arguments.get(name);
        return argument == null ? value : argument;
    }

    long millis(String defaultUnit) {
        String unit = String.valueOf(arguments.getOrDefault("unit", defaultUnit));
        return java.util.concurrent.TimeUnit.valueOf(unit).toMillis(((Number) argument("time")).longValue());
    }

}
