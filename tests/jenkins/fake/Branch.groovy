import org.jenkinsci.plugins.workflow.graph.BlockEndNode
import org.jenkinsci.plugins.workflow.graph.BlockStartNode
import org.jenkinsci.plugins.workflow.graph.FlowNode

/** The state of one branch of a fake build: its environment, its enclosing scopes and a pending interruption. */
class Branch {

    private static final ThreadLocal<Branch> CURRENT = new ThreadLocal<Branch>()

    List<Map<String, String>> environment = []
    /** The enclosing blocks whose branches can be interrupted together, outermost first. */
    List<Object> scopes = []
    Throwable pending
    /** The newest node of the flow graph, and the open blocks, outermost first. */
    FlowNode head = new FlowNode('Start of Pipeline', [], [])
    List<BlockStartNode> blocks = []
    /** Whether this branch waits for its own parallel branches, which are interrupted in its place. */
    boolean joining = false

    static Branch current() {
        return CURRENT.get()
    }

    void enter() {
        CURRENT.set(this)
    }

    Branch child(Object scope) {
        return new Branch(environment: new ArrayList(environment), scopes: scopes + [scope], head: head, blocks: new ArrayList(blocks))
    }

    Object with(Map<String, String> more, Closure body) {
        environment.add(more)
        try {
            return body()
        } finally {
            environment.remove(environment.size() - 1)
        }
    }

    void atom(String function) {
        head = new FlowNode(function, [head], new ArrayList(blocks))
    }

    BlockStartNode open(String function, Map arguments, String label) {
        BlockStartNode start = new BlockStartNode(function, [head], new ArrayList(blocks), arguments, label)
        head = start
        blocks.add(start)
        return start
    }

    void close(BlockStartNode start, Throwable failure, List<FlowNode> heads) {
        blocks.remove(blocks.size() - 1)
        head = new BlockEndNode(start, heads ?: [head], failure)
    }

    boolean has(String name) {
        return environment.any { it.containsKey(name) }
    }

    /** A variable set to an empty value is absent. Source: jenkins EnvVars.java, override */
    String get(String name) {
        return environment.reverse().find { it.containsKey(name) }?.get(name) ?: null
    }

    void throwPending() {
        if (pending != null) {
            Throwable thrown = pending
            pending = null
            throw thrown
        }
    }

}
