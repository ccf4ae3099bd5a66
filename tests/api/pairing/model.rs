//! Random sequences of posts, imports, retries, changes and deletions must give the durations of a small model.

mod deploys;

use std::{cell::Cell, collections::BTreeMap};

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use super::steps::{Step, step};
use crate::{
    harness::Service,
    model::{OwnFields, pair},
};

/// One random case: the service and the expected records.
struct Case<'a> {
    service: &'a Service,
    components: Vec<String>,
    records: BTreeMap<i64, OwnFields>,
    /// The deliveries whose keys are still in use.
    deliveries: Vec<(Value, i64)>,
    previous: BTreeMap<i64, Value>,
    keys: u32,
}

impl Case<'_> {
    /// Replaces the component number of a record by a component of this case.
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

    fn with_key(&mut self, record: Value) -> Value {
        let mut record = self.own_component(record);
        record["idempotency_key"] = self.next_key().into();
        record
    }

    fn import(&mut self, lines: &[Value]) {
        let body: Vec<String> = lines.iter().map(Value::to_string).collect();
        let response = self.service.import(&body.join("\n")).expect(201);
        let all = self.read();
        for (line, id) in lines.iter().zip(response["ids"].as_array().unwrap()) {
            let id = id.as_i64().unwrap();
            let recorded_at = all[&id]["recorded_at"].as_str().unwrap();
            self.records.insert(id, OwnFields::new(line.as_object().unwrap(), recorded_at));
            self.deliveries.push((line.clone(), id));
        }
    }

    fn post(&mut self, record: Value) {
        let mut body = self.with_key(record);
        let line = body.clone();
        let key = body.as_object_mut().unwrap().remove("idempotency_key").unwrap();
        let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str().unwrap())];
        let response = self.service.request("POST", "/api/", &headers, Some(&body.to_string())).expect(201);
        let id = response["id"].as_i64().unwrap();
        let recorded_at = response["recorded_at"].as_str().unwrap();
        self.records.insert(id, OwnFields::new(body.as_object().unwrap(), recorded_at));
        self.deliveries.push((line, id));
    }

    fn step(&mut self, step: Step) {
        let id_at = |at: usize, of: &Self| of.records.keys().nth(at % of.records.len().max(1)).copied();
        match step {
            Step::Post(record) => self.post(record),
            Step::Import(records) => {
                let mut lines: Vec<Value> = records.into_iter().map(|record| self.own_component(record)).collect();
                for line in &mut lines {
                    line["idempotency_key"] = self.next_key().into();
                }
                self.import(&lines);
            }
            Step::Repeat(at) => {
                let Some((line, id)) = self.deliveries.get(at % self.deliveries.len().max(1)) else { return };
                let response = self.service.import(&line.to_string()).expect(201);
                assert_eq!((&response["ids"][0], &response["replayed"]), (&json!(id), &json!(1)));
            }
            Step::Put(at, record) | Step::Patch(at, record) if id_at(at, self).is_none() => drop(record),
            Step::Put(at, record) => self.change("PUT", id_at(at, self).unwrap(), record),
            Step::Patch(at, record) => self.change("PATCH", id_at(at, self).unwrap(), record),
            Step::Delete(at) => {
                let Some(id) = id_at(at, self) else { return };
                assert_eq!(self.service.request("DELETE", &format!("/api/{id}"), &[], None).status, 204);
                self.records.remove(&id);
                self.deliveries.retain(|(_, delivered)| *delivered != id);
            }
        }
    }

    fn change(&mut self, method: &str, id: i64, record: Value) {
        let body = self.own_component(record);
        let response = self.service.send_json(method, &format!("/api/{id}"), &body.to_string());
        let body = body.as_object().unwrap();
        let changed = |now: &str| self.records[&id].changed(body, method == "PATCH", now);
        if changed("").is_none() {
            assert_eq!(response.status, 400, "{response:?}");
            return;
        }
        let own = changed(response.expect(200)["updated_at"].as_str().unwrap()).unwrap();
        if own.texts["component"] != self.records[&id].texts["component"] {
            self.deliveries.retain(|(_, delivered)| *delivered != id);
        }
        self.records.insert(id, own);
    }

    fn read(&self) -> BTreeMap<i64, Value> {
        let mut all = BTreeMap::new();
        for component in &self.components {
            let target = format!("/api/?component={component}");
            let response = self.service.request("GET", &target, &[("accept", "application/x-ndjson")], None);
            for line in response.body.lines() {
                let record: Value = serde_json::from_str(line).unwrap();
                all.insert(record["id"].as_i64().unwrap(), record);
            }
        }
        all
    }

    /// Checks that the records match the model and that every changed record has a new `updated_at`.
    fn check(&mut self) {
        let all = self.read();
        assert_eq!(all.keys().collect::<Vec<_>>(), self.records.keys().collect::<Vec<_>>());
        let expected = pair(&self.records);
        for (id, record) in &all {
            let mut paired = record.clone();
            for field in ["recorded_at", "updated_at"] {
                paired.as_object_mut().unwrap().remove(field).expect("a time of the database");
            }
            assert_eq!(paired, expected[id], "record {id} of {all:#?}\n{:#?}", self.records);
            if let Some(previous) = self.previous.get(id).filter(|previous| *previous != record) {
                assert!(previous["updated_at"].as_str() < record["updated_at"].as_str(), "{previous} {record}");
            }
        }
        deploys::check(self.service, &self.components, &self.records, &expected);
        self.previous = all;
    }
}

#[test]
fn any_sequence_of_operations_gives_the_durations_of_the_model() {
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
            records: BTreeMap::new(),
            deliveries: Vec::new(),
            previous: BTreeMap::new(),
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
