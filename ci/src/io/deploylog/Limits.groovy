package io.deploylog

import com.cloudbees.groovy.cps.NonCPS

/** The service's limits for record fields. */
class Limits {

    static final int NAME = 200
    static final int PATH = 1000
    static final int URL = 2000
    static final int COMMIT = 64

    // The service rejects control characters, and JSON with half a surrogate pair.
    private static final String REJECTED = '[\\p{Cc}\\p{Cs}]'
    // For the service, a text of only white space and invisible characters is missing.
    private static final String INVISIBLE = '[\\s\\p{Z}\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f' +
        '\\u202a-\\u202e\\u2060-\\u206f\\u2800\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb' +
        '\\x{1bca0}-\\x{1bca3}\\x{1d173}-\\x{1d17a}\\x{e0000}-\\x{e0fff}]'

    /**
     * Replaces characters that the service rejects with spaces, and truncates the value to the limit. A truncated value
     * ends in a hash of the full value, which keeps it distinct. Returns null for a value without a visible character.
     */
    @NonCPS
    static String normalize(Object value, int limit) {
        String text = value == null ? '' : value.toString().replaceAll(REJECTED, ' ')
        if (text.replaceAll(INVISIBLE, '').isEmpty()) {
            return null
        }
        if (text.length() <= limit) {
            return text
        }
        String hash = '~' + Integer.toString(text.hashCode() & 0x7fffffff, 16)
        // Do not end in half a surrogate pair.
        return text.substring(0, limit - hash.length()).replaceAll('[\\ud800-\\udbff]$', '') + hash
    }

}
