package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonSlurper

/**
 * Classifies the response to a request. The outcome is one of
 * 'delivered': the service has stored every line;
 * 'rejected': the service stored nothing, because the lines in `rejected` (line number from 1 → reason) are invalid;
 * 'split': the body is too large, or the rejection names no line;
 * 'failed': the service is unavailable, or another program responded;
 * 'no transport': nothing was sent.
 */
class Response {

    static final int MAX_BYTES = 1048576

    private static final int MAX_REASON = 300

    @NonCPS
    static Map classify(Map response, int lines) {
        if (response.missing) {
            return [outcome: 'no transport', reason: response.missing]
        }
        if (response.error != null) {
            return [outcome: 'failed', reason: Limits.normalize(response.error, MAX_REASON), credentials: response.credentials]
        }
        Map content = json(response.text)
        switch (response.status) {
            case [200, 201]:
                boolean stored = content?.ids instanceof List && content.ids.size() == lines
                return stored ? [outcome: 'delivered'] :
                    [outcome: 'failed', reason: describe(response, null) + ', but the body is not a deploylog response']
            case [400, 422]:
                return rejection(response, content, lines)
            case 413:
                return [outcome: lines > 1 ? 'split' : 'failed', reason: describe(response, content)]
            case [401, 403]:
                // The token is valid for a part of the lines, or for none.
                Map<Integer, String> rejected = rejectedLines(content, lines)
                return rejected ? [outcome: 'rejected', rejected: rejected] :
                    [outcome: 'failed', reason: describe(response, content), credentials: true]
            default:
                return [outcome: 'failed', reason: describe(response, content)]
        }
    }

    @NonCPS
    private static Map rejection(Map response, Map content, int lines) {
        Map<Integer, String> rejected = rejectedLines(content, lines)
        if (rejected.isEmpty() && lines == 1) {
            rejected[1] = describe(response, content)
        }
        return rejected ? [outcome: 'rejected', rejected: rejected] : [outcome: 'split', reason: describe(response, content)]
    }

    @NonCPS
    private static Map<Integer, String> rejectedLines(Map content, int lines) {
        Map<Integer, String> rejected = [:]
        for (Object error in (content?.errors instanceof List ? content.errors : [])) {
            if (error instanceof Map && error.line instanceof Integer && error.line >= 1 && error.line <= lines) {
                String reason = Limits.normalize([error.field, error.reason].findAll { it }.join(': '), MAX_REASON)
                rejected[error.line] = [rejected[error.line], reason].findAll { it }.join('; ')
            }
        }
        return rejected
    }

    @NonCPS
    private static String describe(Map response, Map content) {
        String detail = content ? Limits.normalize(content.detail ?: content.title, MAX_REASON) : null
        return 'the service returned ' + response.status + (detail ? ' (' + detail + ')' : '')
    }

    /** Returns null unless the text is a JSON object: a wrong address can return anything. */
    @NonCPS
    private static Map json(Object given) {
        String text = given == null || given.toString().length() > MAX_BYTES ? '' : given.toString()
        try {
            Object content = new JsonSlurper().parseText(text)
            return content instanceof Map ? content : null
        } catch (Exception | StackOverflowError ignored) {
            return null
        }
    }

}
