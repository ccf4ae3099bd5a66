//! The records of a run. The content of each follows from its number, so that little memory is needed to compare them
//! later.

use std::{
    fmt,
    io::Write as _,
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use serde_json::Value;

use super::options::{Mix, Options};

const OWNER: &str = "load";
/// The optional fields that a sender can set. A run sets none of them.
const UNSET: [&str; 8] =
    ["environment", "run", "stage", "url", "commit", "committed_at", "unplanned", "waited_seconds"];

/// The part of a deploy that one record reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The whole deploy, in a single record.
    Whole,
    Start,
    Finish,
}

impl Step {
    /// The status that is sent and the phase that the service derives from it.
    fn status_and_phase(self) -> (&'static str, &'static str) {
        match self {
            Self::Start => ("started", "started"),
            Self::Whole | Self::Finish => ("deployed", "succeeded"),
        }
    }
}

/// One record to send: a step of the deploy with this number. The number is also the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    pub number: u64,
    pub step: Step,
}

/// A record that the service acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    pub item: Item,
    pub id: i64,
    /// For a finish, the id of its start if that was acknowledged too.
    pub start_id: Option<i64>,
}

/// The requests of a run.
pub struct Workload {
    /// Part of each component name and key, and different in every run.
    run: String,
    next: AtomicU64,
    headers: String,
    pub options: Options,
}

impl Workload {
    pub fn new(options: &Options) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let token = options.token.as_ref().map(|token| format!("authorization: Bearer {token}\r\n"));
        Self {
            run: format!("{:x}-{:x}", now.as_micros(), std::process::id()),
            next: AtomicU64::new(0),
            headers: format!("host: {}\r\n{}", options.target.authority, token.unwrap_or_default()),
            options: options.clone(),
        }
    }

    /// Returns the number of the next deploy.
    pub fn next_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The number of components that have records.
    pub fn components_used(&self) -> u64 {
        self.options.components.min(self.next.load(Ordering::Relaxed))
    }

    pub fn component_index(&self, item: Item) -> u64 {
        item.number % self.options.components
    }

    pub fn component_name(&self, index: u64) -> String {
        format!("load-{}-{index}", self.run)
    }

    /// Writes the request that records an item. `body` is a buffer that is used again for each request.
    pub fn write_record(&self, item: Item, request: &mut Vec<u8>, body: &mut Vec<u8>) {
        let (Self { run, headers, options, .. }, number) = (self, item.number);
        let (index, (status, _)) = (self.component_index(item), item.step.status_and_phase());
        body.clear();
        request.clear();
        // Writing to memory cannot fail.
        let _ = write!(
            body,
            r#"{{"component":"load-{run}-{index}","version":"{number}","owner":"{OWNER}","status":"{status}"}}"#
        );
        let _ = write!(
            request,
            "POST {}/api/ HTTP/1.1\r\n{headers}content-type: application/json\r\ncontent-length: {}\r\n",
            options.target.prefix,
            body.len()
        );
        if options.has_keys {
            let _ = write!(request, "idempotency-key: {run}-{number}-{status}\r\n");
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
    }

    /// Writes the request that reads this path below the URL of the service.
    pub fn write_read(&self, path: fmt::Arguments, request: &mut Vec<u8>) {
        request.clear();
        let _ = write!(request, "GET {}{path} HTTP/1.1\r\n{}\r\n", self.options.target.prefix, self.headers);
    }

    /// The item that this record can come from; `None` if the run sent none like it.
    pub fn item(&self, record: &Value) -> Option<Item> {
        let number = record["version"].as_str()?.parse().ok()?;
        let has_starts = self.options.mix == Mix::Lifecycle;
        let steps = if has_starts { &[Step::Start, Step::Finish][..] } else { &[Step::Whole] };
        let step = *steps.iter().find(|step| record["status"] == step.status_and_phase().0)?;
        (number < self.next.load(Ordering::Relaxed)).then_some(Item { number, step })
    }

    /// Whether a record has the content that was sent. A finish must also have a duration and the start that was
    /// acknowledged before it.
    pub fn is_as_sent(&self, record: &Value, sent: Acknowledged) -> bool {
        let (status, phase) = sent.item.step.status_and_phase();
        let is_measured = match (sent.item.step, sent.start_id) {
            (Step::Finish, None) => true,
            (Step::Finish, Some(start_id)) => {
                record["start_id"] == start_id && record["duration_seconds"].as_f64().is_some_and(|d| d >= 0.0)
            }
            (Step::Start | Step::Whole, _) => record["start_id"].is_null() && record["duration_seconds"].is_null(),
        };
        is_measured
            && record["component"] == self.component_name(self.component_index(sent.item))
            && record["version"].as_str().is_some_and(|version| version.parse() == Ok(sent.item.number))
            && record["owner"] == OWNER
            && record["status"] == status
            && record["phase"] == phase
            && UNSET.iter().all(|field| record[field].is_null())
    }
}
