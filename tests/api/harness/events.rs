//! A client for server-sent events.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Connection, Response, Service};

#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub name: String,
    pub id: String,
    pub data: Value,
}

/// An open request to `/api/events`.
pub struct Subscriber {
    connection: Connection,
    pub head: Response,
    text: String,
    /// The id of the last event, to resume after it.
    pub last_id: String,
    /// How many comment lines came so far: heartbeats and the greeting.
    pub comments: usize,
    pub retry: Option<u64>,
}

impl Subscriber {
    /// Subscribes to the events from now on.
    #[track_caller]
    pub fn start(service: &Service, target: &str) -> Self {
        Self::open(service.address, target, None, "")
    }

    /// Subscribes with a token to the events from now on.
    #[track_caller]
    pub fn start_with_token(service: &Service, target: &str, token: &str) -> Self {
        Self::open(service.address, target, None, &format!("authorization: Bearer {token}\r\n"))
    }

    /// Subscribes to the events after the one with this id.
    #[track_caller]
    pub fn resume(service: &Service, target: &str, last_id: &str) -> Self {
        Self::open(service.address, target, Some(last_id), "")
    }

    #[track_caller]
    fn open(address: SocketAddr, target: &str, last_id: Option<&str>, headers: &str) -> Self {
        let mut connection = Connection::open(address);
        let resumed = last_id.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        connection.send(format!("GET {target} HTTP/1.1\r\nhost: test\r\n{headers}{resumed}\r\n"));
        let head = connection.head();
        assert_eq!(head.status, 200, "{head:?}");
        let last_id = last_id.unwrap_or_default().to_owned();
        let mut subscriber = Self { connection, head, text: String::new(), last_id, comments: 0, retry: None };
        // Once the greeting has come, the subscription misses no event.
        subscriber.fill().expect("a greeting");
        if !subscriber.text.contains("\nevent: reset\n") {
            let greeting = std::mem::take(&mut subscriber.text);
            assert_eq!(subscriber.read(greeting.trim_end()), None, "the first block is the greeting, without an event");
        }
        subscriber
    }

    /// The next event. Fails if the stream ends or breaks, or if only heartbeats come for 20 seconds.
    pub fn try_next(&mut self) -> std::io::Result<Event> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if Instant::now() > deadline {
                return Err(std::io::ErrorKind::TimedOut.into());
            }
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                if let Some(event) = self.read(&block) {
                    return Ok(event);
                }
            }
            self.fill()?;
        }
    }

    #[track_caller]
    pub fn next(&mut self) -> Event {
        self.try_next().expect("an event")
    }

    #[track_caller]
    pub fn take(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.next()).collect()
    }

    /// Waits for a heartbeat; panics if an event comes first.
    pub fn wait_for_heartbeat(&mut self) {
        let before = self.comments;
        while self.comments == before {
            self.fill().expect("a heartbeat");
            assert!(self.text.ends_with("\n\n"));
            for block in std::mem::take(&mut self.text).split_terminator("\n\n") {
                assert_eq!(self.read(block), None, "an event instead of a heartbeat");
            }
        }
    }

    fn fill(&mut self) -> std::io::Result<()> {
        let chunk = self.connection.chunk()?;
        if chunk.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.text += std::str::from_utf8(&chunk).expect("UTF-8");
        Ok(())
    }

    fn read(&mut self, block: &str) -> Option<Event> {
        let (mut name, mut data) = ("message".to_owned(), None);
        for line in block.lines() {
            match line.split_once(':').map(|(field, value)| (field, value.strip_prefix(' ').unwrap_or(value))) {
                Some(("", _)) => self.comments += 1,
                Some(("event", value)) => value.clone_into(&mut name),
                Some(("id", value)) => value.clone_into(&mut self.last_id),
                Some(("retry", value)) => self.retry = Some(value.parse().expect("milliseconds")),
                Some(("data", value)) => data = Some(serde_json::from_str(value).expect("JSON in one line")),
                _ => panic!("not a line of an event stream: {line}"),
            }
        }
        data.map(|data| Event { name, id: self.last_id.clone(), data })
    }

    /// The connection, for a test that stops reading events.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub fn set_read_timeout(&self, timeout: Duration) {
        self.connection.stream().set_read_timeout(Some(timeout)).unwrap();
    }
}
