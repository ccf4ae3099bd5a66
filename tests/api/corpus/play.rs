//! Plays an entry against the service itself: each answer must be the one that is written.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::{
    entry::{Entry, Expected, Step},
    wire::{Response, Wire},
};
use crate::harness::{DEPLOYED, Service};

/// What the service may take, half a body included.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where entries are played.
pub struct Stage<'a> {
    service: &'a Service,
    played: AtomicUsize,
}

impl<'a> Stage<'a> {
    pub fn new(service: &'a Service) -> Self {
        Self { service, played: AtomicUsize::new(0) }
    }

    /// Plays it against the service itself; fails with what is not as it is written.
    pub fn play(&self, entry: &Entry) -> Result<(), String> {
        let script = self.script();
        let failed = |what: String| Err(format!("{}: {what}", entry.name));
        let mut wire = Wire::open(self.service.address, PATIENCE);
        let mut acknowledged = 0;
        for step in &entry.steps {
            let result = match step {
                Step::Send(bytes) => {
                    wire.send(&script.filled(bytes));
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
                    response.and_then(|response| script.is(&response, expected))
                }
                Step::Open => {
                    wire.send(b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n");
                    let response = wire.response(false).map_err(|error| format!("it does not go on: {error}"));
                    response.and_then(|response| {
                        script.is(&response, &Expected { status: 200, is_head: false, headers: Vec::new() })
                    })
                }
                Step::Closed => match wire.is_closed() {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(format!("it is not over: {:?}", wire.response(false))),
                    Err(error) => Err(format!("it is not closed: {error}")),
                },
            };
            if let Err(what) = result {
                return failed(what);
            }
        }
        let stored = self.stored(&script);
        if stored == acknowledged { Ok(()) } else { failed(format!("{stored} records, {acknowledged} acknowledged")) }
    }

    /// What an entry is filled in with, never twice the same.
    pub fn script(&self) -> Script {
        let number = self.played.fetch_add(1, Ordering::Relaxed);
        let there = self.service.post(DEPLOYED);
        let header = |name| there.header(name).expect("of a record").to_owned();
        Script { component: format!("entry-{number:05}"), path: header("location"), etag: header("etag") }
    }

    /// How many records have its component.
    pub fn stored(&self, script: &Script) -> usize {
        let list = self.service.get(&format!("/api/?limit=1000&component={}", script.component));
        list.expect(200).as_array().map_or(0, Vec::len)
    }
}

/// What the placeholders stand for.
pub struct Script {
    pub component: String,
    path: String,
    etag: String,
}

impl Script {
    fn record(&self) -> String {
        DEPLOYED.replace("web", &self.component)
    }

    /// These bytes, filled in.
    pub fn filled(&self, bytes: &[u8]) -> Vec<u8> {
        let record = self.record();
        let length = record.len();
        let mut filled = bytes.to_vec();
        for (name, text) in [
            ("{record}", record),
            ("{length}", length.to_string()),
            ("{hex}", format!("{length:x}")),
            ("{path}", self.path.clone()),
            ("{etag}", self.etag.clone()),
        ] {
            filled = replaced(&filled, name, text.as_bytes());
        }
        for (name, text) in [("{x:", "x"), ("{headers:", "x: y\r\n")] {
            while let Some(start) = find(&filled, name) {
                let end = start + find(&filled[start..], "}").expect("an end");
                let count: usize = str::from_utf8(&filled[start + name.len()..end]).unwrap().parse().unwrap();
                filled.splice(start..=end, text.repeat(count).into_bytes());
            }
        }
        filled
    }

    /// Whether an answer is the one that was expected.
    fn is(&self, response: &Response, expected: &Expected) -> Result<(), String> {
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

fn replaced(bytes: &[u8], name: &str, text: &[u8]) -> Vec<u8> {
    match find(bytes, name) {
        Some(at) => [&bytes[..at], text, &replaced(&bytes[at + name.len()..], name, text)].concat(),
        None => bytes.to_vec(),
    }
}
