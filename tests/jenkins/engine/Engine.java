import com.cloudbees.groovy.cps.Continuable;
import com.cloudbees.groovy.cps.Continuation;
import com.cloudbees.groovy.cps.CpsTransformer;
import com.cloudbees.groovy.cps.NonCPS;
import com.cloudbees.groovy.cps.ObjectInputStreamWithLoader;
import com.cloudbees.groovy.cps.Outcome;
import com.cloudbees.groovy.cps.SandboxCpsTransformer;
import com.cloudbees.groovy.cps.TransformerConfiguration;
import com.cloudbees.groovy.cps.impl.CpsCallableInvocation;
import com.cloudbees.groovy.cps.impl.FunctionCallEnv;
import com.cloudbees.groovy.cps.sandbox.DefaultInvoker;
import com.cloudbees.groovy.cps.sandbox.SandboxInvoker;
import groovy.lang.Closure;
import groovy.lang.GroovyClassLoader;
import groovy.lang.Script;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.ObjectOutputStream;
import java.lang.reflect.Constructor;
import java.util.ArrayList;
import java.util.List;
import org.codehaus.groovy.control.CompilerConfiguration;
import org.codehaus.groovy.control.customizers.ImportCustomizer;
import org.codehaus.groovy.runtime.GroovyCategorySupport;
import org.jenkinsci.plugins.scriptsecurity.sandbox.Whitelist;
import org.jenkinsci.plugins.scriptsecurity.sandbox.whitelists.ProxyWhitelist;
import org.jenkinsci.plugins.scriptsecurity.sandbox.whitelists.StaticWhitelist;
import org.kohsuke.groovy.sandbox.GroovyInterceptor;

/**
 * Runs a Jenkinsfile with the real CPS transformer and sandbox. The steps run on a virtual clock. With `restarts`, the
 * program is saved and replaced by its restored copy whenever all its threads wait for a step.
 */
final class Engine {

    private static final List<Class> CATEGORIES = new ArrayList<>(Continuable.categories);
    private static Engine current;

    static {
        CATEGORIES.add(SavedIterator.class);
    }

    final boolean httpRequest;
    State state = new State();
    private final File root;
    private final boolean trusted;
    private final boolean restarts;
    private final List<String> libraries;
    private final GroovyClassLoader library;
    private final GroovyClassLoader loader;
    private final GroovyInterceptor interceptor;
    final Steps steps = new Steps(this);
    private PipelineThread thread;

    /** The modes: sandbox (of the Jenkinsfile), untrusted (a library in the sandbox), restarts, every-stage, sh (no httpRequest). */
    Engine(File root, List<String> modes) throws Exception {
        this.root = root;
        trusted = !modes.contains("untrusted");
        restarts = modes.contains("restarts");
        httpRequest = !modes.contains("sh");
        libraries = modes.contains("every-stage") ? List.of("ci/every-stage/vars", "ci/vars") : List.of("ci/vars");
        boolean sandbox = modes.contains("sandbox") || !trusted;
        library = newLoader(Engine.class.getClassLoader(), !trusted);
        for (String path : libraries) {
            library.addURL(new File(root, path + "/").toURI().toURL());
        }
        library.addURL(new File(root, "ci/src/").toURI().toURL());
        loader = newLoader(library, sandbox);
        interceptor = sandbox ? newInterceptor() : null;
        state.now = System.currentTimeMillis();
        state.environment.put("DEPLOYLOG_URL", "http://deploylog.example");
    }

    static Engine current() {
        return current;
    }

    private static GroovyClassLoader newLoader(ClassLoader parent, boolean sandbox) {
        CpsTransformer transformer = sandbox ? new SandboxCpsTransformer() : new CpsTransformer();
        transformer.setConfiguration(new TransformerConfiguration());
        ImportCustomizer imports = new ImportCustomizer();
        imports.addStarImports(NonCPS.class.getPackage().getName());
        CompilerConfiguration configuration = new CompilerConfiguration();
        configuration.setSourceEncoding("UTF-8");
        configuration.setScriptBaseClass(PipelineBase.class.getName());
        configuration.addCompilationCustomizers(imports, transformer);
        return new GroovyClassLoader(parent, configuration);
    }

    private GroovyInterceptor newInterceptor() throws Exception {
        Whitelist lists = new ProxyWhitelist(StaticWhitelist.from(StaticWhitelist.class.getResource("generic-whitelist")),
            StaticWhitelist.from(StaticWhitelist.class.getResource("jenkins-whitelist")));
        Constructor<?> constructor = Class.forName("org.jenkinsci.plugins.scriptsecurity.sandbox.groovy.SandboxInterceptor")
            .getDeclaredConstructor(Whitelist.class);
        constructor.setAccessible(true);
        return (GroovyInterceptor) constructor.newInstance(new Rules(lists, library, loader));
    }

    /** Runs a Jenkinsfile to its end. */
    State run(String jenkinsfile) throws Exception {
        current = this;
        Script script = within(() -> (Script) loader.parseClass(jenkinsfile, "WorkflowScript.groovy").getConstructor().newInstance());
        state.threads.add(new PipelineThread(new Continuable(script, top()), null, null));
        while (!state.threads.isEmpty()) {
            PipelineThread ready = state.threads.stream().filter(it -> it.next != null).findFirst().orElse(null);
            if (ready == null) {
                if (restarts) {
                    restart();
                }
                steps.advance();
            } else {
                advance(ready);
            }
        }
        return state;
    }

    private void advance(PipelineThread ready) throws Exception {
        thread = ready;
        Outcome given = ready.next;
        ready.next = null;
        Outcome outcome = within(() -> {
            Outcome[] result = new Outcome[1];
            GroovyCategorySupport.use(CATEGORIES, new Closure<Object>(this) {
                @Override
                public Object call() {
                    result[0] = ready.program.run0(given);
                    return null;
                }
            });
            return result[0];
        });
        if (!ready.program.isResumable()) {
            state.threads.remove(ready);
            steps.ended(ready, outcome);
        } else if (outcome.isSuccess()) {
            ready.step = (Step) outcome.getNormal();
            steps.start(ready, ready.step);
        } else {
            throw new IllegalStateException("the program suspended with an error", outcome.getAbnormal());
        }
    }

    /** Starts a body of a step, as workflow-cps CpsBodyExecution.java does. Returns null if it has ended already. */
    PipelineThread launch(PipelineThread parent, Closure<?> body, String branch) throws Exception {
        try {
            body.call();
            throw new IllegalStateException("a body that is not transformed");
        } catch (CpsCallableInvocation e) {
            PipelineThread launched = new PipelineThread(new Continuable(e.invoke(top(), null, Continuation.HALT)), parent, branch);
            state.threads.add(launched);
            return launched;
        }
    }

    private FunctionCallEnv top() {
        FunctionCallEnv top = new FunctionCallEnv(null, Continuation.HALT, null, null);
        top.setInvoker(interceptor == null ? DefaultInvoker.INSTANCE : new SandboxInvoker());
        return top;
    }

    private <T> T within(java.util.concurrent.Callable<T> work) throws Exception {
        if (interceptor != null) {
            interceptor.register();
        }
        try {
            return work.call();
        } finally {
            if (interceptor != null) {
                interceptor.unregister();
            }
        }
    }

    private void restart() throws IOException, ClassNotFoundException {
        ByteArrayOutputStream saved = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(saved)) {
            out.writeObject(state);
        }
        state = (State) new ObjectInputStreamWithLoader(new ByteArrayInputStream(saved.toByteArray()), loader).readObject();
    }

    boolean isVariable(String name) {
        return name.equals("env") || name.equals("currentBuild") || file(name) != null || environment(name) != null;
    }

    private File file(String name) {
        return libraries.stream().map(it -> new File(root, it + "/" + name + ".groovy")).filter(File::exists).findFirst().orElse(null);
    }

    /** Returns a global variable. Each script has its own instance of a library's. Source: pipeline-groovy-lib UserDefinedGlobalVariable.java */
    Object variable(Script script, String name) {
        if (name.equals("env")) {
            return new EnvVariable();
        }
        if (name.equals("currentBuild")) {
            return new BuildVariable();
        }
        if (file(name) == null) {
            return null;
        }
        if (!script.getBinding().hasVariable(name)) {
            try {
                script.getBinding().setVariable(name, loader.loadClass(name).getConstructor().newInstance());
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e);
            }
        }
        return script.getBinding().getVariable(name);
    }

    String environment(String name) {
        boolean set = thread != null && thread.overlay.containsKey(name);
        return set ? thread.overlay.get(name) : state.environment.get(name);
    }

    List<PipelineThread> inside(PipelineThread outer) {
        List<PipelineThread> found = new ArrayList<>();
        for (PipelineThread it : state.threads) {
            for (PipelineThread up = it; up != null; up = up.parent) {
                if (up == outer) {
                    found.add(it);
                }
            }
        }
        return found;
    }

}
