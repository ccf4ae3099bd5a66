import java.util.concurrent.ExecutionException
import java.util.concurrent.FutureTask
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException
import java.util.concurrent.locks.Condition
import java.util.concurrent.locks.ReentrantLock

/**
 * The clock and scheduler of a fake build. As in Jenkins, one branch runs at a time, and branches switch at steps.
 * Sleeping takes no real time: when all branches sleep, the clock advances to the next wake-up time.
 */
class Clock {

    /** Whether the real duration of steps also advances this clock. */
    final boolean real
    private final long base = (System.nanoTime() / 1000000 as long)
    private final long began
    /** The real time during which at least one branch was blocked in I/O. */
    long blockedMillis = 0
    private int blocked = 0
    private long blockedSince
    private long advanced = 0
    private int awake = 0
    private long sequence = 0
    private final List<Map> sleepers = []
    private final ReentrantLock lock = new ReentrantLock(true)

    Clock(long began, boolean real) {
        this.began = began
        this.real = real
    }

    long now() {
        return began + advanced + (real ? (System.nanoTime() / 1000000 as long) - base : 0)
    }

    void start() {
        lock.lock()
        awake++
    }

    void stop() {
        awake--
        wakeNext()
        lock.unlock()
    }

    /** Runs blocking I/O while other branches can run. */
    Object blocking(Closure work) {
        if (blocked++ == 0) {
            blockedSince = System.nanoTime()
        }
        lock.unlock()
        try {
            return work()
        } finally {
            lock.lock()
            if (--blocked == 0) {
                blockedMillis += (System.nanoTime() - blockedSince).intdiv(1000000)
            }
        }
    }

    /**
     * Runs blocking I/O that an interruption of the branch ends. In real time, timers run meanwhile.
     * Source: workflow-step-api SynchronousNonBlockingStepExecution.java, stop
     */
    Object interruptible(Branch branch, Closure work) {
        return blocking {
            FutureTask<Object> task = new FutureTask<Object>(work)
            Thread.startDaemon { task.run() }
            try {
                while (!ended(task)) {
                    runTimers(branch)
                }
                return task.get()
            } catch (ExecutionException e) {
                throw e.cause
            } finally {
                task.cancel(true)
            }
        }
    }

    private static boolean ended(FutureTask<Object> task) {
        try {
            task.get(20, TimeUnit.MILLISECONDS)
            return true
        } catch (TimeoutException ignored) {
            return false
        }
    }

    private void runTimers(Branch branch) {
        lock.lock()
        try {
            List<Map> due = real ? sleepers.findAll { it.action && it.at <= now() } : []
            due.each { timer ->
                cancel(timer)
                timer.action.call()
            }
            branch.throwPending()
        } finally {
            lock.unlock()
        }
    }

    void sleep(long millis, Branch branch) {
        branch.throwPending()
        Map sleeper = [at: now() + millis, order: sequence++, condition: lock.newCondition(), branch: branch]
        sleepers.add(sleeper)
        awake--
        wakeNext()
        while (!sleeper.woken) {
            if (real && sleeper.at <= now()) {
                wake(sleeper)
            } else if (real) {
                (sleeper.condition as Condition).await(sleeper.at - now(), TimeUnit.MILLISECONDS)
            } else {
                (sleeper.condition as Condition).await()
            }
        }
        branch.throwPending()
    }

    /** Schedules an action, which runs if the build sleeps until its time. Returns a timer for `cancel`. */
    Map at(long moment, Closure action) {
        Map timer = [at: moment, order: sequence++, action: action]
        sleepers.add(timer)
        return timer
    }

    void cancel(Map timer) {
        sleepers.removeAll { it.is(timer) }
    }

    /**
     * Throws into the sleeping step of each given branch, or into the next step of a branch that is awake: the same
     * exception into all. Sources: workflow-cps CpsFlowExecution.java (interrupt), CpsBodyExecution.java (cancel)
     */
    void interrupt(Collection<Branch> branches, Throwable exception) {
        for (Branch branch in branches.findAll { !it.joining }) {
            branch.pending = exception
            Map sleeper = sleepers.find { it.branch?.is(branch) }
            if (sleeper) {
                wake(sleeper)
            }
        }
    }

    /** Runs the bodies in parallel and returns when all have ended. */
    void runParallel(List<Closure> bodies) {
        int left = bodies.size()
        Condition done = lock.newCondition()
        awake += left
        List<Thread> threads = bodies.collect { Closure body ->
            Thread thread = new Thread({
                lock.lock()
                try {
                    body()
                } finally {
                    left--
                    awake--
                    if (left == 0) {
                        awake++
                        done.signal()
                    } else {
                        wakeNext()
                    }
                    lock.unlock()
                }
            })
            thread.daemon = true
            thread.start()
            // Queues the branches in the same order in every run.
            while (!lock.hasQueuedThread(thread)) {
                Thread.yield()
            }
            return thread
        }
        awake--
        Branch.current().joining = true
        while (left > 0) {
            done.await()
        }
        Branch.current().joining = false
        threads*.join()
    }

    private void wakeNext() {
        while (awake == 0 && sleepers) {
            Map next = sleepers.min { a, b -> a.at <=> b.at ?: a.order <=> b.order }
            advanced += Math.max(0L, next.at - now())
            if (next.action) {
                cancel(next)
                next.action.call()
            } else {
                wake(next)
            }
        }
    }

    private void wake(Map sleeper) {
        sleepers.removeAll { it.is(sleeper) }
        sleeper.woken = true
        awake++
        (sleeper.condition as Condition).signal()
    }

}
