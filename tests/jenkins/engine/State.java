import java.io.Serializable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** All that survives a restart: the threads, the environment, the result and the log. */
final class State implements Serializable {

    private static final long serialVersionUID = 1L;

    final List<PipelineThread> threads = new ArrayList<>();
    final Map<String, String> environment = new LinkedHashMap<>();
    final List<String> log = new ArrayList<>();
    final List<String> sent = new ArrayList<>();
    String result;
    Throwable thrown;
    long now;

}
