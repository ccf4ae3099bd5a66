import groovy.json.JsonSlurper;
import groovy.lang.GroovyShell;
import java.io.File;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** Runs Jenkinsfiles with the library under the real engine. The argument is the root of the repository. */
public final class EngineTests {

    /** The first is a trusted library without the sandbox; the others are as Engine describes. */
    private static final List<String> MODES = List.of("", "restarts", "sandbox restarts", "untrusted", "untrusted restarts", "sh restarts",
        "untrusted sh restarts");
    private static File root;
    private static int passed = 0;
    private static int failed = 0;

    public static void main(String[] arguments) {
        root = new File(arguments[0]);
        new GroovyShell().evaluate("System.metaClass.static.currentTimeMillis = { -> Engine.current().state.now }");
        Scenarios.define();
        System.out.println(passed + " passed, " + failed + " failed");
        System.exit(failed == 0 && passed > 0 ? 0 : 1);
    }

    /** Runs a Jenkinsfile in every mode and compares the records, one line each: stage or "deploy", status, seconds waited if any. */
    static void everywhere(String name, String jenkinsfile, String... expected) {
        for (String mode : MODES) {
            test(name, mode, jenkinsfile, it -> { }, expected);
        }
    }

    static void everyStage(String name, String jenkinsfile, String... expected) {
        for (String mode : List.of("every-stage", "every-stage sandbox restarts", "every-stage untrusted restarts")) {
            test(name, mode, jenkinsfile, it -> { }, expected);
        }
    }

    static void test(String name, String mode, String jenkinsfile, Consumer<Engine> prepare, String... expected) {
        String title = name + (mode.isEmpty() ? "" : " (" + mode + ")");
        List<String> log = List.of();
        try {
            Engine engine = new Engine(root, Arrays.asList(mode.split(" ")));
            log = engine.state.log;
            prepare.accept(engine);
            State state = engine.run(jenkinsfile);
            log = state.log;
            List<String> actual = new ArrayList<>();
            for (String line : state.sent) {
                Map<?, ?> record = (Map<?, ?>) new JsonSlurper().parseText(line);
                double waited = record.get("waited_seconds") == null ? 0 : ((Number) record.get("waited_seconds")).doubleValue();
                actual.add((record.get("stage") == null ? "deploy" : record.get("stage"))
                    + (record.get("run").toString().endsWith(" (2)") ? " (2) " : " ") + record.get("status")
                    + (waited == 0 ? "" : " waited " + waited));
            }
            state.log.stream().filter(it -> it.startsWith("ran")).forEach(actual::add);
            if (state.thrown != null) {
                actual.add("threw " + state.thrown);
            }
            if (!actual.equals(Arrays.asList(expected))) {
                throw new AssertionError("\n  expected: " + Arrays.asList(expected) + "\n  actual:   " + actual, state.thrown);
            }
            passed++;
            System.out.println("ok     " + title);
        } catch (Throwable e) {
            failed++;
            System.out.println("FAILED " + title + ": " + e);
            for (Throwable cause = e.getCause(); cause != null; cause = cause.getCause()) {
                System.out.println("  because of " + cause);
                Arrays.stream(cause.getStackTrace()).limit(8).forEach(it -> System.out.println("    at " + it));
            }
            log.stream().limit(12).forEach(it -> System.out.println("  log: " + it));
        }
    }

}
