package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonSlurper

/**
 * What an answer means for the lines that were sent. The outcome is one of
 * 'delivered': all of them are stored;
 * 'refused': those in `refused` (number from 1 → the service's reason) are not and never will be, so none is stored yet;
 * 'divide': too much at once, or a refusal that does not say which line;
 * 'failed': the service is not able, or is not the service;
 * 'no transport': nothing was sent.
 */
class Answer {

    private static final int REASON = 300

    @NonCPS
    static Map judge(Map answer, int lines) {
        if (answer.missing) {
            return [outcome: 'no transport', reason: answer.missing]
        }
        if (answer.error != null) {
            return [outcome: 'failed', reason: Limits.fit(answer.error, REASON)]
        }
        Map content = json(answer.text)
        switch (answer.status) {
            case [200, 201]:
                boolean stored = content?.ids instanceof List && content.ids.size() == lines
                return stored ? [outcome: 'delivered'] :
                    [outcome: 'failed', reason: said(answer, null) + ', but not as deploylog does']
            case [400, 422]:
                return refusal(answer, content, lines)
            case 413:
                return [outcome: lines > 1 ? 'divide' : 'failed', reason: said(answer, content)]
            case [401, 403]:
                return [outcome: 'failed', reason: said(answer, content), credentials: true]
            default:
                return [outcome: 'failed', reason: said(answer, content)]
        }
    }

    @NonCPS
    private static Map refusal(Map answer, Map content, int lines) {
        Map<Integer, String> refused = [:]
        for (Object error in (content?.errors instanceof List ? content.errors : [])) {
            if (error instanceof Map && error.line instanceof Integer && error.line >= 1 && error.line <= lines) {
                String reason = Limits.fit([error.field, error.reason].findAll { it }.join(': '), REASON)
                refused[error.line] = [refused[error.line], reason].findAll { it }.join('; ')
            }
        }
        if (refused.isEmpty() && lines == 1) {
            refused[1] = said(answer, content)
        }
        return refused ? [outcome: 'refused', refused: refused] : [outcome: 'divide', reason: said(answer, content)]
    }

    @NonCPS
    private static String said(Map answer, Map content) {
        String detail = content ? Limits.fit(content.detail ?: content.title, REASON) : null
        return 'the service answered ' + answer.status + (detail ? ' (' + detail + ')' : '')
    }

    /** Anything may come back from a wrong address, so whatever does not read as an object is none. */
    @NonCPS
    private static Map json(Object text) {
        try {
            Object content = new JsonSlurper().parseText(text.toString())
            return content instanceof Map ? content : null
        } catch (Exception | StackOverflowError ignored) {
            return null
        }
    }

}
