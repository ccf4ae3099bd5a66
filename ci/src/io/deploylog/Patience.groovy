package io.deploylog

import com.cloudbees.groovy.cps.NonCPS

/**
 * How long a build has waited for a failing service, and until when it leaves the service alone. Kept in the build's
 * environment, which all steps of all libraries share and which survives a restart of Jenkins. What reads and writes is
 * not CPS: there every call may let another branch go on in between, and lose its update.
 */
class Patience implements Serializable {

    private static final long serialVersionUID = 1L
    private static final int ATTEMPT_SECONDS = 5
    private static final long WAIT_MILLIS = 10000
    private static final long WAIT_AND_LAST_MILLIS = 15000
    // Another deploy of the same build may still try for a second, up to here.
    private static final long WAIT_NO_MORE_MILLIS = 16000
    private static final long SLOW_MILLIS = 1000
    private static final long FIRST_PAUSE_MILLIS = 30000
    private static final long LONGEST_PAUSE_MILLIS = 480000

    final Object script

    Patience(Object script) {
        this.script = script
    }

    /** The seconds that an attempt may take now; 0: none is to be made. */
    int seconds(boolean last) {
        List<Long> kept = read(script.env.DEPLOYLOG_WAITED)
        return allowance(kept[0], kept[2], last, System.currentTimeMillis())
    }

    /** An answer ends the pauses; the time it took counts if it was slow, or of no use. */
    @NonCPS
    void answered(long began, boolean counts) {
        long now = System.currentTimeMillis()
        List<Long> kept = read(script.env.DEPLOYLOG_WAITED)
        if (counts) {
            write(waited(kept, began, now), 0, 0, now, kept[4])
        } else if (kept[1] > 0) {
            write(kept[0], 0, 0, kept[3], kept[4])
        }
    }

    @NonCPS
    static boolean slow(Map answer, long began) {
        return answer.slow == null ? System.currentTimeMillis() - began > SLOW_MILLIS : answer.slow
    }

    /** Returns the pause's length in seconds. */
    @NonCPS
    int failed(long began) {
        long now = System.currentTimeMillis()
        List<Long> kept = read(script.env.DEPLOYLOG_WAITED)
        long pause = pauseAfter(kept[1])
        write(waited(kept, began, now), kept[1] + 1, now + pause, now, kept[4])
        return (int) (pause / 1000)
    }

    /** True the first time in a build. */
    @NonCPS
    boolean tellsOfCredentials() {
        List<Long> kept = read(script.env.DEPLOYLOG_WAITED)
        write(kept[0], kept[1], kept[2], kept[3], 1)
        return kept[4] == 0
    }

    @NonCPS
    private void write(long waited, long failures, long until, long counted, long told) {
        script.env.DEPLOYLOG_WAITED = [waited, failures, until, counted, told].join(' ')
    }

    /** Waited, failures in a row, pause until, counted until, told of credentials. */
    @NonCPS
    private static List<Long> read(Object kept) {
        String text = kept == null ? '' : kept.toString()
        return text ==~ '\\d+( \\d+){4}' ? text.tokenize(' ')*.toLong() : [0L, 0L, 0L, 0L, 0L]
    }

    /** Branches that wait at the same time wait once. */
    @NonCPS
    private static long waited(List<Long> kept, long began, long now) {
        return kept[0] + Math.max(0L, now - Math.max(began, kept[3]))
    }

    @NonCPS
    private static long pauseAfter(long failures) {
        return Math.min(LONGEST_PAUSE_MILLIS, FIRST_PAUSE_MILLIS << Math.min(failures, 10L))
    }

    @NonCPS
    private static int allowance(long waited, long until, boolean last, long now) {
        if (!last && (now < until || waited >= WAIT_MILLIS)) {
            return 0
        }
        long left = (last ? WAIT_AND_LAST_MILLIS : WAIT_MILLIS) - waited
        if (left <= 0) {
            return waited < WAIT_NO_MORE_MILLIS ? 1 : 0
        }
        return (int) Math.min((long) ATTEMPT_SECONDS, (long) ((left + 999) / 1000))
    }

}
