//! An answer's head and body, and what keeps it from coming.

use std::time::Duration;

use serde::Deserialize;

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// No connection could be made.
    Connect,
    /// The connection ended before the answer did.
    Closed,
    /// No whole answer in time.
    TimedOut,
    /// The answer comes in chunks, as no small answer of deploylog does.
    InChunks,
    /// The answer is no HTTP, or none of deploylog's.
    Unreadable,
    /// An answer other than 2xx.
    Status,
    /// Due, but never sent: the service was too slow to the end.
    NotSent,
}

impl Failure {
    /// As JSON has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Closed => "closed",
            Self::TimedOut => "timed out",
            Self::InChunks => "in chunks",
            Self::Unreadable => "unreadable",
            Self::Status => "status",
            Self::NotSent => "not sent",
        }
    }

    /// For people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Connect => "no connection could be made",
            Self::Closed => "the connection ended before the answer did",
            Self::TimedOut => "no answer within 10 s",
            Self::InChunks => "an answer in chunks, which load does not read: is this deploylog?",
            Self::Unreadable => "an answer that is none of deploylog's",
            Self::Status => "an answer other than 2xx",
            Self::NotSent => "due, but not sent by 30 s after the run's end",
        }
    }

    /// Whether the same request may succeed a moment later.
    #[must_use]
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Connect | Self::Closed | Self::TimedOut)
    }
}

/// What is needed of an answer's head.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Of the answer.
    pub status: u16,
    /// Of the header, in whole seconds.
    pub retry_after: Option<Duration>,
    /// Whether the connection ends with this answer.
    pub is_last: bool,
    before_body: usize,
    body_length: usize,
}

impl Head {
    /// Reads a head, where it is whole already.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, Failure> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let before_body = match response.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Failure::Unreadable),
        };
        let status = response.code.filter(|code| *code >= 200).ok_or(Failure::Unreadable)?;
        let mut head =
            Self { status, retry_after: None, is_last: response.version == Some(0), before_body, body_length: 0 };
        let mut length = matches!(status, 204 | 304).then_some(0);
        for header in response.headers.iter() {
            let number = || std::str::from_utf8(header.value).ok().and_then(|text| text.trim().parse().ok());
            if header.name.eq_ignore_ascii_case("content-length") {
                length = length.or(number());
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(Failure::InChunks);
            } else if header.name.eq_ignore_ascii_case("connection") {
                head.is_last |= header.value.eq_ignore_ascii_case(b"close");
            } else if header.name.eq_ignore_ascii_case("retry-after") {
                head.retry_after = number().map(|seconds| Duration::from_secs(seconds as u64));
            }
        }
        head.body_length = length.ok_or(Failure::Unreadable)?;
        Ok(Some(head))
    }

    /// The answer's length in bytes.
    #[must_use]
    pub fn whole(&self) -> usize {
        self.before_body.saturating_add(self.body_length)
    }
}

#[derive(Deserialize)]
struct Problem {
    detail: String,
}

/// A whole answer, until the connection is used again.
pub struct Answer<'a> {
    /// Its head, as far as it was read.
    pub head: Head,
    bytes: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Of a head and the bytes of head and body.
    #[must_use]
    pub fn new(head: Head, bytes: &'a [u8]) -> Self {
        Self { head, bytes }
    }

    /// Whether it is 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.head.status)
    }

    /// Whether the same request may succeed a moment later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self.head.status, 429 | 502 | 503 | 504)
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[self.head.before_body..]
    }

    /// The id of the record that the body is: deploylog writes it first.
    #[must_use]
    pub fn id(&self) -> Option<i64> {
        let rest = self.body().strip_prefix(br#"{"id":"#)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
    }

    /// The target of `Link: <…>; rel="next"`.
    #[must_use]
    pub fn next_page(&self) -> Option<String> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        response.parse(self.bytes).ok()?;
        let link = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("link"))?;
        let (target, relation) = std::str::from_utf8(link.value).ok()?.strip_prefix('<')?.split_once('>')?;
        relation.contains("next").then(|| target.to_owned())
    }

    /// What is said where the token is not the right one: nothing else will be answered either.
    #[must_use]
    pub fn denial(&self) -> Option<String> {
        let problem = || serde_json::from_slice(self.body()).ok().map(|Problem { detail }| detail);
        let status = self.head.status;
        matches!(status, 401 | 403).then(|| {
            let says = problem().unwrap_or_else(|| self.excerpt());
            format!("{status}, {says} (load takes its token from DEPLOYLOG_TOKEN)")
        })
    }

    /// What it says, cut to a line.
    #[must_use]
    pub fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(self.body());
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        format!("{} {line}", self.head.status)
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Failure, Head};

    #[test]
    fn an_answer_is_read_to_its_length() {
        let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\nlink: </api/?x>; rel=\"next\"\r\n\r\n{\"id\":17}";
        assert!(Head::parse(&bytes[..40]).unwrap().is_none());
        let head = Head::parse(bytes).unwrap().unwrap();
        assert_eq!((head.status, head.whole(), head.is_last), (201, bytes.len(), false));
        let answer = Answer::new(head, bytes);
        assert_eq!((answer.id(), answer.next_page().as_deref()), (Some(17), Some("/api/?x")));
    }

    #[test]
    fn the_last_answer_of_a_connection_and_a_pause_are_seen() {
        let head = b"HTTP/1.1 503 Busy\r\nconnection: close\r\nretry-after: 2\r\ncontent-length: 0\r\n\r\n";
        let head = Head::parse(head).unwrap().unwrap();
        assert!(head.is_last);
        assert_eq!(head.retry_after.unwrap().as_secs(), 2);
    }

    #[test]
    fn an_answer_in_chunks_or_without_a_length_is_no_answer() {
        let chunks = Head::parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!(chunks.unwrap_err(), Failure::InChunks);
        assert_eq!(Head::parse(b"HTTP/1.1 200 OK\r\n\r\n").unwrap_err(), Failure::Unreadable);
        assert_eq!(Head::parse(b"SSH-2.0-OpenSSH\r\n\r\n").unwrap_err(), Failure::Unreadable);
        assert_eq!(Head::parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().whole(), 27);
    }
}
