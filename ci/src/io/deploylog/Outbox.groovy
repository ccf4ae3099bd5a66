package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/**
 * A queue of records as JSON lines, oldest first. A line leaves the queue when the service has stored or rejected it.
 * A line that is not sent at once is printed to the build log.
 */
class Outbox implements Serializable {

    private static final long serialVersionUID = 1L
    private static final int MAX_ATTEMPTS = 10
    private static final int MAX_BODY_LINES = 1000
    private static final int MAX_BODY_CHARACTERS = 1000000
    private static final String PAUSED = 'delivery is paused'

    final Object script
    final String id = UUID.randomUUID()
    final Transport transport
    final RetryBudget budget
    List<String> lines = []
    // The number of lines, counted from the front, that the log already contains.
    int printed = 0
    int bodyLines = MAX_BODY_LINES
    boolean sending = false
    // The nodes, or '' for none, of the open blocks that send the queue when they end.
    final List<String> open = []

    Outbox(Object script, String url, String credentialsId) {
        this.script = script
        this.transport = new Transport(script, url, credentialsId)
        this.budget = new RetryBudget(script)
    }

    /** Queues the lines and sends the queue, unless another branch is already sending it. */
    void send(List<String> more) {
        lines.addAll(more)
        deliver(false)
    }

    /** Queues and prints lines that the next delivery sends. */
    void hold(List<String> more) {
        Nodes.add(script.currentBuild.externalizableId, this)
        lines.addAll(more)
        printQueued('recorded, to be sent with the next record')
    }

    /** Sends the lines that wait. */
    void flush() {
        if (!lines.isEmpty()) {
            deliver(false)
        }
    }

    /** Begins a block that ends with `leave`, and then sends or holds its finish. Returns the argument for `leave`. */
    String enter() {
        String node = transport.node()
        open.add(node)
        return node
    }

    void leave(String node) {
        open.remove(node)
    }

    /** Whether a block is open that sends the queue later, with the same transport. */
    boolean mayHold() {
        return open.contains(transport.node()) || script.env.DEPLOYLOG_NODE == transport.node()
    }

    private void deliver(boolean last) {
        if (sending) {
            return
        }
        sending = true
        String reason = null
        try {
            reason = budget.timeoutSeconds(last) > 0 ? withToken(last) : PAUSED
        } catch (FlowInterruptedException e) {
            reason = 'interrupted'
            throw e
        } catch (Throwable e) {
            reason = e.toString()
        } finally {
            sending = false
            printQueued('queued (' + (reason ?: 'to be sent with the next record') + ')')
        }
    }

    /** Reads the token once for all attempts. Returns the reason for a failure, or null. */
    private String withToken(boolean last) {
        if (transport.credentialsId == null) {
            return attempts(last)
        }
        boolean entered = false
        String reason = null
        long startedAt = System.currentTimeMillis()
        try {
            script.steps.withCredentials([script.steps.string(credentialsId: transport.credentialsId, variable: 'DEPLOYLOG_TOKEN')]) {
                entered = true
                reason = attempts(last)
            }
        } catch (FlowInterruptedException e) {
            throw e
        } catch (Throwable e) {
            reason = entered ? reason ?: e.toString() :
                failed([reason: 'the credentials of DEPLOYLOG_CREDENTIALS_ID cannot be read: ' + e.message], startedAt)
        }
        return reason
    }

    private String attempts(boolean last) {
        String reason = null
        // Bounded, because other branches can add lines faster than this branch sends them.
        for (int i = 0; (last || i < MAX_ATTEMPTS) && reason == null && !lines.isEmpty(); i++) {
            int seconds = budget.timeoutSeconds(last)
            reason = seconds > 0 ? attempt(seconds) : PAUSED
        }
        return reason
    }

    /** Makes a last attempt, even during a pause. Prints lines that are left and archives them if a node is available. */
    void close(List<String> more) {
        try {
            lines.addAll(more)
            deliver(true)
        } finally {
            if (!lines.isEmpty()) {
                giveUp()
            }
        }
    }

    /** Returns null on progress, otherwise the reason for the failure. */
    private String attempt(int seconds) {
        int count = batchSize(lines, bodyLines)
        long startedAt = System.currentTimeMillis()
        Map response = transport.post(join(lines, count), seconds)
        if (transport.addressUnconfigured && budget.firstReport(RetryBudget.ADDRESS)) {
            echo('the controller sends records to an address that is set neither globally nor on the folder. The next release will refuse this: ' +
                'set DEPLOYLOG_URL or DEPLOYLOG_ALLOW_ANY_URL=true there')
        }
        Map result = Response.classify(response, count)
        switch (result.outcome) {
            case 'delivered':
                budget.responded(startedAt, RetryBudget.isSlow(response, startedAt))
                remove(count)
                return null
            case 'rejected':
                budget.responded(startedAt, true)
                dropRejected(result.rejected)
                return null
            case 'split':
                budget.responded(startedAt, true)
                bodyLines = count > 3 ? (int) (count / 4) : 1
                return null
            case 'no transport':
                return result.reason
            default:
                return failed(result, startedAt)
        }
    }

    private String failed(Map result, long startedAt) {
        int pause = budget.failed(startedAt)
        if (result.credentials && budget.firstReport(RetryBudget.CREDENTIALS)) {
            echo(result.reason + ': check that DEPLOYLOG_CREDENTIALS_ID (credentialsId:) names a secret text that contains only a valid token')
        }
        return result.reason + '; next attempt in ' + pause + ' s or at the end of the deploy'
    }

    private void remove(int count) {
        lines = lines.drop(count)
        printed = Math.max(0, printed - count)
    }

    private void dropRejected(Map rejected) {
        List<String> left = []
        List<String> messages = []
        int printedLeft = 0
        for (int i = 0; i < lines.size(); i++) {
            if (rejected.containsKey(i + 1)) {
                messages.add('rejected and dropped: ' + rejected[i + 1] + '\n' + lines[i])
            } else {
                left.add(lines[i])
                printedLeft += i < printed ? 1 : 0
            }
        }
        lines = left
        printed = printedLeft
        echo(messages.join('\ndeploylog: '))
    }

    private void printQueued(String what) {
        if (printed < lines.size()) {
            String queued = lines.drop(printed).join('\n')
            printed = lines.size()
            echo(what + ':\n' + queued)
        }
    }

    private void giveUp() {
        String text = join(lines, lines.size())
        String file = 'deploylog-undelivered-' + UUID.randomUUID() + '.ndjson'
        echo(lines.size() + ' records were not delivered. Save them to a file and send it; repeats are harmless: curl ' +
            "--header 'Content-Type: application/x-ndjson' --data-binary @" + file + ' ' + (transport.url ?: 'http://…/api/') + '\n' + text.trim())
        lines = []
        printed = 0
        if (!transport.hasNode()) {
            return
        }
        try {
            script.steps.writeFile(file: file, text: text, encoding: 'UTF-8')
            script.steps.archiveArtifacts(artifacts: file)
        } catch (FlowInterruptedException e) {
            throw e
        } catch (Throwable e) {
            echo('the undelivered records were not archived: ' + e)
        }
    }

    private void echo(String text) {
        script.steps.echo('deploylog: ' + text)
    }

    /** The number of lines that fit into one request body. */
    @NonCPS
    private static int batchSize(List<String> lines, int limit) {
        int count = 0
        int size = 0
        while (count < lines.size() && count < limit) {
            size += lines[count].length() + 1
            if (count > 0 && size > MAX_BODY_CHARACTERS) {
                break
            }
            count++
        }
        return count
    }

    @NonCPS
    private static String join(List<String> lines, int count) {
        return lines.take(count).join('\n') + '\n'
    }

}
