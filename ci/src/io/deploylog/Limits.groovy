package io.deploylog

import com.cloudbees.groovy.cps.NonCPS

/** The service's length limits for record fields. */
class Limits {

    static final int NAME = 200
    static final int PATH = 1000
    static final int URL = 2000
    static final int COMMIT = 64

    /**
     * Replaces control characters with spaces and truncates the value to the limit. A truncated value ends in a hash of
     * the full value, which keeps it distinct. Returns null for a blank value.
     */
    @NonCPS
    static String normalize(Object value, int limit) {
        String text = value == null ? '' : value.toString().replaceAll('\\p{Cntrl}', ' ')
        if (text.trim().isEmpty()) {
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
