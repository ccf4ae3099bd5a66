package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonOutput

import java.time.Instant

/** Builds records as JSON lines. Each has an idempotency key, so sending it again is harmless. */
class Records {

    private static final List<String> START_STATUSES = ['start', 'started', 'starting', 'begin', 'begun', 'running', 'inprogress',
                                                  'executing', 'deploying', 'rollingout']

    @NonCPS
    static List<String> lines(Map fields, String stage, List<String> statuses, List<Long> moments, BigDecimal waited) {
        List<String> lines = []
        for (int i = 0; i < statuses.size(); i++) {
            lines.add(line(fields, stage, statuses[i], moments[i], waited))
        }
        return lines
    }

    /**
     * Sends only one time: a finish with both times would be complete by itself, and the service would not pair it with
     * its start.
     */
    @NonCPS
    private static String line(Map fields, String stage, String status, long moment, BigDecimal waited) {
        Map record = [:]
        for (String name in ['component', 'version', 'owner', 'environment', 'run', 'url', 'commit', 'committed_at', 'unplanned']) {
            if (fields[name] != null) {
                record[name] = fields[name]
            }
        }
        record.status = status
        String path = Limits.normalize(stage, Limits.PATH)
        if (path != null) {
            record.stage = path
        }
        record[startsClock(status) ? 'started_at' : 'finished_at'] = time(moment)
        if (waited != null) {
            record.waited_seconds = waited
        }
        record.idempotency_key = UUID.randomUUID().toString()
        return JsonOutput.toJson(record)
    }

    /** Must match the service's list: it rejects `finished_at` in a record whose status startsClock the clock. */
    @NonCPS
    private static boolean startsClock(String status) {
        // Unlike toLowerCase, this does not depend on the locale: in Turkish, RUNNING has another i.
        return status.replaceAll('[-_ ]', '') ==~ '(?i)' + START_STATUSES.join('|')
    }

    /** Date.format would use the digits and calendar of the controller's locale. */
    @NonCPS
    private static String time(long moment) {
        return Instant.parse('1970-01-01T00:00:00Z').plusMillis(moment).toString()
    }

}
