import com.cloudbees.groovy.cps.Outcome;
import groovy.lang.Closure;
import hudson.AbortException;
import hudson.model.Result;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import jenkins.model.CauseOfInterruption;
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException;
import org.jenkinsci.plugins.workflow.steps.TimeoutStepExecution.ExceededTimeout;

/** Runs the steps on the virtual clock. They behave as the fakes in tests/jenkins/fake, which name their sources. */
final class Steps {

    /** How the service answers: "up", "slow" (after 3 s) or "hangs" (never). */
    String service = "up";
    /** The moment at which a user aborts the build, in milliseconds from its start. */
    long abortAfter = Long.MAX_VALUE;
    private final Engine engine;
    private int timeouts = 0;
    private Long abortAt;

    Steps(Engine engine) {
        this.engine = engine;
    }

    private static final class Aborted extends CauseOfInterruption {

        private static final long serialVersionUID = 1L;

        @Override
        public String getShortDescription() {
            return "Aborted by Ana";
        }

    }

    void start(PipelineThread thread, Step step) throws Exception {
        switch (step.name) {
            case "echo":
                engine.state.log.add(String.valueOf(step.argument("message")));
                complete(thread, null);
                break;
            case "error":
                fail(thread, new AbortException(String.valueOf(step.argument("message"))));
                break;
            case "unstable":
                worsen("UNSTABLE");
                complete(thread, null);
                break;
            case "isUnix":
                complete(thread, true);
                break;
            case "sleep":
                step.until = engine.state.now + step.millis("SECONDS");
                break;
            case "input":
                step.until = engine.state.now + 20_000;
                break;
            case "httpRequest":
            case "sh":
                step.until = service.equals("hangs") ? Long.MAX_VALUE : engine.state.now + (service.equals("slow") ? 3000 : 0);
                break;
            case "node":
                step.until = engine.state.now + ("busy".equals(step.argument("label")) ? 30_000 : 0);
                break;
            case "parallel":
                parallel(thread, step);
                break;
            default:
                body(thread, step);
        }
    }

    private void body(PipelineThread thread, Step step) throws Exception {
        if (step.body == null) {
            complete(thread, null);
            return;
        }
        if (step.name.equals("timeout")) {
            step.until = engine.state.now + step.millis("MINUTES");
            step.interruption = new ExceededTimeout(String.valueOf(++timeouts));
        }
        PipelineThread launched = engine.launch(thread, step.body, "");
        step.running.put("", launched);
        launched.overlay.putAll(variables(step));
    }

    private static Map<String, String> variables(Step step) {
        Map<String, String> variables = new LinkedHashMap<>();
        switch (step.name) {
            case "stage":
                variables.put("STAGE_NAME", String.valueOf(step.argument("name")));
                break;
            case "node":
                variables.put("NODE_NAME", "built-in");
                variables.put("WORKSPACE", "/workspace");
                break;
            case "withCredentials":
                variables.put("DEPLOYLOG_TOKEN", "secret");
                break;
            case "withEnv":
                for (Object setting : (List<?>) step.argument("overrides")) {
                    String[] parts = setting.toString().split("=", 2);
                    variables.put(parts[0], parts[1].isEmpty() ? null : parts[1]);
                }
                break;
            default:
        }
        return variables;
    }

    private void parallel(PipelineThread thread, Step step) throws Exception {
        for (Map.Entry<Object, Object> entry : step.arguments.entrySet()) {
            if (entry.getValue() instanceof Closure) {
                String name = entry.getKey().toString();
                step.running.put(name, engine.launch(thread, (Closure<?>) entry.getValue(), name));
            }
        }
        if (step.running.isEmpty()) {
            complete(thread, new LinkedHashMap<>());
        }
    }

    /** Continues the step whose body has ended. */
    void ended(PipelineThread thread, Outcome outcome) throws Exception {
        PipelineThread parent = thread.parent;
        if (parent == null) {
            engine.state.thrown = outcome.getAbnormal();
            return;
        }
        Step step = parent.step;
        step.running.remove(thread.branch);
        Throwable thrown = outcome.getAbnormal();
        if (step.name.equals("retry") && thrown != null && !isActualInterruption(thrown) && (int) step.value > 1) {
            step.value = (int) step.value - 1;
            body(parent, step);
        } else if (step.name.equals("parallel")) {
            step.results.put(thread.branch, outcome.getNormal());
            if (thrown != null) {
                step.failures.add(thrown);
            }
            if (step.running.isEmpty()) {
                step.failures.sort(Comparator.comparing(it -> it instanceof FlowInterruptedException));
                finish(parent, step.failures.isEmpty() ? new Outcome(new LinkedHashMap<>(step.results), null) :
                    new Outcome(null, step.failures.get(0)));
            }
        } else if (step.name.equals("catchError")) {
            if (thrown != null) {
                worsen(thrown instanceof FlowInterruptedException ? ((FlowInterruptedException) thrown).getResult().toString() :
                    String.valueOf(step.arguments.getOrDefault("buildResult", "FAILURE")));
            }
            finish(parent, new Outcome(null, null));
        } else {
            if (thrown instanceof FlowInterruptedException && ((FlowInterruptedException) thrown).getCauses().contains(step.interruption)) {
                ((FlowInterruptedException) thrown).setActualInterruption(false);
            }
            finish(parent, outcome);
        }
    }

    private static boolean isActualInterruption(Throwable thrown) {
        return thrown instanceof FlowInterruptedException && ((FlowInterruptedException) thrown).isActualInterruption();
    }

    /** Moves the clock to the next moment at which something happens. */
    void advance() throws Exception {
        if (abortAt == null) {
            abortAt = abortAfter == Long.MAX_VALUE ? abortAfter : engine.state.now + abortAfter;
        }
        PipelineThread first = engine.state.threads.stream().min(Comparator.comparing(it -> it.step.until)).get();
        long until = Math.min(first.step.until, abortAt);
        if (until == Long.MAX_VALUE) {
            throw new IllegalStateException("the program waits for ever");
        }
        engine.state.now = Math.max(engine.state.now, until);
        if (until == abortAt) {
            abortAt = Long.MAX_VALUE;
            worsen("ABORTED");
            interrupt(engine.state.threads, new FlowInterruptedException(Result.ABORTED, true, new Aborted()));
        } else {
            due(first, first.step);
        }
    }

    private void due(PipelineThread thread, Step step) throws Exception {
        step.until = Long.MAX_VALUE;
        switch (step.name) {
            case "timeout":
                interrupt(engine.inside(step.running.get("")),
                    new FlowInterruptedException(Result.ABORTED, true, (CauseOfInterruption) step.interruption));
                break;
            case "node":
                body(thread, step);
                break;
            case "httpRequest":
                complete(thread, new HttpReply(201, deliver(step.argument("requestBody").toString())));
                break;
            case "sh":
                String script = step.argument("script").toString();
                int from = script.indexOf("\n", script.indexOf("<<'DEPLOYLOG_LINES'")) + 1;
                int to = script.indexOf("\nDEPLOYLOG_LINES", from);
                complete(thread, to < 0 ? null : deliver(script.substring(from, to)) + "\n201 0.1 0\n");
                break;
            default:
                complete(thread, null);
        }
    }

    private String deliver(String lines) {
        List<String> ids = new ArrayList<>();
        for (String line : lines.trim().split("\n")) {
            engine.state.sent.add(line);
            ids.add("1");
        }
        return "{\"ids\":" + ids + "}";
    }

    private void interrupt(List<PipelineThread> threads, Throwable exception) {
        for (PipelineThread it : new ArrayList<>(threads)) {
            if (it.step == null || it.step.running.isEmpty()) {
                fail(it, exception);
            }
        }
    }

    private void worsen(String to) {
        List<String> order = Arrays.asList(null, "SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED");
        if (order.indexOf(to) > order.indexOf(engine.state.result)) {
            engine.state.result = to;
        }
    }

    private void complete(PipelineThread thread, Object value) {
        finish(thread, new Outcome(value, null));
    }

    private void fail(PipelineThread thread, Throwable thrown) {
        finish(thread, new Outcome(null, thrown));
    }

    private static void finish(PipelineThread thread, Outcome outcome) {
        thread.step = null;
        thread.next = outcome;
    }

}
