import groovy.json.JsonOutput
import groovy.json.JsonSlurper

/** Runs the real service in a separate process. */
class Service {

    private final String program
    /** Variables added to the environment of this process. */
    private final Map<String, String> environment
    private Process process
    private int port = 0

    Service(String program, Map<String, String> environment = [:]) {
        this.program = program
        this.environment = environment
    }

    String getUrl() {
        return 'http://127.0.0.1:' + port
    }

    /** Starts the service and waits until it is ready. A restart uses the same port. */
    void start() {
        process = launch('--listen', '127.0.0.1:' + port)
        BufferedReader out = process.inputStream.newReader()
        String line = out.readLine()
        while (line != null && !line.startsWith('ready on ')) {
            line = out.readLine()
        }
        if (line == null) {
            throw new IllegalStateException('the service did not start: exit code ' + process.waitFor())
        }
        port = line.substring(line.lastIndexOf(':') + 1).toInteger()
        Thread.startDaemon { out.eachLine { } }
    }

    /** Creates a token, before the service starts or while it runs. */
    String token(String name, String... flags) {
        Process process = launch('token', 'create', name, *flags)
        String token = process.inputStream.text.trim()
        if (process.waitFor() != 0) {
            throw new IllegalStateException('creating the token ' + name + ' failed')
        }
        return token
    }

    void stop() {
        if (process != null) {
            process.destroy()
            process.waitFor()
            process = null
        }
    }

    private Process launch(String... arguments) {
        ProcessBuilder builder = new ProcessBuilder([program, *arguments])
        builder.environment().putAll(environment)
        builder.redirectError(ProcessBuilder.Redirect.DISCARD)
        return builder.start()
    }

    /** Returns the records of a run, oldest first. */
    List<Map> records(String run) {
        return get('limit=1000&run=' + URLEncoder.encode(run, 'UTF-8')).reverse()
    }

    List<Map> get(String query) {
        return new JsonSlurper().parse(new URL(url + '/api/?' + query)) as List<Map>
    }

    /** Formats each record as one line: stage (or "deploy"), status, and the duration or why it is missing. */
    static List<String> lines(List<Map> records) {
        return records.collect { Map record ->
            [record.stage ?: 'deploy', record.status, record.duration_seconds?.toBigDecimal()?.stripTrailingZeros()?.toPlainString() ?:
                record.duration_missing].findAll { it != null }.join(' ')
        }
    }

    /** Formats the fields of each record that are the same in every run. */
    static String compact(List<Map> records) {
        return records.collect { Map record ->
            JsonOutput.toJson(record.subMap(['stage', 'status', 'phase', 'duration_seconds', 'duration_missing'])
                .findAll { it.value != null })
        }.join('\n')
    }

}
