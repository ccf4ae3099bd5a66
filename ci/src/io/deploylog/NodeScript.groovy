package io.deploylog

import com.cloudbees.groovy.cps.NonCPS

/**
 * Scripts that send lines from a node. Each prints the response body or an error message, followed by a result line:
 * HTTP status, duration in seconds and exit code (0 on success; after an error the status is 000). Without curl the
 * script prints "missing" instead.
 *
 * The script contains the lines between quotes that expand nothing. It reads the token from the environment, so the
 * token never appears in the script or on a command line.
 */
class NodeScript {

    @NonCPS
    static String curl(String url, String lines, int seconds, boolean token) {
        String config = token ? ' --config /dev/fd/3' : ''
        String header = token ? ''' 3<<DEPLOYLOG_CONFIG
header = "Authorization: Bearer $DEPLOYLOG_TOKEN"
DEPLOYLOG_CONFIG
''' : '\n'
        // With an interpreter line, Jenkins does not run the script with -x, which would trace it into the log.
        return '''#!/bin/sh
command -v curl >/dev/null 2>&1 || { echo missing; exit 0; }
send() {
  curl --disable --silent --show-error --connect-timeout 2 --max-time ''' + seconds + config + ''' \\
    --header 'Content-Type: application/x-ndjson' --data-binary @- --write-out '\\n%{http_code} %{time_total}' \\
    ''' + quote(url) + ''' 2>&1''' + header + '''}
{ send; echo " $?"; } <<'DEPLOYLOG_LINES' | head -c ''' + Response.MAX_BYTES + '''
''' + lines + '''DEPLOYLOG_LINES
'''
    }

    @NonCPS
    static String powershell(String url, String lines, int seconds, boolean token) {
        String header = token ? '''  $client.DefaultRequestHeaders.Add('Authorization', 'Bearer ' + $env:DEPLOYLOG_TOKEN)
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
  $client.MaxResponseContentBufferSize = ''' + Response.MAX_BYTES + '''
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

    /** Parses the output of either script. */
    @NonCPS
    static Map parse(Object printed) {
        String output = printed == null ? '' : printed.toString().trim()
        if (output == 'missing') {
            return [missing: 'no curl on the node']
        }
        if (output.length() >= Response.MAX_BYTES - 1) {
            return [error: 'the response is longer than 1 MiB']
        }
        int end = output.lastIndexOf('\n')
        List<String> result = output.substring(end + 1).trim().tokenize(' ')
        // PowerShell can wrap long lines. JSON has the same meaning without line breaks.
        String text = end < 0 ? '' : output.substring(0, end).replaceAll('[\\r\\n]+', '').trim()
        if (result.size() != 3 || !result[0].isInteger()) {
            return [error: 'the script on the node printed no result: ' + output]
        }
        if (result[2] != '0') {
            return [error: text ?: 'curl failed: ' + result[2]]
        }
        // Measured by the script, so the step's own overhead does not count as waiting for the service.
        return [status: result[0].toInteger(), text: text, slow: !(result[1] ==~ '0([.,]\\d+)?')]
    }

    @NonCPS
    private static String quote(String text) {
        return "'" + text.replace("'", "'\\''") + "'"
    }

}
