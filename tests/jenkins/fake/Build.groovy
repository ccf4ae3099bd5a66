import java.util.concurrent.atomic.AtomicInteger

import jenkins.model.Jenkins
import org.codehaus.groovy.control.CompilerConfiguration
import org.jenkinsci.plugins.workflow.graph.FlowNode
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** One build of a fake Jenkins, which loads the library as Jenkins does. */
class Build {

    /** From best to worst. Source: jenkins Result.java */
    static final List<String> RESULTS = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED']

    private static final ThreadLocal<Build> CURRENT = new InheritableThreadLocal<Build>()
    // Starts at a number derived from the time, because a reused database contains earlier runs.
    private static final AtomicInteger NUMBERS = new AtomicInteger(new Date().time.intdiv(100) % 1000000000 as int)
    private static final Map<String, Class> VARIABLES = [:].asSynchronized()

    static File root
    static long epoch
    private static GroovyClassLoader loader

    /** The first available transport: httpRequest, curl, powershell or controller. */
    String transport = 'httpRequest'
    boolean everyStage = false
    boolean sandboxed = false
    boolean realTime = false
    /** Whether httpRequest throws for an unreachable host, as it does for every other I/O error, instead of returning 408. */
    boolean httpRequestThrows = false
    Map<String, String> secrets = [:]
    /** The delivery attempts, counted from 1, during which a user aborts the build. */
    Set<Integer> abortDuring = []
    List<Map> causes = [[_class: 'hudson.model.Cause$UserIdCause', userId: 'aoliveira', userName: 'Ana', shortDescription: 'Started by user Ana']]
    String rootUrl = 'https://jenkins.example/'
    String job

    final int number = NUMBERS.incrementAndGet()
    /** The variables that an administrator set globally, by default the whole environment, and on the folder. */
    Map<String, String> global
    Map<String, String> folder = [:]
    final Map<String, String> environment = [:].asSynchronized()
    final List<String> log = [].asSynchronized()
    final Map<String, String> archived = [:]
    /** Actions that a Jenkinsfile can call in a test, by name. */
    Map<String, Closure> hooks = [:]
    final List<Script> instances = []
    final Set<Branch> branches = [].toSet().asSynchronized()
    final Map<String, Integer> calls = [:]
    final Steps steps = new Steps(this)
    final Dsl dsl = new Dsl(this)
    final Env env = new Env(build: this)
    final CurrentBuild currentBuild = new CurrentBuild(build: this)
    String result
    Clock clock
    File workspace
    long tookMillis
    List<Throwable> unserialisable = []
    int rejections = 0

    static Build current() {
        return CURRENT.get()
    }

    /** Replaces the system clock with that of the build, and denies connections to untrusted libraries. */
    static void prepare() {
        System.metaClass.static.currentTimeMillis = { -> current() ? current().clock.now() : epoch }
        FlowNode.sandboxed = { current()?.sandboxed ?: false }
        // The library asks by this call whether it is trusted.
        System.metaClass.static.nanoTime = { ->
            if (current()?.sandboxed && caller().startsWith('io.deploylog.')) {
                current().rejections++
                throw new SecurityException('Scripts not permitted to use staticMethod java.lang.System nanoTime')
            }
            return System.getMethod('nanoTime').invoke(null)
        }
        URL.metaClass.openConnection = { ->
            if (current()?.sandboxed) {
                throw new SecurityException('Scripts not permitted to use method java.net.URL openConnection')
            }
            return URL.getMethod('openConnection').invoke(delegate)
        }
    }

    private static String caller() {
        return Thread.currentThread().stackTrace.find { it.fileName?.endsWith('.groovy') && it.fileName != 'Build.groovy' }?.className ?: ''
    }

    String getRun() {
        return (job ?: 'shop/deploy') + '#' + number
    }

    /** Runs a Jenkinsfile, or a closure that receives the script. Returns the exception thrown, or null. */
    Throwable run(Object jenkinsfile) {
        Throwable thrown = null
        Build outer = current()
        CURRENT.set(this)
        FlowInterruptedException.sandboxed = sandboxed
        clock = new Clock(epoch, realTime)
        workspace = File.createTempDir('workspace', '')
        long began = System.nanoTime()
        Jenkins.GLOBAL.set(global == null ? environment : global)
        clock.start()
        Branch branch = new Branch()
        branches.add(branch)
        branch.enter()
        try {
            if (jenkinsfile instanceof Closure) {
                jenkinsfile.call(classes.parseClass('this', 'WorkflowScript.groovy').newInstance())
            } else {
                classes.parseClass(jenkinsfile.toString(), 'WorkflowScript.groovy').newInstance().run()
            }
        } catch (Throwable e) {
            thrown = e
            log.add('threw ' + e + ' at ' + e.stackTrace.findAll { it.fileName?.endsWith('.groovy') }.take(8).join(', '))
        } finally {
            clock.stop()
            tookMillis = (System.nanoTime() - began) / 1000000
            workspace.deleteDir()
            CURRENT.set(outer)
        }
        return thrown
    }

    /**
     * Returns a variable of the library. Each script that refers to it has its own instance.
     * Source: pipeline-groovy-lib UserDefinedGlobalVariable.java
     */
    Object globalVariable(Script referencing, String name) {
        Class type = variable(name)
        if (type == null) {
            return null
        }
        if (!referencing.binding.hasVariable(name)) {
            Script instance = type.newInstance()
            instances.add(instance)
            referencing.binding.setVariable(name, instance)
        }
        return referencing.binding.getVariable(name)
    }

    private Class variable(String name) {
        String key = (everyStage ? 'every-stage/' : '') + name
        if (!VARIABLES.containsKey(key)) {
            File file = [everyStage ? "ci/every-stage/vars/${name}.groovy" : null, "ci/vars/${name}.groovy"].findAll()
                .collect { new File(root, it) }.find { it.exists() }
            VARIABLES[key] = file ? classes.parseClass(file) : null
        }
        return VARIABLES[key]
    }

    private static GroovyClassLoader newLoader() {
        GroovyClassLoader loader = new GroovyClassLoader(Build.classLoader, new CompilerConfiguration(scriptBaseClass: 'PipelineScript'))
        loader.addURL(new File(root, 'ci/src').toURI().toURL())
        return loader
    }

    GroovyClassLoader getClasses() {
        if (loader == null) {
            loader = newLoader()
        }
        return loader
    }

    // Source: jenkins Run.java, setResult
    void worsen(String to) {
        if (result == null || RESULTS.indexOf(to) > RESULTS.indexOf(result)) {
            result = to
        }
    }

    /** Acts as a user who aborts the build. Source: workflow-cps CpsFlowExecution.java, interrupt */
    void abort() {
        worsen('ABORTED')
        clock.interrupt(branches.toList(), new FlowInterruptedException(new Causes.UserInterruption()))
    }

    /** The branches that run inside a block. */
    List<Branch> branchesIn(Object scope) {
        return branches.findAll { branch -> branch.scopes.any { it.is(scope) } }.toList()
    }

    /** Acts as a restart of Jenkins. */
    void restart() {
        Serialization.restart(this)
    }

    String getText() {
        return log.join('\n')
    }

}
