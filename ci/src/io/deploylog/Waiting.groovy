package io.deploylog

import com.cloudbees.groovy.cps.NonCPS

/**
 * Measures how long the build waits in the steps node, lock and input. A thread is the build or one of its parallel
 * branches. A thread with branches waits while all of its branches wait, so nested waiting counts once and parallel
 * waiting is not added up. The state is stored in the build's environment, which all steps of all libraries share and
 * which survives a restart of Jenkins. As in RetryBudget, a method that reads and writes it is @NonCPS.
 */
class Waiting implements Serializable {

    private static final long serialVersionUID = 1L
    /** The next thread's ID and whether the every-stage library is in use; then the values of each thread. */
    private static final String FORMAT = '\\d+,[01](;-?\\d+(,-?\\d+){4})+'
    private static final List<String> VALUES = ['id', 'parent', 'total', 'waits', 'since']
    private static final long MAX_MILLIS = 31536000000

    final Object script
    final boolean everyStage

    Waiting(Object script, boolean everyStage = false) {
        this.script = script
        this.everyStage = everyStage
    }

    /** Calls node, with `nodes`, or lock. The thread waits until the body begins, or until the step ends without it. */
    Object block(String step, Given given, Nodes nodes = null) {
        if (!(given.shape in ['b', 'mb', 'nb', '?b'])) {
            return given.pass(script.steps, step)
        }
        boolean waiting = true
        long thread = begin()
        Closure body = {
            waiting = false
            end(thread)
            nodes == null ? given.body.call() : nodes.run(given.body)
        }
        try {
            return given.all.size() == 1 ? script.steps."${step}"(body) : script.steps."${step}"(given.all[0], body)
        } finally {
            if (waiting) {
                end(thread)
            }
        }
    }

    /** Calls input. The thread waits until it ends. */
    Object whole(String step, Given given) {
        long thread = begin()
        try {
            return given.pass(script.steps, step)
        } finally {
            end(thread)
        }
    }

    /** Notes that the every-stage library observes the whole build. */
    @NonCPS
    void observe() {
        Map state = read()
        if (state.everyStage == 0) {
            write(state, null)
        }
    }

    /** Whether the steps inside a block that begins here are observed. */
    @NonCPS
    boolean observed() {
        return script.env.DEPLOYLOG_DEPLOY != null || read().everyStage == 1
    }

    /** The milliseconds that the current thread has waited. A block waits for the difference between its end and its start. */
    @NonCPS
    long total() {
        Map state = read()
        Map thread = current(state.threads)
        return thread.total + (thread.since > 0 ? System.currentTimeMillis() - thread.since : 0)
    }

    /** Returns the current thread, for `end`. */
    @NonCPS
    long begin() {
        Map state = read()
        Map thread = current(state.threads)
        thread.waits++
        write(state, thread)
        return thread.id
    }

    @NonCPS
    void end(long id) {
        Map state = read()
        Map thread = find(state.threads, id)
        if (thread != null) {
            thread.waits = Math.max(0L, thread.waits - 1)
            write(state, thread)
        }
    }

    /** Opens a branch of the current thread. Its body must run with the variable DEPLOYLOG_THREAD set to the result. */
    @NonCPS
    long fork() {
        Map state = read()
        Map outer = current(state.threads)
        Map thread = [id: state.next, parent: outer.id, total: 0L, waits: 0L, since: 0L]
        state.next++
        state.threads.add(thread)
        write(state, thread)
        return thread.id
    }

    @NonCPS
    void join(long id) {
        Map state = read()
        Map thread = find(state.threads, id)
        if (thread != null) {
            state.threads.remove(thread)
            write(state, find(state.threads, thread.parent))
        }
    }

    /** A value for the field `waited_seconds`. */
    @NonCPS
    static BigDecimal seconds(long millis) {
        return Math.max(0L, Math.min(millis, MAX_MILLIS)) / 1000
    }

    @NonCPS
    private Map current(List<Map> threads) {
        String id = script.env.DEPLOYLOG_THREAD ?: '0'
        return find(threads, id.isLong() ? id.toLong() : 0) ?: find(threads, 0)
    }

    @NonCPS
    private static Map find(List<Map> threads, long id) {
        return threads.find { it.id == id }
    }

    @NonCPS
    private Map read() {
        String stored = String.valueOf(script.env.DEPLOYLOG_WAITS)
        List<List<Long>> numbers = (stored ==~ FORMAT ? stored : '1,0;0,-1,0,0,0').tokenize(';').collect { it.tokenize(',')*.toLong() }
        List<Map> threads = numbers.drop(1).collect { values -> (0..4).collectEntries { [VALUES[it], values[it]] } }
        return [next: numbers[0][0], everyStage: numbers[0][1], threads: threads]
    }

    /** Starts or stops the waiting of a changed thread and of those that contain it, and stores the state. */
    @NonCPS
    private void write(Map state, Map changed) {
        long now = System.currentTimeMillis()
        Map thread = changed
        while (thread != null) {
            long id = thread.id
            List<Map> branches = state.threads.findAll { it.parent == id }
            boolean waits = branches ? branches.every { it.since > 0 } : thread.waits > 0
            if (waits && thread.since == 0) {
                thread.since = now
            } else if (!waits && thread.since > 0) {
                thread.total += now - thread.since
                thread.since = 0L
            }
            thread = find(state.threads, thread.parent)
        }
        List<String> parts = [[state.next, everyStage ? 1 : state.everyStage].join(',')]
        for (Map it in state.threads) {
            parts.add(VALUES.collect { name -> it[name] }.join(','))
        }
        try {
            script.env.DEPLOYLOG_WAITS = parts.join(';')
        } catch (Exception ignored) {
            // Jenkins could not save the build. Then this wait is not measured.
        }
    }

}
