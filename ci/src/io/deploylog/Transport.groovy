package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

import java.util.concurrent.FutureTask
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException

/**
 * Sends a POST by the first available transport: the httpRequest step, a script on the node, or the controller.
 * Returns `status` and `text`, or `error`, or `missing` with the reason if no transport is available.
 */
class Transport implements Serializable {

    private static final long serialVersionUID = 1L
    private static final int CONNECT_MILLIS = 2000

    final Object script
    final String address
    final String url
    final String credentialsId
    final boolean valid
    boolean addressUnconfigured = false
    boolean httpRequestMissing = false
    // Whether a node runs Unix, by name: asking costs a step.
    final Map<String, Boolean> unix = [:]

    Transport(Object script, String address, String credentialsId) {
        this.script = script
        this.address = address
        this.valid = Address.isValid(address)
        this.url = valid ? address + '/api/' : null
        this.credentialsId = credentialsId
    }

    /** With credentials, DEPLOYLOG_TOKEN must be set in the environment. */
    Map post(String lines, int seconds) {
        if (!valid) {
            // The message does not repeat the address, because it can contain a password.
            return [error: 'DEPLOYLOG_URL (url:) must be http(s)://host[:port][/path], without ?, # and credentials']
        }
        if (credentialsId == null) {
            return postByFirstAvailable(lines, seconds)
        }
        if (!isToken(token())) {
            return [credentials: true, error: 'the secret ' + credentialsId + ' contains white space or other characters that no token has. ' +
                'It is not sent, because Jenkins masks only the exact text']
        }
        return mask(postByFirstAvailable(lines, seconds), token())
    }

    Map postByFirstAvailable(String lines, int seconds) {
        Map response = httpRequestMissing ? [missing: 'no httpRequest step'] : byHttpRequest(lines, seconds)
        if (response.missing && hasNode()) {
            response = byNode(lines, seconds)
        }
        if (response.missing) {
            response = byController(lines, credentialsId == null ? null : token(), seconds)
        }
        return response
    }

    String token() {
        return script.env.DEPLOYLOG_TOKEN
    }

    /** The syntax of a bearer token in RFC 6750. None of its characters needs quotes in a script or header. */
    @NonCPS
    static boolean isToken(String text) {
        return text ==~ '[\\w.~+/-]+=*'
    }

    /** Responses and errors can repeat the token. They are printed outside withCredentials, where Jenkins does not mask it. */
    @NonCPS
    static Map mask(Map response, String token) {
        Map safe = response + [:]
        for (String name in ['error', 'text']) {
            if (token && response[name] != null) {
                safe[name] = response[name].toString().replace(token, '****')
            }
        }
        return safe
    }

    boolean hasNode() {
        return script.env.NODE_NAME || script.env.WORKSPACE
    }

    /** The name of the current node, or an empty text. */
    String node() {
        return script.env.NODE_NAME ?: ''
    }

    /**
     * The timeout of httpRequest limits the connection and each read. That of the timeout step limits the whole exchange,
     * and must not end the build. Only steps can tell its interruption from an abort, because the sandbox hides the cause:
     * timeout marks its own, and retry throws all others on (workflow-basic-steps TimeoutStepExecution.java and
     * RetryStepExecution.java).
     */
    Map byHttpRequest(String lines, int seconds) {
        Map response = null
        boolean sent = false
        script.steps.retry(2) {
            if (!sent) {
                sent = true
                script.steps.timeout(time: seconds + 1, unit: 'SECONDS') {
                    response = request(lines, seconds)
                }
            }
        }
        return response ?: [error: 'httpRequest did not end within ' + (seconds + 1) + ' s']
    }

    Map request(String lines, int seconds) {
        List headers = [[name: 'Content-Type', value: 'application/x-ndjson']]
        if (credentialsId != null) {
            headers.add([name: 'Authorization', value: 'Bearer ' + token(), maskValue: true])
        }
        try {
            Object reply = script.steps.httpRequest(url: url, httpMode: 'POST', customHeaders: headers, requestBody: lines,
                timeout: seconds, validResponseCodes: '100:599', quiet: true)
            return [status: reply.status, text: reply.content]
        } catch (FlowInterruptedException e) {
            throw e
        } catch (Throwable e) {
            if (isMissingStep(e, 'httpRequest')) {
                httpRequestMissing = true
                return [missing: 'no httpRequest step']
            }
            return [error: e.toString()]
        }
    }

    Map byNode(String lines, int seconds) {
        boolean token = credentialsId != null
        String step = 'sh'
        try {
            if (isUnix()) {
                return NodeScript.parse(script.steps.sh(label: 'deploylog', returnStdout: true, encoding: 'UTF-8',
                    script: NodeScript.curl(url, lines, seconds, token)))
            }
            step = 'powershell'
            return NodeScript.parse(script.steps.powershell(label: 'deploylog', returnStdout: true, encoding: 'UTF-8',
                script: NodeScript.powershell(url, lines, seconds, token)))
        } catch (FlowInterruptedException e) {
            throw e
        } catch (Throwable e) {
            // The environment can name a node that is no longer available.
            return isMissingStep(e, step) || isMissingStep(e, 'isUnix') || e.class.simpleName == 'MissingContextVariableException' ?
                [missing: 'no ' + step + ' step'] : [error: e.toString()]
        }
    }

    private boolean isUnix() {
        String name = node()
        if (unix[name] == null) {
            unix[name] = script.steps.isUnix()
        }
        return unix[name]
    }

    /** Jenkins throws an Error, not an Exception, for an unknown step. */
    @NonCPS
    static boolean isMissingStep(Throwable e, String step) {
        return (e instanceof NoSuchMethodError || e instanceof MissingMethodException) && e.message?.contains("'" + step + "'")
    }

    /**
     * Blocks all branches of the build, so the timeout covers the whole exchange, including name resolution. In an
     * untrusted library Jenkins denies the connection.
     */
    @NonCPS
    Map byController(String lines, String token, int seconds) {
        HttpURLConnection connection = null
        try {
            connection = (HttpURLConnection) new URL(url).openConnection()
            addressUnconfigured = !Address.isConfigured(script.currentBuild, address)
            FutureTask<Map> task = new FutureTask<Map>({ -> exchange(connection, lines, token, seconds) })
            Thread thread = new Thread(task, 'deploylog')
            thread.daemon = true
            thread.start()
            return task.get(seconds, TimeUnit.SECONDS)
        } catch (SecurityException ignored) {
            return [missing: 'no httpRequest step, no node, and an untrusted library cannot open connections']
        } catch (TimeoutException ignored) {
            return [error: 'no response within ' + seconds + ' s']
        } catch (Exception e) {
            return [error: (e.cause ?: e).toString()]
        } finally {
            connection?.disconnect()
        }
    }

    @NonCPS
    static Map exchange(HttpURLConnection connection, String lines, String token, int seconds) {
        connection.requestMethod = 'POST'
        connection.doOutput = true
        connection.connectTimeout = Math.min(CONNECT_MILLIS, seconds * 1000)
        connection.readTimeout = seconds * 1000
        connection.instanceFollowRedirects = false
        connection.setRequestProperty('Content-Type', 'application/x-ndjson')
        if (token != null) {
            connection.setRequestProperty('Authorization', 'Bearer ' + token)
        }
        connection.outputStream.withStream { it.write(lines.getBytes('UTF-8')) }
        int status = connection.responseCode
        InputStream stream = status < 400 ? connection.inputStream : connection.errorStream
        return [status: status, text: stream == null ? '' : text(stream)]
    }

    @NonCPS
    static String text(InputStream stream) {
        byte[] bytes = new byte[Response.MAX_BYTES]
        int size = 0
        int count = 0
        while (count >= 0 && size < bytes.length) {
            count = stream.read(bytes, size, bytes.length - size)
            size += Math.max(0, count)
        }
        return new String(bytes, 0, size, 'UTF-8')
    }

}
