import com.cloudbees.groovy.cps.Continuable;
import com.cloudbees.groovy.cps.Outcome;
import java.io.Serializable;
import java.util.LinkedHashMap;
import java.util.Map;

/** One thread of the program: the Jenkinsfile, or the body of a step. */
final class PipelineThread implements Serializable {

    private static final long serialVersionUID = 1L;

    final Continuable program;
    final PipelineThread parent;
    final String branch;
    /** The variables that enclosing steps set. A null value removes one. */
    final Map<String, String> overlay = new LinkedHashMap<>();
    /** What the program continues with, or null while it waits for its step. */
    Outcome next = new Outcome(null, null);
    Step step;

    PipelineThread(Continuable program, PipelineThread parent, String branch) {
        this.program = program;
        this.parent = parent;
        this.branch = branch;
        if (parent != null) {
            overlay.putAll(parent.overlay);
        }
    }

}
