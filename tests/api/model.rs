//! A small model of the pairing rules: the times a record has of its own, and the start that pairing adds.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The text fields that the model knows.
pub const TEXTS: [&str; 7] = ["component", "version", "owner", "status", "environment", "run", "stage"];

/// A record without anything that pairing adds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnFields {
    /// The text fields that are set.
    pub texts: Map<String, Value>,
    pub started: Option<String>,
    pub finished: Option<String>,
}

impl OwnFields {
    /// The record that a request creates. A moment that it does not set is `now`.
    pub fn new(body: &Map<String, Value>, now: &str) -> Self {
        let mut own = Self::default();
        own.change(body, false, now);
        own
    }

    /// The own values of a record in a response.
    pub fn from_response(record: &Value) -> Self {
        let field = |name: &str| record.get(name).cloned();
        let texts = TEXTS.into_iter().filter_map(|name| Some((name.to_owned(), field(name)?)));
        let time = |name: &str| record.get(name).and_then(Value::as_str).map(str::to_owned);
        let is_taken = record.get("start_id").is_some();
        Self {
            texts: texts.collect(),
            started: time("started_at").filter(|_| !is_taken),
            finished: time("finished_at"),
        }
    }

    pub fn text(&self, field: &str) -> Option<&str> {
        self.texts.get(field).and_then(Value::as_str)
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

    /// Whether the record starts the clock; `None` if it neither starts nor stops it.
    pub fn starts_clock(&self) -> Option<bool> {
        match self.phase() {
            "skipped" | "noted" => None,
            phase => Some(phase == "started"),
        }
    }

    pub fn moment(&self) -> Option<&String> {
        self.starts_clock().and_then(|starts| if starts { self.started.as_ref() } else { self.finished.as_ref() })
    }

    /// The fields that identify the deploy (rule 3).
    pub fn deploy(&self) -> [Option<&str>; 5] {
        let version = if self.text("run").is_none() { self.text("version") } else { None };
        [self.text("component"), self.text("environment"), self.text("run"), self.text("stage"), version]
    }

    /// The record after a change; `None` if the change is an error: it unsets the moment or gives a start a finish.
    pub fn changed(&self, body: &Map<String, Value>, is_patch: bool, now: &str) -> Option<Self> {
        let mut after = self.clone();
        after.change(body, is_patch, now);
        let is_unset = |field: &str| is_patch && body.get(field) == Some(&Value::Null);
        let is_error = match after.starts_clock() {
            Some(true) => is_unset("started_at") || body.get("finished_at").is_some_and(Value::is_string),
            Some(false) => is_unset("finished_at"),
            None => false,
        };
        (!is_error).then_some(after)
    }

    /// A moment that is missing after the change becomes `now`.
    fn change(&mut self, body: &Map<String, Value>, is_patch: bool, now: &str) {
        let had_clock = self.texts.is_empty() || self.starts_clock().is_some();
        if !is_patch {
            self.texts.clear();
        }
        for field in TEXTS {
            match body.get(field) {
                Some(Value::Null) => drop(self.texts.remove(field)),
                Some(text) => drop(self.texts.insert(field.to_owned(), text.clone())),
                None => {}
            }
        }
        let named = |field: &str, own: Option<String>| match body.get(field) {
            Some(Value::String(time)) => Some(time.clone()),
            Some(Value::Null) if is_patch => None,
            _ => own,
        };
        let own_start = self.started.take();
        let becomes_start = !had_clock && self.starts_clock() == Some(true);
        self.started = named("started_at", own_start.filter(|_| !becomes_start));
        self.finished = named("finished_at", self.finished.take());
        match self.starts_clock() {
            Some(true) => {
                self.finished = None;
                self.started.get_or_insert_with(|| now.to_owned());
            }
            Some(false) => drop(self.finished.get_or_insert_with(|| now.to_owned())),
            None => {}
        }
    }
}

/// A record as the service returns it after rules 1 to 4, without `recorded_at` and `updated_at`.
pub fn record<'a>(id: i64, own: &OwnFields, all: impl Iterator<Item = (i64, &'a OwnFields)>) -> Value {
    let mut record = Value::Object(own.texts.clone());
    let mut set = |field: &str, value: Value| record[field] = value;
    set("id", id.into());
    set("phase", own.phase().into());
    if let Some(finished) = &own.finished {
        set("finished_at", finished.clone().into());
    }
    let mut started = own.started.as_ref();
    if own.starts_clock() == Some(false) {
        let finished = own.finished.as_ref().unwrap();
        if started.is_none() {
            let before = all
                .filter(|(_, other)| other.deploy() == own.deploy())
                .filter_map(|(other_id, other)| Some(((other.moment()?, other_id), other)))
                .filter(|(position, _)| *position < (finished, id))
                .max_by_key(|(position, _)| *position);
            if let Some(((moment, start_id), _)) = before.filter(|(_, other)| other.starts_clock() == Some(true)) {
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

/// Every record as the service returns it.
pub fn pair(records: &BTreeMap<i64, OwnFields>) -> BTreeMap<i64, Value> {
    let all = || records.iter().map(|(id, own)| (*id, own));
    all().map(|(id, own)| (id, record(id, own, all()))).collect()
}

/// The seconds between two times, rounded to milliseconds; `None` if they are negative.
fn seconds(from: &str, to: &str) -> Option<f64> {
    let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros();
    let micros = time(to) - time(from);
    #[allow(clippy::cast_precision_loss, reason = "a few years")]
    (micros >= 0).then_some(((micros + 500) / 1000) as f64 / 1000.0)
}
