package io.deploylog

import com.cloudbees.groovy.cps.NonCPS

/** The service's limits on what a record may hold, and how a value is brought below them. */
class Limits {

    static final int NAME = 200
    static final int PATH = 1000
    static final int LINK = 2000
    static final int COMMIT = 64

    /** A value without control characters, cut to the limit; what was cut ends in a hash of the whole, so that it stays apart. */
    @NonCPS
    static String fit(Object value, int limit) {
        String text = value == null ? '' : value.toString().replaceAll('\\p{Cntrl}', ' ')
        if (text.trim().isEmpty()) {
            return null
        }
        if (text.length() <= limit) {
            return text
        }
        String hash = '~' + Integer.toString(text.hashCode() & 0x7fffffff, 16)
        // Half a surrogate pair would be no text.
        return text.substring(0, limit - hash.length()).replaceAll('[\\ud800-\\udbff]$', '') + hash
    }

}
