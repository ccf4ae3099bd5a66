//! Plays corpus entries against the service and compares the responses with the expected ones.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::{
    entry::{Entry, Expected, Step},
    wire::{Response, Wire},
};
use crate::harness::{DEPLOYED, Service};

/// How long a response can take, including the body timeout.
const TIMEOUT: Duration = Duration::from_secs(20);

pub struct Player<'a> {
    service: &'a Service,
    played: AtomicUsize,
}

impl<'a> Player<'a> {
    pub fn new(service: &'a Service) -> Self {
        Self { service, played: AtomicUsize::new(0) }
    }

    /// Sends an entry to the service itself; the error describes the first deviation.
    pub fn play(&self, entry: &Entry) -> Result<(), String> {
        let placeholders = self.placeholders();
        let fail = |reason: String| Err(format!("{}: {reason}", entry.name));
        let mut wire = Wire::open(self.service.address, TIMEOUT);
        let mut acknowledged = 0;
        for step in &entry.steps {
            let result = match step {
                Step::Send(bytes) => {
                    wire.send(&placeholders.fill(bytes));
                    Ok(())
                }
                Step::HalfClose => {
                    wire.half_close();
                    Ok(())
                }
                Step::Response(expected) => {
                    acknowledged += usize::from(expected.status == 201);
                    let response = wire
                        .response(expected.is_head)
                        .map_err(|error| format!("{error} instead of {}", expected.status));
                    response.and_then(|response| placeholders.check(&response, expected))
                }
                Step::Open => {
                    wire.send(b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n");
                    let response =
                        wire.response(false).map_err(|error| format!("the connection does not stay open: {error}"));
                    response.and_then(|response| {
                        placeholders.check(&response, &Expected { status: 200, is_head: false, headers: Vec::new() })
                    })
                }
                Step::Closed => match wire.is_closed() {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(format!("the connection stays open: {:?}", wire.response(false))),
                    Err(error) => Err(format!("the connection is not closed: {error}")),
                },
            };
            if let Err(reason) = result {
                return fail(reason);
            }
        }
        let stored = self.count_stored(&placeholders);
        if stored == acknowledged { Ok(()) } else { fail(format!("{stored} records, {acknowledged} acknowledged")) }
    }

    /// Values for an entry's placeholders, with a component of its own.
    pub fn placeholders(&self) -> Placeholders {
        let number = self.played.fetch_add(1, Ordering::Relaxed);
        let record = self.service.post(DEPLOYED);
        let header = |name| record.header(name).expect("a created record has it").to_owned();
        Placeholders { component: format!("entry-{number:05}"), path: header("location"), etag: header("etag") }
    }

    /// How many records of the entry are stored.
    pub fn count_stored(&self, placeholders: &Placeholders) -> usize {
        let list = self.service.get(&format!("/api/?limit=1000&component={}", placeholders.component));
        list.expect(200).as_array().map_or(0, Vec::len)
    }
}

/// Values for the placeholders of one entry.
pub struct Placeholders {
    pub component: String,
    path: String,
    etag: String,
}

impl Placeholders {
    fn record_json(&self) -> String {
        DEPLOYED.replace("web", &self.component)
    }

    pub fn fill(&self, bytes: &[u8]) -> Vec<u8> {
        let record = self.record_json();
        let length = record.len();
        let mut result = bytes.to_vec();
        for (name, text) in [
            ("{record}", record),
            ("{length}", length.to_string()),
            ("{hex}", format!("{length:x}")),
            ("{path}", self.path.clone()),
            ("{etag}", self.etag.clone()),
        ] {
            result = replace_all(&result, name, text.as_bytes());
        }
        for (name, text) in [("{x:", "x"), ("{headers:", "x: y\r\n")] {
            while let Some(start) = find(&result, name) {
                let end = start + find(&result[start..], "}").expect("a closing brace");
                let count: usize = str::from_utf8(&result[start + name.len()..end]).unwrap().parse().unwrap();
                result.splice(start..=end, text.repeat(count).into_bytes());
            }
        }
        result
    }

    fn check(&self, response: &Response, expected: &Expected) -> Result<(), String> {
        if response.status != expected.status {
            return Err(format!("{} instead of {}: {response:?}", response.status, expected.status));
        }
        for (name, value) in &expected.headers {
            let value = value.as_ref().map(|value| value.replace("{etag}", &self.etag));
            if response.header(name) != value.as_deref() {
                return Err(format!("{name} is {:?}, not {value:?}", response.header(name)));
            }
        }
        Ok(())
    }
}

fn find(bytes: &[u8], text: &str) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text.as_bytes())
}

fn replace_all(bytes: &[u8], name: &str, text: &[u8]) -> Vec<u8> {
    match find(bytes, name) {
        Some(at) => [&bytes[..at], text, &replace_all(&bytes[at + name.len()..], name, text)].concat(),
        None => bytes.to_vec(),
    }
}
