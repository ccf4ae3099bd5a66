//! Any set of records, in any order, in any batches, with retries, changes and removals: the durations are those of
//! a small model.

mod deploys;

use std::{cell::Cell, collections::BTreeMap};

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Map, Value, json};

use super::steps::{Step, TEXTS, step};
use crate::harness::Service;

/// A record as the model knows it: what is its own, nothing that is taken.
#[derive(Clone, Debug, Default)]
struct Own {
    sent: Map<String, Value>,
    started: Option<String>,
    finished: Option<String>,
}

impl Own {
    fn clock(&self) -> Option<bool> {
        match self.sent["status"].as_str().unwrap() {
            "started" => Some(true),
            "queued" | "skipped" => None,
            _ => Some(false),
        }
    }

    fn moment(&self) -> Option<&String> {
        self.clock().and_then(|starts| if starts { self.started.as_ref() } else { self.finished.as_ref() })
    }

    /// Rule 3.
    fn deploy(&self) -> [Value; 5] {
        let of = |field: &str| self.sent.get(field).cloned().unwrap_or_default();
        let version = if of("run").is_null() { of("version") } else { Value::Null };
        [of("component"), of("environment"), of("run"), of("stage"), version]
    }

    /// What a change leaves of the own times, a stamped moment taken from what the service answers.
    fn change(&mut self, body: &Map<String, Value>, is_patch: bool, answer: &Value) {
        let had_clock = self.sent.is_empty() || self.clock().is_some();
        if !is_patch {
            self.sent.clear();
        }
        for field in TEXTS.iter().filter(|field| body.contains_key(**field)) {
            self.sent.insert((*field).to_owned(), body[*field].clone());
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
        if self.clock() == Some(true) {
            self.finished = None;
        }
        self.stamp(answer);
    }

    fn stamp(&mut self, answer: &Value) {
        let (field, moment) = match self.clock() {
            Some(true) => ("started_at", &mut self.started),
            Some(false) => ("finished_at", &mut self.finished),
            None => return,
        };
        let answered = answer[field].as_str().expect("a moment").to_owned();
        assert_eq!(moment.get_or_insert_with(|| answered.clone()), &answered);
    }
}

/// The start that each record takes, and its duration or why it has none.
type Measured = BTreeMap<i64, (Value, Value, Value)>;

/// Rules 1 to 4.
fn measure(records: &BTreeMap<i64, Own>) -> Measured {
    let seconds = |from: &str, to: &str| {
        let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros();
        let micros = time(to) - time(from);
        #[allow(clippy::cast_precision_loss)]
        if micros < 0 { Value::Null } else { json!(((micros + 500) / 1000) as f64 / 1000.0) }
    };
    let measured = records.iter().map(|(id, own)| {
        if own.clock() != Some(false) {
            return (*id, (Value::Null, Value::Null, Value::Null));
        }
        let finished = own.finished.as_ref().unwrap();
        let before = records
            .iter()
            .filter(|(other, record)| {
                record.deploy() == own.deploy()
                    && record.moment().is_some_and(|moment| (moment, *other) < (finished, id))
            })
            .max_by_key(|(other, record)| (record.moment().cloned(), **other));
        let taken = before.filter(|(_, record)| own.started.is_none() && record.clock() == Some(true));
        let start = own.started.as_ref().or(taken.and_then(|(_, record)| record.started.as_ref()));
        let duration = start.map_or(Value::Null, |start| seconds(start, finished));
        let missing = match (start, &duration) {
            (None, _) => json!("no start record"),
            (_, Value::Null) => json!("finished before it started"),
            _ => Value::Null,
        };
        (*id, (taken.map_or(Value::Null, |(id, _)| json!(id)), duration, missing))
    });
    measured.collect()
}

/// The service and what the model knows of the records of one case.
struct Case<'a> {
    service: &'a Service,
    components: Vec<String>,
    known: BTreeMap<i64, Own>,
    /// Those whose keys still stand for their records.
    deliveries: Vec<(Value, i64)>,
    last: BTreeMap<i64, Value>,
    keys: u32,
}

impl Case<'_> {
    /// Gives a record this case's component.
    fn own_component(&self, mut record: Value) -> Value {
        if let Some(index) = record["component"].as_u64() {
            record["component"] = self.components[usize::try_from(index).unwrap() % 2].clone().into();
        }
        record
    }

    fn next_key(&mut self) -> String {
        self.keys += 1;
        format!("key-{}", self.keys)
    }

    fn keyed(&mut self, record: Value) -> Value {
        let mut record = self.own_component(record);
        record["idempotency_key"] = self.next_key().into();
        record
    }

    fn deliver(&mut self, lines: &[Value]) {
        let body: Vec<String> = lines.iter().map(Value::to_string).collect();
        let answer = self.service.import(&body.join("\n")).expect(201);
        let all = self.read();
        for (line, id) in lines.iter().zip(answer["ids"].as_array().unwrap()) {
            let id = id.as_i64().unwrap();
            let mut own = Own::default();
            own.change(line.as_object().unwrap(), false, &all[&id]);
            self.known.insert(id, own);
            self.deliveries.push((line.clone(), id));
        }
    }

    fn post(&mut self, record: Value) {
        let mut body = self.keyed(record);
        let line = body.clone();
        let key = body.as_object_mut().unwrap().remove("idempotency_key").unwrap();
        let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str().unwrap())];
        let answer = self.service.request("POST", "/api/", &headers, Some(&body.to_string())).expect(201);
        let id = answer["id"].as_i64().unwrap();
        let mut own = Own::default();
        own.change(body.as_object().unwrap(), false, &answer);
        self.known.insert(id, own);
        self.deliveries.push((line, id));
    }

    fn step(&mut self, step: Step) {
        let place = |at: usize, of: &Self| of.known.keys().nth(at % of.known.len().max(1)).copied();
        match step {
            Step::Post(record) => self.post(record),
            Step::Import(records) => {
                let mut lines: Vec<Value> = records.into_iter().map(|record| self.own_component(record)).collect();
                for line in &mut lines {
                    line["idempotency_key"] = self.next_key().into();
                }
                self.deliver(&lines);
            }
            Step::Repeat(at) => {
                let Some((line, id)) = self.deliveries.get(at % self.deliveries.len().max(1)) else { return };
                let answer = self.service.import(&line.to_string()).expect(201);
                assert_eq!((&answer["ids"][0], &answer["replayed"]), (&json!(id), &json!(1)));
            }
            Step::Put(at, record) | Step::Patch(at, record) if place(at, self).is_none() => drop(record),
            Step::Put(at, record) => self.change("PUT", place(at, self).unwrap(), record),
            Step::Patch(at, record) => self.change("PATCH", place(at, self).unwrap(), record),
            Step::Delete(at) => {
                let Some(id) = place(at, self) else { return };
                assert_eq!(self.service.request("DELETE", &format!("/api/{id}"), &[], None).status, 204);
                self.known.remove(&id);
                self.deliveries.retain(|(_, delivered)| *delivered != id);
            }
        }
    }

    fn change(&mut self, method: &str, id: i64, record: Value) {
        let body = self.own_component(record);
        let answer = self.service.send(method, &format!("/api/{id}"), &body.to_string());
        let mut own = self.known[&id].clone();
        let status = body.get("status").map_or_else(|| own.sent["status"].clone(), Value::clone);
        let unset = method == "PATCH"
            && match status.as_str().unwrap() {
                "started" => body.get("started_at") == Some(&Value::Null),
                "queued" | "skipped" => false,
                _ => body.get("finished_at") == Some(&Value::Null),
            };
        if unset || status == "started" && body.get("finished_at").is_some_and(Value::is_string) {
            assert_eq!(answer.status, 400, "{answer:?}");
            return;
        }
        own.change(body.as_object().unwrap(), method == "PATCH", &answer.expect(200));
        if own.sent["component"] != self.known[&id].sent["component"] {
            self.deliveries.retain(|(_, delivered)| *delivered != id);
        }
        self.known.insert(id, own);
    }

    fn read(&self) -> BTreeMap<i64, Value> {
        let mut all = BTreeMap::new();
        for component in &self.components {
            let target = format!("/api/?component={component}");
            let answer = self.service.request("GET", &target, &[("accept", "application/x-ndjson")], None);
            for line in answer.body.lines() {
                let record: Value = serde_json::from_str(line).unwrap();
                all.insert(record["id"].as_i64().unwrap(), record);
            }
        }
        all
    }

    /// Everything that stands is what the model says, and nothing changed without a new `updated_at`.
    fn check(&mut self) {
        let all = self.read();
        assert_eq!(all.keys().collect::<Vec<_>>(), self.known.keys().collect::<Vec<_>>());
        let expected = measure(&self.known);
        for (id, record) in &all {
            let (start, duration, missing) = &expected[id];
            let measured = (&record["start_id"], &record["duration_seconds"], &record["duration_missing"]);
            assert_eq!(measured, (start, duration, missing), "record {id} of {all:#?}\n{:#?}", self.known);
            if let Some(last) = self.last.get(id).filter(|last| *last != record) {
                assert!(last["updated_at"].as_str() < record["updated_at"].as_str(), "{last} {record}");
            }
        }
        deploys::check(self.service, &self.components, &self.known, &expected);
        self.last = all;
    }
}

#[test]
fn whatever_is_done_in_whatever_order_the_durations_are_those_of_the_model() {
    let service = Service::start();
    let count = Cell::new(0);
    let config = ProptestConfig { cases: 100, max_shrink_iters: 200, failure_persistence: None, ..Default::default() };
    let steps = prop::collection::vec(step(), 1..25);
    let result = TestRunner::new(config).run(&steps, |steps| {
        count.set(count.get() + 1);
        let components = vec![format!("a{}", count.get()), format!("b{}", count.get())];
        let mut case = Case {
            service: &service,
            components,
            known: BTreeMap::new(),
            deliveries: Vec::new(),
            last: BTreeMap::new(),
            keys: 0,
        };
        for step in steps {
            case.step(step);
            case.check();
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
