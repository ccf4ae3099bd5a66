package io.deploylog

import com.cloudbees.groovy.cps.NonCPS
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

import java.util.concurrent.FutureTask
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException

/**
 * One POST to the service by the first way there is: the httpRequest step, a script on the node, the controller
 * itself. Returns `status` and `text`, or `error`, or `missing` when there is no way at all.
 */
class Transport implements Serializable {

    private static final long serialVersionUID = 1L
    private static final int CONNECT_MILLIS = 2000

    final Object script
    final String url
    final String credentialsId
    boolean httpRequestMissing = false

    Transport(Object script, String url, String credentialsId) {
        this.script = script
        this.url = url + '/api/'
        this.credentialsId = credentialsId
    }

    Map post(String lines, int seconds) {
        if (credentialsId == null) {
            return firstThere(lines, seconds)
        }
        Map answer = null
        try {
            script.steps.withCredentials([script.steps.string(credentialsId: credentialsId, variable: 'DEPLOYLOG_TOKEN')]) {
                answer = masked(firstThere(lines, seconds), token())
            }
        } catch (FlowInterruptedException e) {
            throw e
        } catch (Throwable e) {
            return answer ?: [error: 'the credentials of DEPLOYLOG_CREDENTIALS_ID cannot be read: ' + e.message]
        }
        return answer
    }

    Map firstThere(String lines, int seconds) {
        Map answer = httpRequestMissing ? [missing: 'no httpRequest step'] : byHttpRequest(lines, seconds)
        if (answer.missing && atNode()) {
            answer = byNode(lines, seconds)
        }
        if (answer.missing) {
            answer = byController(url, lines, credentialsId == null ? null : token(), seconds)
        }
        return answer
    }

    /** A secret text is easily stored with the end of its line. */
    String token() {
        return script.env.DEPLOYLOG_TOKEN?.trim()
    }

    /** An answer may repeat the token, and a complaint about a header does; both go to the log when Jenkins masks no more. */
    @NonCPS
    static Map masked(Map answer, String token) {
        Map safe = answer + [:]
        for (String name in ['error', 'text']) {
            if (token && answer[name] != null) {
                safe[name] = answer[name].toString().replace(token, '****')
            }
        }
        return safe
    }

    boolean atNode() {
        return script.env.NODE_NAME || script.env.WORKSPACE
    }

    Map byHttpRequest(String lines, int seconds) {
        List headers = [[name: 'Content-Type', value: 'application/x-ndjson']]
        if (credentialsId != null) {
            headers.add([name: 'Authorization', value: 'Bearer ' + token(), maskValue: true])
        }
        try {
            Object response = script.steps.httpRequest(url: url, httpMode: 'POST', customHeaders: headers, requestBody: lines,
                timeout: seconds, validResponseCodes: '100:599', quiet: true)
            return [status: response.status, text: response.content]
        } catch (FlowInterruptedException e) {
            throw e
        } catch (Throwable e) {
            if (absent(e, 'httpRequest')) {
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
            if (script.steps.isUnix()) {
                return NodeScript.answer(script.steps.sh(label: 'deploylog', returnStdout: true, encoding: 'UTF-8',
                    script: NodeScript.curl(url, lines, seconds, token)))
            }
            step = 'powershell'
            return NodeScript.answer(script.steps.powershell(label: 'deploylog', returnStdout: true, encoding: 'UTF-8',
                script: NodeScript.powershell(url, lines, seconds, token)))
        } catch (FlowInterruptedException e) {
            throw e
        } catch (Throwable e) {
            // A node may be named in the environment without being at hand.
            return absent(e, step) || absent(e, 'isUnix') || e.class.simpleName == 'MissingContextVariableException' ?
                [missing: 'no ' + step + ' step'] : [error: e.toString()]
        }
    }

    /** An unknown step is an Error in Jenkins. */
    @NonCPS
    static boolean absent(Throwable e, String step) {
        return (e instanceof NoSuchMethodError || e instanceof MissingMethodException) && e.message?.contains("'" + step + "'")
    }

    /**
     * Holds up all branches of the build, so its time is bounded as a whole, name look-up included. A library that is
     * not trusted is refused here.
     */
    @NonCPS
    static Map byController(String url, String lines, String token, int seconds) {
        HttpURLConnection connection = null
        try {
            connection = (HttpURLConnection) new URL(url).openConnection()
            FutureTask<Map> exchange = new FutureTask<Map>({ -> talk(connection, lines, token, seconds) })
            Thread thread = new Thread(exchange, 'deploylog')
            thread.daemon = true
            thread.start()
            return exchange.get(seconds, TimeUnit.SECONDS)
        } catch (SecurityException ignored) {
            return [missing: 'no httpRequest step, no node at hand, and a library that is not trusted may open no connection']
        } catch (TimeoutException ignored) {
            return [error: 'no answer within ' + seconds + ' s']
        } catch (Exception e) {
            return [error: (e.cause ?: e).toString()]
        } finally {
            connection?.disconnect()
        }
    }

    @NonCPS
    static Map talk(HttpURLConnection connection, String lines, String token, int seconds) {
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
        return [status: status, text: stream == null ? '' : stream.getText('UTF-8')]
    }

}
