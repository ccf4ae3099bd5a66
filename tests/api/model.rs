//! The rules of measuring as a small model: what is a record's own, and what the record before it adds.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The fields without the times.
pub const TEXTS: [&str; 7] = ["component", "version", "owner", "status", "environment", "run", "stage"];

/// A record as the model knows it: what is its own, nothing that is taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Own {
    /// The texts that are set.
    pub sent: Map<String, Value>,
    pub started: Option<String>,
    pub finished: Option<String>,
}

impl Own {
    /// What a delivery leaves. A moment that it does not name is `stamp`.
    pub fn new(body: &Map<String, Value>, stamp: &str) -> Self {
        let mut own = Self::default();
        own.change(body, false, stamp);
        own
    }

    /// What is own of a record as the service answers it.
    pub fn of_answer(record: &Value) -> Self {
        let field = |name: &str| record.get(name).cloned();
        let texts = TEXTS.into_iter().filter_map(|name| Some((name.to_owned(), field(name)?)));
        let time = |name: &str| record.get(name).and_then(Value::as_str).map(str::to_owned);
        let is_taken = record.get("start_id").is_some();
        Self { sent: texts.collect(), started: time("started_at").filter(|_| !is_taken), finished: time("finished_at") }
    }

    /// A text, where it is set.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.sent.get(field).and_then(Value::as_str)
    }

    fn phase(&self) -> &'static str {
        match self.text("status").unwrap() {
            "started" => "started",
            "deployed" => "succeeded",
            "failed" => "failed",
            "cancelled" => "aborted",
            "done" => "finished",
            "skipped" => "skipped",
            "queued" => "noted",
            other => panic!("the model does not know {other}"),
        }
    }

    /// Whether the record starts the clock or stops it; nothing where it does neither.
    pub fn clock(&self) -> Option<bool> {
        match self.phase() {
            "skipped" | "noted" => None,
            phase => Some(phase == "started"),
        }
    }

    pub fn moment(&self) -> Option<&String> {
        self.clock().and_then(|starts| if starts { self.started.as_ref() } else { self.finished.as_ref() })
    }

    /// Rule 3.
    pub fn deploy(&self) -> [Option<&str>; 5] {
        let version = if self.text("run").is_none() { self.text("version") } else { None };
        [self.text("component"), self.text("environment"), self.text("run"), self.text("stage"), version]
    }

    /// What a change leaves; nothing where it is an error, as it unsets the record's moment or gives a start a finish.
    pub fn changed(&self, body: &Map<String, Value>, is_patch: bool, stamp: &str) -> Option<Self> {
        let mut after = self.clone();
        after.change(body, is_patch, stamp);
        let is_unset = |field: &str| is_patch && body.get(field) == Some(&Value::Null);
        let is_error = match after.clock() {
            Some(true) => is_unset("started_at") || body.get("finished_at").is_some_and(Value::is_string),
            Some(false) => is_unset("finished_at"),
            None => false,
        };
        (!is_error).then_some(after)
    }

    /// A moment that is missing after the change is `stamp`.
    fn change(&mut self, body: &Map<String, Value>, is_patch: bool, stamp: &str) {
        let had_clock = self.sent.is_empty() || self.clock().is_some();
        if !is_patch {
            self.sent.clear();
        }
        for field in TEXTS {
            match body.get(field) {
                Some(Value::Null) => drop(self.sent.remove(field)),
                Some(text) => drop(self.sent.insert(field.to_owned(), text.clone())),
                None => {}
            }
        }
        let named = |field: &str, own: Option<String>| match body.get(field) {
            Some(Value::String(time)) => Some(time.clone()),
            Some(Value::Null) if is_patch => None,
            _ => own,
        };
        let own_start = self.started.take();
        let begins = !had_clock && self.clock() == Some(true);
        self.started = named("started_at", own_start.filter(|_| !begins));
        self.finished = named("finished_at", self.finished.take());
        match self.clock() {
            Some(true) => {
                self.finished = None;
                self.started.get_or_insert_with(|| stamp.to_owned());
            }
            Some(false) => drop(self.finished.get_or_insert_with(|| stamp.to_owned())),
            None => {}
        }
    }
}

/// A record as the service answers it, without `recorded_at` and `updated_at`: rules 1 to 4.
pub fn record<'a>(id: i64, own: &Own, all: impl Iterator<Item = (i64, &'a Own)>) -> Value {
    let mut record = Value::Object(own.sent.clone());
    let mut set = |field: &str, value: Value| record[field] = value;
    set("id", id.into());
    set("phase", own.phase().into());
    if let Some(finished) = &own.finished {
        set("finished_at", finished.clone().into());
    }
    let mut started = own.started.as_ref();
    if own.clock() == Some(false) {
        let finished = own.finished.as_ref().unwrap();
        if started.is_none() {
            let before = all
                .filter(|(_, other)| other.deploy() == own.deploy())
                .filter_map(|(other_id, other)| Some(((other.moment()?, other_id), other)))
                .filter(|(place, _)| *place < (finished, id))
                .max_by_key(|(place, _)| *place);
            if let Some(((moment, start_id), _)) = before.filter(|(_, other)| other.clock() == Some(true)) {
                set("start_id", start_id.into());
                started = Some(moment);
            }
        }
        match started.map(|started| seconds(started, finished)) {
            None => set("duration_missing", "no start record".into()),
            Some(None) => set("duration_missing", "finished before it started".into()),
            Some(Some(seconds)) => set("duration_seconds", json!(seconds)),
        }
    }
    if let Some(started) = started {
        set("started_at", started.clone().into());
    }
    record
}

/// Every record as [`record`] has it.
pub fn measure(records: &BTreeMap<i64, Own>) -> BTreeMap<i64, Value> {
    let all = || records.iter().map(|(id, own)| (*id, own));
    all().map(|(id, own)| (id, record(id, own, all()))).collect()
}

/// From one time to another with milliseconds kept; nothing where that is less than none.
fn seconds(from: &str, to: &str) -> Option<f64> {
    let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros();
    let micros = time(to) - time(from);
    #[allow(clippy::cast_precision_loss, reason = "a few years")]
    (micros >= 0).then_some(((micros + 500) / 1000) as f64 / 1000.0)
}
