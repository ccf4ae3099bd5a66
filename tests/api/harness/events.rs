//! A reader of server-sent events.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Answer, Connection, Service};

/// One event as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub name: String,
    pub id: String,
    pub data: Value,
}

/// Who listens to `/api/events`.
pub struct Listener {
    connection: Connection,
    pub head: Answer,
    text: String,
    /// Where it would go on after a break.
    pub last_id: String,
    /// The lines that were no part of an event.
    pub comments: usize,
    pub retry: Option<u64>,
}

impl Listener {
    /// Listens from now on.
    #[track_caller]
    pub fn start(service: &Service, target: &str) -> Self {
        Self::open(service.address, target, None, "")
    }

    /// Listens from now on, with a token.
    #[track_caller]
    pub fn start_as(service: &Service, target: &str, token: &str) -> Self {
        Self::open(service.address, target, None, &format!("authorization: Bearer {token}\r\n"))
    }

    /// Listens behind the event with this id.
    #[track_caller]
    pub fn resume(service: &Service, target: &str, last_id: &str) -> Self {
        Self::open(service.address, target, Some(last_id), "")
    }

    #[track_caller]
    fn open(address: SocketAddr, target: &str, last_id: Option<&str>, more: &str) -> Self {
        let mut connection = Connection::open(address);
        let resumed = last_id.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        connection.send(format!("GET {target} HTTP/1.1\r\nhost: test\r\n{more}{resumed}\r\n"));
        let head = connection.head();
        assert_eq!(head.status, 200, "{head:?}");
        let last_id = last_id.unwrap_or_default().to_owned();
        let mut listener = Self { connection, head, text: String::new(), last_id, comments: 0, retry: None };
        // The service greets: from here on nothing is missed.
        listener.fill().expect("a greeting");
        if !listener.text.contains("\nevent: reset\n") {
            let greeting = std::mem::take(&mut listener.text);
            assert_eq!(listener.read(greeting.trim_end()), None, "the greeting comes by itself");
        }
        listener
    }

    /// The next event. Fails where the stream ends or breaks off, or brings nothing but heartbeats.
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

    /// The next event.
    #[track_caller]
    pub fn next(&mut self) -> Event {
        self.try_next().expect("an event")
    }

    /// The next so many.
    #[track_caller]
    pub fn take(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.next()).collect()
    }

    /// Waits for a heartbeat.
    pub fn heartbeat(&mut self) {
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
                _ => panic!("no line of an event stream: {line}"),
            }
        }
        data.map(|data| Event { name, id: self.last_id.clone(), data })
    }

    /// The socket, for a reader who does not read.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// The time within which something must come.
    pub fn set_patience(&self, patience: Duration) {
        self.connection.stream().set_read_timeout(Some(patience)).unwrap();
    }
}
