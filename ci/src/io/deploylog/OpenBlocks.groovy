package io.deploylog

import com.cloudbees.groovy.cps.NonCPS

/**
 * The open deploys and first-level stages of the build, and what it has already reported once. The build's environment
 * holds them, because library variables do not share fields. It holds hashes, because every process of the build receives
 * it.
 */
class OpenBlocks implements Serializable {

    private static final long serialVersionUID = 1L

    final Object script

    OpenBlocks(Object script) {
        this.script = script
    }

    /** Returns the lowest number that no other open block of this name has. */
    @NonCPS
    int open(String name) {
        List<String> all = read()
        int number = 1
        while (all.contains(key(name, number))) {
            number++
        }
        write(all + [key(name, number)])
        return number
    }

    @NonCPS
    void close(String name, int number) {
        write(read() - [key(name, number)])
    }

    @NonCPS
    boolean contains(String name) {
        String prefix = key(name, 0)
        return read().any { it.startsWith(prefix.substring(0, prefix.length() - 1)) }
    }

    @NonCPS
    private List<String> read() {
        return (script.env.DEPLOYLOG_OPEN ?: '').toString().tokenize(' ')
    }

    @NonCPS
    private void write(List<String> all) {
        try {
            script.env.DEPLOYLOG_OPEN = all.join(' ')
        } catch (Exception ignored) {
            // Jenkins could not save the build. Then paths can be incomplete.
        }
    }

    @NonCPS
    private static String key(String name, int number) {
        return Integer.toString(name.hashCode() & 0x7fffffff, 36) + ':' + number
    }

}
