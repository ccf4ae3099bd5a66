import java.util.concurrent.TimeUnit
import java.util.concurrent.locks.Condition
import java.util.concurrent.locks.ReentrantLock

/**
 * Time as a fake build sees it, and which of its branches runs. As in Jenkins one branch runs at a time and others get
 * their turn at steps. Sleeping takes no time: when all branches sleep, the clock is put forward to the first to wake.
 */
class Clock {

    /** With real time, what a step really takes passes on this clock too. */
    final boolean real
    private final long base = (System.nanoTime() / 1000000 as long)
    private final long began
    /** How long some branch was outside, in real time. */
    long outsideMillis = 0
    private int absent = 0
    private long left
    private long ahead = 0
    private int awake = 0
    private long sequence = 0
    private final List<Map> sleepers = []
    private final ReentrantLock baton = new ReentrantLock(true)

    Clock(long began, boolean real) {
        this.began = began
        this.real = real
    }

    long now() {
        return began + ahead + (real ? (System.nanoTime() / 1000000 as long) - base : 0)
    }

    void start() {
        baton.lock()
        awake++
    }

    void stop() {
        awake--
        wakeNext()
        baton.unlock()
    }

    /** A step that works outside of the build, while other branches may run. */
    Object outside(Closure work) {
        if (absent++ == 0) {
            left = System.nanoTime()
        }
        baton.unlock()
        try {
            return work()
        } finally {
            baton.lock()
            if (--absent == 0) {
                outsideMillis += (System.nanoTime() - left).intdiv(1000000)
            }
        }
    }

    void sleep(long millis, Branch branch) {
        branch.throwPending()
        Map sleeper = [at: now() + millis, order: sequence++, condition: baton.newCondition(), branch: branch]
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

    /** Runs the action at its time, if the build sleeps till then. Returns what cancels it. */
    Map at(long moment, Closure action) {
        Map timer = [at: moment, order: sequence++, action: action]
        sleepers.add(timer)
        return timer
    }

    void cancel(Map timer) {
        sleepers.removeAll { it.is(timer) }
    }

    /** Throws into the sleeping step of each branch that is meant, and into the next step of those that are awake. */
    void interrupt(Collection<Branch> branches, Closure<Throwable> exception) {
        for (Branch branch in branches) {
            branch.pending = exception()
            Map sleeper = sleepers.find { it.branch?.is(branch) }
            if (sleeper) {
                wake(sleeper)
            }
        }
    }

    /** Runs the bodies side by side and returns when all have ended. */
    void together(List<Closure> bodies) {
        int left = bodies.size()
        Condition done = baton.newCondition()
        awake += left
        List<Thread> threads = bodies.collect { Closure body ->
            Thread thread = new Thread({
                baton.lock()
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
                    baton.unlock()
                }
            })
            thread.daemon = true
            thread.start()
            // In the order of the branches, on every run.
            while (!baton.hasQueuedThread(thread)) {
                Thread.yield()
            }
            return thread
        }
        awake--
        while (left > 0) {
            done.await()
        }
        threads*.join()
    }

    private void wakeNext() {
        while (awake == 0 && sleepers) {
            Map next = sleepers.min { a, b -> a.at <=> b.at ?: a.order <=> b.order }
            ahead += Math.max(0L, next.at - now())
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
