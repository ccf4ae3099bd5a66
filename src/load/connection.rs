//! One keep-alive HTTP/1.1 connection. A request is one write, and small responses allocate nothing: hyper's client
//! needs nearly twice the CPU per request, which lowers the highest rate that load can measure.

use std::{io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, Sleep, sleep, timeout},
};

/// For connecting, and again for the complete response.
const DEADLINE: Duration = Duration::from_secs(10);
/// After this time without a request the connection is checked before it is used again.
const MAX_IDLE: Duration = Duration::from_secs(1);
const MAX_RESPONSE_BYTES: usize = 64 << 20;

/// A connection that reopens itself after it was closed.
pub struct HttpConnection {
    addresses: Arc<[SocketAddr]>,
    stream: Option<TcpStream>,
    /// The bytes received for the last request.
    buffer: Vec<u8>,
    sent_at: Instant,
    timer: Pin<Box<Sleep>>,
}

impl HttpConnection {
    /// Creates a closed connection. Opening it tries the addresses in order.
    pub fn new(addresses: Arc<[SocketAddr]>) -> Self {
        let buffer = Vec::with_capacity(8 << 10);
        Self { addresses, stream: None, buffer, sent_at: Instant::now(), timer: Box::pin(sleep(DEADLINE)) }
    }

    pub async fn connect(&mut self) -> io::Result<()> {
        self.stream = Some(self.open().await?);
        Ok(())
    }

    async fn open(&self) -> io::Result<TcpStream> {
        let stream = timeout(DEADLINE, TcpStream::connect(&*self.addresses)).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Sends a request and reads its response. An error closes the connection.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Response<'_>, RequestError> {
        let now = Instant::now();
        let is_fresh = now - self.sent_at <= MAX_IDLE;
        let mut stream = match self.stream.take().filter(|stream| is_fresh || is_open(stream)) {
            Some(stream) => stream,
            None => self.open().await.map_err(|_| RequestError::Connect)?,
        };
        self.sent_at = now;
        self.buffer.clear();
        stream.write_all(request).await.map_err(|_| RequestError::Closed)?;
        let head = loop {
            self.read_more(&mut stream).await?;
            if let Some(head) = ResponseHead::parse(&self.buffer)? {
                break head;
            }
        };
        let total = head.total_bytes;
        if total > MAX_RESPONSE_BYTES {
            return Err(RequestError::Unreadable);
        }
        self.buffer.reserve(total.saturating_sub(self.buffer.len()));
        while self.buffer.len() < total {
            self.read_more(&mut stream).await?;
        }
        if self.buffer.len() > total {
            return Err(RequestError::Unreadable);
        }
        self.stream = (!head.is_last).then_some(stream);
        Ok(Response { body: &self.buffer[head.head_bytes..], head })
    }

    async fn read_more(&mut self, stream: &mut TcpStream) -> Result<(), RequestError> {
        loop {
            tokio::select! {
                biased;
                read = stream.read_buf(&mut self.buffer) => {
                    return if matches!(read, Ok(1..)) { Ok(()) } else { Err(RequestError::Closed) };
                }
                // The timer is reset only when it fires: resetting it for every request costs measurable time.
                () = &mut self.timer => {
                    let deadline = self.sent_at + DEADLINE;
                    if deadline <= Instant::now() {
                        return Err(RequestError::TimedOut);
                    }
                    self.timer.as_mut().reset(deadline);
                }
            }
        }
    }
}

/// Bytes that no request asked for count as closed.
fn is_open(stream: &TcpStream) -> bool {
    stream.try_read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestError {
    Connect,
    /// The connection closed before the response was complete.
    Closed,
    #[serde(rename = "timed out")]
    TimedOut,
    /// deploylog sends no response in chunks to the requests of a run.
    #[serde(rename = "in chunks")]
    InChunks,
    /// Not HTTP, or nothing that deploylog sends.
    Unreadable,
    /// Any status but 2xx.
    Status,
    /// Due, but never sent because the service was too slow.
    #[serde(rename = "not sent")]
    NotSent,
}

impl RequestError {
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Connect => "no connection could be opened",
            Self::Closed => "the connection closed before the response was complete",
            Self::TimedOut => "no complete response within 10 s",
            Self::InChunks => "the response is chunked, which load does not read: is this deploylog?",
            Self::Unreadable => "the response is not one of deploylog's",
            Self::Status => "the response status was not 2xx",
            Self::NotSent => "the request was due, but not sent within 30 s after the end of the run",
        }
    }

    /// Whether the same request can succeed a moment later.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Connect | Self::Closed | Self::TimedOut)
    }
}

/// The parts of a response's head that load needs.
#[derive(Debug)]
pub struct ResponseHead {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// The target of `Link: <…>; rel="next"`.
    pub next_page: Option<String>,
    /// Whether the service closes the connection after this response.
    pub is_last: bool,
    head_bytes: usize,
    /// The length of head and body.
    total_bytes: usize,
}

impl ResponseHead {
    /// Parses the head at the start of these bytes; `None` if it is still incomplete.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, RequestError> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(bytes).map_err(|_| RequestError::Unreadable)?;
        let httparse::Status::Complete(head_bytes) = parsed else { return Ok(None) };
        let header = |name: &str| {
            let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(header.value).ok().map(str::trim)
        };
        if header("transfer-encoding").is_some() {
            return Err(RequestError::InChunks);
        }
        let status = response.code.filter(|code| *code >= 200).ok_or(RequestError::Unreadable)?;
        let length = if matches!(status, 204 | 304) { Some("0") } else { header("content-length") };
        let body_bytes: usize = length.and_then(|bytes| bytes.parse().ok()).ok_or(RequestError::Unreadable)?;
        Ok(Some(Self {
            status,
            retry_after: header("retry-after").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs),
            next_page: header("link").and_then(next_page),
            is_last: response.version == Some(0)
                || header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
            head_bytes,
            total_bytes: head_bytes.saturating_add(body_bytes),
        }))
    }
}

fn next_page(link: &str) -> Option<String> {
    let (target, relation) = link.strip_prefix('<')?.split_once('>')?;
    relation.contains("next").then(|| target.to_owned())
}

/// A complete response, which borrows its body from the buffer of the connection.
pub struct Response<'a> {
    pub head: ResponseHead,
    pub body: &'a [u8],
}

impl Response<'_> {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.head.status)
    }

    /// Whether the same request can succeed a moment later.
    pub fn is_transient(&self) -> bool {
        matches!(self.head.status, 429 | 502 | 503 | 504)
    }

    /// The id of the record in the body. deploylog writes it first, so the rest is not parsed.
    pub fn id(&self) -> Option<i64> {
        let rest = self.body.strip_prefix(br#"{"id":"#)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
    }

    /// Whether the token is missing or refused. Every other request would then fail as well.
    pub fn is_denied(&self) -> bool {
        matches!(self.head.status, 401 | 403)
    }

    /// The status and the reason that the service gives, on one line.
    pub fn refusal(&self) -> String {
        let status = self.head.status;
        if self.is_denied() {
            let problem: Value = serde_json::from_slice(self.body).unwrap_or_default();
            let detail = problem["detail"].as_str().unwrap_or("access denied");
            return format!("{status}, {detail} (load reads its token from DEPLOYLOG_TOKEN)");
        }
        let text = String::from_utf8_lossy(self.body);
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        format!("{status} {line}")
    }
}

#[cfg(test)]
mod tests {
    use super::{RequestError, Response, ResponseHead};

    #[test]
    fn a_response_ends_after_its_content_length() {
        let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\nlink: </api/?x>; rel=\"next\"\r\n\r\n{\"id\":17}";
        assert!(ResponseHead::parse(&bytes[..40]).unwrap().is_none());
        let head = ResponseHead::parse(bytes).unwrap().unwrap();
        assert_eq!((head.status, head.total_bytes, head.is_last), (201, bytes.len(), false));
        assert_eq!(head.next_page.as_deref(), Some("/api/?x"));
        assert_eq!(Response { body: &bytes[head.head_bytes..], head }.id(), Some(17));
    }

    #[test]
    fn connection_close_and_retry_after_are_parsed() {
        let head = b"HTTP/1.1 503 Busy\r\nconnection: close\r\nretry-after: 2\r\ncontent-length: 0\r\n\r\n";
        let head = ResponseHead::parse(head).unwrap().unwrap();
        assert!(head.is_last);
        assert_eq!(head.retry_after.unwrap().as_secs(), 2);
    }

    #[test]
    fn a_chunked_response_and_one_without_a_length_are_errors() {
        let error = |bytes: &[u8]| ResponseHead::parse(bytes).unwrap_err();
        assert_eq!(error(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), RequestError::InChunks);
        assert_eq!(error(b"HTTP/1.1 200 OK\r\n\r\n"), RequestError::Unreadable);
        assert_eq!(error(b"SSH-2.0-OpenSSH\r\n\r\n"), RequestError::Unreadable);
        let empty = ResponseHead::parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap();
        assert_eq!(empty.total_bytes, 27);
    }
}
