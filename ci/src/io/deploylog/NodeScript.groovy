package io.deploylog

import com.cloudbees.groovy.cps.NonCPS

/**
 * The scripts that send lines from a node. Each prints the answer's body, or what went wrong, and then a line of
 * its own: the HTTP status, the seconds it took and 0, or 000, the seconds and the error's number; "missing" where the
 * tool is.
 *
 * The lines stand in the script between quotes that expand nothing. The token does not: it is read from the
 * environment there, and never stands in a command line.
 */
class NodeScript {

    @NonCPS
    static String curl(String url, String lines, int seconds, boolean token) {
        String config = token ? ' --config /dev/fd/3' : ''
        String header = token ? ''' 3<<DEPLOYLOG_CONFIG
header = "Authorization: Bearer $(printf %s "$DEPLOYLOG_TOKEN" | tr -d '[:space:]')"
DEPLOYLOG_CONFIG
''' : '\n'
        // The first line keeps Jenkins from tracing the script into the log.
        return '''#!/bin/sh
command -v curl >/dev/null 2>&1 || { echo missing; exit 0; }
send() {
  curl --disable --silent --show-error --connect-timeout 2 --max-time ''' + seconds + config + ''' \\
    --header 'Content-Type: application/x-ndjson' --data-binary @- --write-out '\\n%{http_code} %{time_total}' \\
    ''' + quoted(url) + ''' 2>&1''' + header + '''}
send <<'DEPLOYLOG_LINES'
''' + lines + '''DEPLOYLOG_LINES
echo " $?"
'''
    }

    @NonCPS
    static String powershell(String url, String lines, int seconds, boolean token) {
        String header = token ? '''  $client.DefaultRequestHeaders.Add('Authorization', 'Bearer ' + $env:DEPLOYLOG_TOKEN.Trim())
''' : ''
        return '''$ErrorActionPreference = 'Stop'
$lines = @'
''' + lines + '''
'@
try {
  [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
  Add-Type -AssemblyName System.Net.Http
  $handler = New-Object Net.Http.HttpClientHandler
  $handler.AllowAutoRedirect = $false
  $client = New-Object Net.Http.HttpClient($handler)
  $client.Timeout = [TimeSpan]::FromSeconds(''' + seconds + ''')
''' + header + '''  $content = New-Object Net.Http.StringContent($lines)
  $content.Headers.ContentType = [Net.Http.Headers.MediaTypeHeaderValue]::Parse('application/x-ndjson')
  $watch = [Diagnostics.Stopwatch]::StartNew()
  $response = $client.PostAsync(\'''' + url.replace("'", "''") + '''\', $content).GetAwaiter().GetResult()
  $text = $response.Content.ReadAsStringAsync().GetAwaiter().GetResult()
  Write-Output $text
  Write-Output ('{0} {1} 0' -f [int]$response.StatusCode, [Math]::Floor($watch.Elapsed.TotalSeconds))
} catch {
  $problem = $_.Exception
  if ($problem.InnerException) { $problem = $problem.InnerException }
  Write-Output $problem.Message
  Write-Output '000 0 1'
}
'''
    }

    /** Reads what either script printed. */
    @NonCPS
    static Map answer(Object printed) {
        String output = printed == null ? '' : printed.toString().trim()
        if (output == 'missing') {
            return [missing: 'no curl on the node']
        }
        int end = output.lastIndexOf('\n')
        List<String> result = output.substring(end + 1).trim().tokenize(' ')
        // PowerShell may break long lines; JSON means the same without.
        String text = end < 0 ? '' : output.substring(0, end).replaceAll('[\\r\\n]+', '').trim()
        if (result.size() != 3 || !result[0].isInteger()) {
            return [error: 'the node printed no result: ' + output]
        }
        if (result[2] != '0') {
            return [error: text ?: 'curl failed: ' + result[2]]
        }
        // What the step takes beside, the service is not to be blamed for.
        return [status: result[0].toInteger(), text: text, slow: !(result[1] ==~ '0([.,]\\d+)?')]
    }

    @NonCPS
    private static String quoted(String text) {
        return "'" + text.replace("'", "'\\''") + "'"
    }

}
