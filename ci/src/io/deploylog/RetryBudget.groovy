package io.deploylog

import com.cloudbees.groovy.cps.NonCPS

/**
 * Limits how long a build waits for a failing service, and pauses delivery after a failure. The state is stored in the
 * build's environment, which all steps of all libraries share and which survives a restart of Jenkins. A method that
 * reads and writes it is @NonCPS: a CPS call can switch branches in between and lose an update.
 */
class RetryBudget implements Serializable {

    private static final long serialVersionUID = 1L
    static final long CREDENTIALS = 1
    static final long ADDRESS = 2

    private static final int ATTEMPT_SECONDS = 5
    private static final long BUDGET_MILLIS = 10000
    private static final long BUDGET_WITH_LAST_ATTEMPT_MILLIS = 15000
    // The last attempt of each further deploy gets a timeout of one second, until this total is reached.
    private static final long MAX_TOTAL_MILLIS = 16000
    private static final long SLOW_MILLIS = 1000
    private static final long FIRST_PAUSE_MILLIS = 30000
    private static final long LONGEST_PAUSE_MILLIS = 480000

    final Object script

    RetryBudget(Object script) {
        this.script = script
    }

    /** The timeout in seconds for an attempt now; 0 means that no attempt is allowed. */
    int timeoutSeconds(boolean last) {
        List<Long> state = read(script.env.DEPLOYLOG_WAITED)
        return allowance(state[0], state[2], last, System.currentTimeMillis())
    }

    /** Resets the pauses after a response; its duration counts against the budget if `counts` is set. */
    @NonCPS
    void responded(long startedAt, boolean counts) {
        long now = System.currentTimeMillis()
        List<Long> state = read(script.env.DEPLOYLOG_WAITED)
        if (counts) {
            write(totalWaited(state, startedAt, now), 0, 0, now, state[4])
        } else if (state[1] > 0) {
            write(state[0], 0, 0, state[3], state[4])
        }
    }

    @NonCPS
    static boolean isSlow(Map response, long startedAt) {
        return response.slow == null ? System.currentTimeMillis() - startedAt > SLOW_MILLIS : response.slow
    }

    /** Records a failed attempt. Returns the length of the pause in seconds. */
    @NonCPS
    int failed(long startedAt) {
        long now = System.currentTimeMillis()
        List<Long> state = read(script.env.DEPLOYLOG_WAITED)
        long pause = pauseAfter(state[1])
        write(totalWaited(state, startedAt, now), state[1] + 1, now + pause, now, state[4])
        return (int) (pause / 1000)
    }

    /** Returns true on the first call for this kind of problem in a build. */
    @NonCPS
    boolean firstReport(long kind) {
        List<Long> state = read(script.env.DEPLOYLOG_WAITED)
        write(state[0], state[1], state[2], state[3], state[4] | kind)
        return (state[4] & kind) == 0
    }

    @NonCPS
    private void write(long waited, long failures, long pausedUntil, long countedUntil, long reported) {
        script.env.DEPLOYLOG_WAITED = [waited, failures, pausedUntil, countedUntil, reported].join(' ')
    }

    /** Milliseconds waited, consecutive failures, end of the pause, end of the time counted, kinds of problems reported. */
    @NonCPS
    private static List<Long> read(Object stored) {
        String text = stored == null ? '' : stored.toString()
        return text ==~ '\\d+( \\d+){4}' ? text.tokenize(' ')*.toLong() : [0L, 0L, 0L, 0L, 0L]
    }

    /** Time during which several branches wait counts once. */
    @NonCPS
    private static long totalWaited(List<Long> state, long startedAt, long now) {
        return state[0] + Math.max(0L, now - Math.max(startedAt, state[3]))
    }

    @NonCPS
    private static long pauseAfter(long failures) {
        return Math.min(LONGEST_PAUSE_MILLIS, FIRST_PAUSE_MILLIS << Math.min(failures, 10L))
    }

    @NonCPS
    private static int allowance(long waited, long pausedUntil, boolean last, long now) {
        if (!last && (now < pausedUntil || waited >= BUDGET_MILLIS)) {
            return 0
        }
        long left = (last ? BUDGET_WITH_LAST_ATTEMPT_MILLIS : BUDGET_MILLIS) - waited
        if (left <= 0) {
            return waited < MAX_TOTAL_MILLIS ? 1 : 0
        }
        return (int) Math.min((long) ATTEMPT_SECONDS, (long) ((left + 999) / 1000))
    }

}
