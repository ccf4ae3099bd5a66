import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.net.http.HttpTimeoutException
import java.time.Duration

import hudson.AbortException
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** The fake steps that can deliver records. */
class TransportSteps {

    private static final Set<String> HTTP_ARGUMENTS = ['url', 'httpMode', 'customHeaders', 'requestBody', 'timeout',
                                                       'validResponseCodes', 'quiet', 'contentType', 'consoleLogResponseBody']

    private final Build build
    private int attempts = 0

    TransportSteps(Build build) {
        this.build = build
    }

    /** Fails for an unknown argument, which Jenkins only reports. Sources: http-request HttpRequestStep.java, HttpRequestExecution.java */
    Object httpRequest(Map args) {
        Set<String> unknown = args.keySet() - HTTP_ARGUMENTS
        if (unknown) {
            throw new IllegalArgumentException('WARNING: Unknown parameter(s) found for class type HttpRequestStep: ' + unknown)
        }
        countAttempt()
        Map response = build.clock.interruptible(Branch.current()) {
            try {
                post(args.url, args.requestBody, args.timeout, args.customHeaders.collectEntries { [it.name, it.value] })
            } catch (IOException e) {
                if (build.httpRequestThrows || !(e instanceof ConnectException || e instanceof HttpTimeoutException)) {
                    throw new IllegalStateException(e)
                }
                [status: 408, content: e.class.toString() + '(' + e.message + ') as 408 Request Timeout']
            }
        }
        List<Integer> valid = (args.validResponseCodes ?: '100:399').split(':')*.toInteger()
        if (response.status < valid[0] || response.status > valid[1]) {
            throw new IllegalStateException(new AbortException('Fail: Status code ' + response.status +
                ' is not in the accepted range: ' + args.validResponseCodes + ' while calling ' + args.url))
        }
        return response
    }

    /** Runs the script as a real agent does: with tracing, unless its first line names an interpreter. */
    Object sh(Map args) {
        countAttempt()
        File script = File.createTempFile('script', '.sh')
        try {
            script.setText(args.script, 'UTF-8')
            script.executable = true
            List<String> command = args.script.startsWith('#!') ? [script.path] : ['sh', '-xe', script.path]
            ProcessBuilder builder = new ProcessBuilder(command).directory(build.workspace)
            builder.environment().putAll(environment())
            return build.clock.blocking { outputOf(builder.start(), args) }
        } finally {
            script.delete()
        }
    }

    private Object outputOf(Process process, Map args) {
        process.outputStream.close()
        StringBuilder out = new StringBuilder()
        StringBuilder err = new StringBuilder()
        process.waitForProcessOutput(out, err)
        if (err) {
            build.log.add(err.toString())
        }
        if (process.exitValue() != 0) {
            throw new AbortException('script returned exit code ' + process.exitValue())
        }
        if (!args.returnStdout) {
            build.log.add(out.toString())
        }
        return args.returnStdout ? out.toString() : null
    }

    /** Performs the request of a PowerShell script without PowerShell, by parsing the expected script. */
    Object powershell(Map args) {
        countAttempt()
        String script = args.script
        String url = (script =~ /PostAsync\('([^']*)',/)[0][1]
        String lines = (script =~ /(?s)@'\n(.*)\n'@/)[0][1]
        int seconds = (script =~ /Timeout = \[TimeSpan\]::FromSeconds\((\d+)\)/)[0][1].toInteger()
        Map<String, String> headers = ['Content-Type': (script =~ /ContentType = .*::Parse\('([^']*)'\)/)[0][1]]
        if (script.contains("\$client.DefaultRequestHeaders.Add('Authorization', 'Bearer ' + \$env:DEPLOYLOG_TOKEN)")) {
            headers.Authorization = 'Bearer ' + environment().DEPLOYLOG_TOKEN
        }
        return build.clock.blocking {
            try {
                Map response = post(url, lines, seconds, headers)
                if (response.content.length() > (script =~ /MaxResponseContentBufferSize = (\d+)/)[0][1].toInteger()) {
                    throw new IOException('Cannot write more bytes to the buffer than the configured maximum buffer size')
                }
                // PowerShell wraps long lines.
                response.content.replaceAll(/(.{80})/, '$1\r\n') + '\r\n' + response.status + ' 0 0\r\n'
            } catch (IOException e) {
                'Unable to connect to the remote server: ' + e.message + '\r\n000 0 1\r\n'
            }
        }
    }

    private Map<String, String> environment() {
        Map<String, String> all = Branch.current().environment.inject(new HashMap(build.environment)) { sum, more -> sum + more }
        return all.findAll { it.value }
    }

    private void countAttempt() {
        attempts++
        if (attempts in build.abortDuring) {
            throw new FlowInterruptedException(new Causes.UserInterruption())
        }
    }

    private static Map post(String url, String body, int seconds, Map<String, String> headers) {
        HttpRequest.Builder request = HttpRequest.newBuilder(new URI(url)).timeout(Duration.ofSeconds(seconds))
            .POST(HttpRequest.BodyPublishers.ofString(body))
        headers.each { name, value -> request.header(name, value) }
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()
        HttpResponse<String> response = client.send(request.build(), HttpResponse.BodyHandlers.ofString())
        return [status: response.statusCode(), content: response.body()]
    }

}
