/** The state of one branch of a fake build: its environment, its enclosing scopes and a pending interruption. */
class Branch {

    private static final ThreadLocal<Branch> CURRENT = new ThreadLocal<Branch>()

    List<Map<String, String>> environment = []
    /** The enclosing timeout steps, outermost first. */
    List<Object> scopes = []
    Throwable pending

    static Branch current() {
        return CURRENT.get()
    }

    void enter() {
        CURRENT.set(this)
    }

    Branch child() {
        return new Branch(environment: new ArrayList(environment), scopes: new ArrayList(scopes))
    }

    Object with(Map<String, String> more, Closure body) {
        environment.add(more)
        try {
            return body()
        } finally {
            environment.remove(environment.size() - 1)
        }
    }

    String get(String name) {
        return environment.reverse().find { it.containsKey(name) }?.get(name)
    }

    void throwPending() {
        if (pending != null) {
            Throwable thrown = pending
            pending = null
            throw thrown
        }
    }

}
