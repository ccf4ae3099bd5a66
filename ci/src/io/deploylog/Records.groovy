package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonOutput

import java.time.Instant

/** Records as the service reads them, one JSON object a line, each with a key that makes a repeat harmless. */
class Records {

    private static final List<String> STARTING = ['start', 'started', 'starting', 'begin', 'begun', 'running', 'inprogress',
                                                  'executing', 'deploying', 'rollingout']

    @NonCPS
    static List<String> lines(Map fields, String stage, List<String> words, List<Long> moments) {
        List<String> lines = []
        for (int i = 0; i < words.size(); i++) {
            lines.add(line(fields, stage, words[i], moments[i]))
        }
        return lines
    }

    /**
     * The record of one status word. Only its own moment is sent: with both times a finish would be complete in itself
     * and never close its start.
     */
    @NonCPS
    private static String line(Map fields, String stage, String status, long moment) {
        Map record = [:]
        for (String name in ['component', 'version', 'owner', 'environment', 'run', 'url', 'commit', 'committed_at', 'unplanned']) {
            if (fields[name] != null) {
                record[name] = fields[name]
            }
        }
        record.status = status
        String path = Limits.fit(stage, Limits.PATH)
        if (path != null) {
            record.stage = path
        }
        record[starts(status) ? 'started_at' : 'finished_at'] = time(moment)
        record.idempotency_key = UUID.randomUUID().toString()
        return JsonOutput.toJson(record)
    }

    /** A finish time beside a word that starts the clock is an error, so the service's starting words are known here. */
    @NonCPS
    private static boolean starts(String status) {
        return STARTING.contains(status.toLowerCase().replaceAll('[-_ ]', ''))
    }

    /** Not Date.format: it writes the digits and the calendar of the controller's language. */
    @NonCPS
    private static String time(long moment) {
        return Instant.parse('1970-01-01T00:00:00Z').plusMillis(moment).toString()
    }

}
