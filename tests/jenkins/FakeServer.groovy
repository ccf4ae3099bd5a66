import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse

/** An HTTP server whose responses a test defines, for example errors or forwarded responses of the real service. */
class FakeServer {

    /**
     * Receives a request (a map of headers and body). Returns a map of status and body, text to send unchanged, a closure
     * that writes to the stream until it returns false, or null to never respond.
     */
    volatile Closure handler
    final List<Map> requests = [].asSynchronized()
    /** How long each connection was open, in milliseconds. */
    final List<Long> heldMillis = [].asSynchronized()
    private final ServerSocket socket = new ServerSocket(0, 50, InetAddress.loopbackAddress)
    private final List<Socket> open = [].asSynchronized()
    private final List<Thread> serving = [].asSynchronized()

    FakeServer(Closure handler) {
        this.handler = handler
        Thread.startDaemon {
            while (!socket.closed) {
                try {
                    Socket client = socket.accept()
                    open.add(client)
                    serving.add(Thread.startDaemon {
                        long accepted = System.nanoTime()
                        serve(client)
                        heldMillis.add((System.nanoTime() - accepted).intdiv(1000000))
                    })
                } catch (SocketException ignored) {
                    break
                }
            }
        }
    }

    String getUrl() {
        return 'http://127.0.0.1:' + socket.localPort
    }

    void stop() {
        socket.close()
        open*.close()
        serving*.join()
    }

    static Map forward(Service service, Map request) {
        HttpRequest.Builder builder = HttpRequest.newBuilder(new URI(service.url + '/api/'))
            .POST(HttpRequest.BodyPublishers.ofString(request.body)).header('Content-Type', request.headers['content-type'])
        HttpResponse<String> response = HttpClient.newHttpClient().send(builder.build(), HttpResponse.BodyHandlers.ofString())
        return [status: response.statusCode(), body: response.body()]
    }

    private void serve(Socket client) {
        Map request = read(client.inputStream)
        if (request == null) {
            return
        }
        requests.add(request)
        Object response = handler.call(request)
        if (response == null) {
            untilClosed { client.inputStream.read() >= 0 }
        } else if (response instanceof Closure) {
            untilClosed { response.call(client.outputStream) }
        } else {
            String raw = response instanceof Map ? "HTTP/1.1 ${response.status} X\r\nContent-Type: application/json\r\nConnection: close\r\n" +
                "Content-Length: ${response.body.bytes.length}\r\n\r\n${response.body}" : response.toString()
            client.outputStream.write(raw.bytes)
            client.close()
        }
    }

    private static void untilClosed(Closure<Boolean> more) {
        try {
            boolean open = true
            while (open) {
                open = more()
            }
        } catch (IOException ignored) {
            return
        }
    }

    private static Map read(InputStream stream) {
        ByteArrayOutputStream head = new ByteArrayOutputStream()
        while (!head.toString().endsWith('\r\n\r\n')) {
            int next = stream.read()
            if (next < 0) {
                return null
            }
            head.write(next)
        }
        Map<String, String> headers = head.toString().readLines().drop(1).findAll { it.contains(':') }
            .collectEntries { [it.substring(0, it.indexOf(':')).toLowerCase(), it.substring(it.indexOf(':') + 1).trim()] }
        byte[] body = new byte[(headers['content-length'] ?: '0').toInteger()]
        new DataInputStream(stream).readFully(body)
        return [headers: headers, body: new String(body, 'UTF-8')]
    }

}
