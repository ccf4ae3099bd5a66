//! The state of the model after every step.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::model::{self, OwnFields};

#[derive(Default)]
pub struct Timeline {
    records: BTreeMap<i64, Versions<OwnFields>>,
    recorded_at: BTreeMap<i64, String>,
    /// The deliveries by component and key.
    keys: BTreeMap<(String, String), Versions<Delivery>>,
}

/// The delivery that uses a key.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: i64,
    /// The record as sent.
    pub content: Map<String, Value>,
}

/// The values of something from a step on; `None` once it is deleted.
struct Versions<T>(Vec<(usize, Option<T>)>);

impl<T> Default for Versions<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Versions<T> {
    fn at(&self, step: usize) -> Option<&T> {
        let last = self.0.iter().rev().find(|(since, _)| *since <= step);
        last.and_then(|(_, version)| version.as_ref())
    }

    fn set(&mut self, step: usize, version: Option<T>) {
        self.0.push((step, version));
    }
}

impl Timeline {
    /// Records a delivery. Fails if its key is in use.
    pub fn record(&mut self, step: usize, id: i64, line: &Value, recorded_at: &str) -> Result<(), &'static str> {
        if let Some(scope) = key_scope(line) {
            let key = self.keys.entry(scope).or_default();
            if key.at(step).is_some() {
                return Err("is recorded under a key in use");
            }
            key.set(step, Some(Delivery { id, content: content(line) }));
        }
        self.records.entry(id).or_default().set(step, Some(OwnFields::new(line.as_object().unwrap(), recorded_at)));
        self.recorded_at.insert(id, recorded_at.to_owned());
        Ok(())
    }

    /// Changes or deletes a record.
    pub fn change(&mut self, step: usize, id: i64, after: Option<OwnFields>) {
        let component = after.as_ref().and_then(|own| own.text("component"));
        for ((of, _), key) in &mut self.keys {
            if key.at(step).is_some_and(|delivery| delivery.id == id) && component != Some(of) {
                key.set(step, None);
            }
        }
        self.records.entry(id).or_default().set(step, after);
    }

    /// The own values of a record after a step.
    pub fn own(&self, step: usize, id: i64) -> Option<&OwnFields> {
        self.records.get(&id)?.at(step)
    }

    /// The delivery that uses the key of this line after a step.
    pub fn delivery(&self, step: usize, line: &Value) -> Option<&Delivery> {
        self.keys.get(&key_scope(line)?)?.at(step)
    }

    /// The component of a record after a step, or before its deletion.
    pub fn component(&self, step: usize, id: i64) -> Option<&str> {
        let versions = self.records.get(&id)?.0.iter().rev().filter(|(since, _)| *since <= step);
        versions.filter_map(|(_, own)| own.as_ref()).find_map(|own| own.text("component"))
    }

    /// The record that the service must return after a step, without `updated_at`.
    pub fn record_after(&self, step: usize, id: i64) -> Option<Value> {
        let all = || self.records.iter().filter_map(|(id, versions)| Some((*id, versions.at(step)?)));
        let mut record = model::record(id, self.own(step, id)?, all());
        record["recorded_at"] = self.recorded_at[&id].clone().into();
        Some(record)
    }

    /// The records of a component after a step, in the order of their ids.
    pub fn records_after(&self, step: usize, component: &str) -> impl Iterator<Item = Value> {
        let belongs = move |versions: &Versions<OwnFields>| {
            versions.at(step).is_some_and(|own| own.text("component") == Some(component))
        };
        let ids = self.records.iter().filter(move |(_, versions)| belongs(versions)).map(|(id, _)| *id);
        ids.filter_map(move |id| self.record_after(step, id))
    }
}

fn key_scope(line: &Value) -> Option<(String, String)> {
    let text = |field: &str| line.get(field).and_then(Value::as_str).map(str::to_owned);
    text("component").zip(text("idempotency_key"))
}

/// The content that must be equal in deliveries with the same key. `null` means the same as absent.
pub fn content(line: &Value) -> Map<String, Value> {
    let fields = line.as_object().unwrap().clone().into_iter();
    fields.filter(|(field, value)| field != "idempotency_key" && !value.is_null()).collect()
}
