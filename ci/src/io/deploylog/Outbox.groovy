package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/**
 * Lines on their way to the service, oldest first. A line leaves when the service has stored or refused it; until
 * then it is kept, sent ahead of what comes later, and stands in the log.
 */
class Outbox implements Serializable {

    private static final long serialVersionUID = 1L
    private static final int ATTEMPTS = 10
    private static final int BODY_LINES = 1000
    private static final int BODY_CHARACTERS = 1000000

    final Object script
    final Transport transport
    final Patience patience
    List<String> lines = []
    // So many of them, from the front, stand in the log.
    int printed = 0
    int bodyLines = BODY_LINES
    boolean sending = false

    Outbox(Object script, String url, String credentialsId) {
        this.script = script
        this.transport = new Transport(script, url, credentialsId)
        this.patience = new Patience(script)
    }

    /** The branch that is sending already takes along what other branches add, so none of them waits for another. */
    void send(List<String> more) {
        lines.addAll(more)
        deliver(false)
    }

    private void deliver(boolean last) {
        if (sending) {
            return
        }
        sending = true
        String reason = null
        try {
            // Other branches may add faster than this one sends; its own body must not wait for all of theirs.
            for (int i = 0; (last || i < ATTEMPTS) && reason == null && !lines.isEmpty(); i++) {
                int seconds = patience.seconds(last)
                reason = seconds > 0 ? attempt(seconds) : 'the service is left alone for a while'
            }
        } catch (FlowInterruptedException e) {
            reason = 'interrupted'
            throw e
        } catch (Throwable e) {
            reason = e.toString()
        } finally {
            sending = false
            printKept(reason ?: 'goes out with the next record')
        }
    }

    /** Tries once more, even in a pause; what then is left goes to the log and, with a node at hand, to the archive. */
    void close(List<String> more) {
        try {
            lines.addAll(more)
            deliver(true)
        } finally {
            if (!lines.isEmpty()) {
                leave()
            }
        }
    }

    /** Returns null when it got on, else why not. */
    private String attempt(int seconds) {
        int count = fitting(lines, bodyLines)
        long began = System.currentTimeMillis()
        Map answer = transport.post(joined(lines, count), seconds)
        Map verdict = Answer.judge(answer, count)
        switch (verdict.outcome) {
            case 'delivered':
                patience.answered(began, Patience.slow(answer, began))
                remove(count)
                return null
            case 'refused':
                patience.answered(began, true)
                refuse(verdict.refused)
                return null
            case 'divide':
                patience.answered(began, true)
                bodyLines = count > 3 ? (int) (count / 4) : 1
                return null
            case 'no transport':
                return verdict.reason
            default:
                int pause = patience.failed(began)
                if (verdict.credentials && patience.tellsOfCredentials()) {
                    say(verdict.reason + ': see to DEPLOYLOG_CREDENTIALS_ID (credentialsId:), a secret text with a valid token')
                }
                return verdict.reason + '; next try in ' + pause + ' s or at the end of the deploy'
        }
    }

    private void remove(int count) {
        lines = lines.drop(count)
        printed = Math.max(0, printed - count)
    }

    private void refuse(Map refused) {
        List<String> left = []
        List<String> complaints = []
        int printedLeft = 0
        for (int i = 0; i < lines.size(); i++) {
            if (refused.containsKey(i + 1)) {
                complaints.add('refused and left out: ' + refused[i + 1] + '\n' + lines[i])
            } else {
                left.add(lines[i])
                printedLeft += i < printed ? 1 : 0
            }
        }
        lines = left
        printed = printedLeft
        say(complaints.join('\ndeploylog: '))
    }

    private void printKept(String reason) {
        if (printed < lines.size()) {
            String kept = lines.drop(printed).join('\n')
            printed = lines.size()
            say('kept (' + reason + '):\n' + kept)
        }
    }

    private void leave() {
        String text = joined(lines, lines.size())
        String file = 'deploylog-undelivered-' + UUID.randomUUID() + '.ndjson'
        say(lines.size() + ' records were not delivered. Put them in a file and send it, as often as it takes: curl ' +
            "--header 'Content-Type: application/x-ndjson' --data-binary @" + file + ' ' + transport.url + '\n' + text.trim())
        lines = []
        printed = 0
        if (!transport.atNode()) {
            return
        }
        try {
            script.steps.writeFile(file: file, text: text, encoding: 'UTF-8')
            script.steps.archiveArtifacts(artifacts: file)
        } catch (FlowInterruptedException e) {
            throw e
        } catch (Throwable e) {
            say('not archived: ' + e)
        }
    }

    private void say(String text) {
        script.steps.echo('deploylog: ' + text)
    }

    /** How many lines make a body below the service's limits. */
    @NonCPS
    private static int fitting(List<String> lines, int most) {
        int count = 0
        int size = 0
        while (count < lines.size() && count < most) {
            size += lines[count].length() + 1
            if (count > 0 && size > BODY_CHARACTERS) {
                break
            }
            count++
        }
        return count
    }

    @NonCPS
    private static String joined(List<String> lines, int count) {
        return lines.take(count).join('\n') + '\n'
    }

}
