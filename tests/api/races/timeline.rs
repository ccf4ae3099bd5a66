//! What the model says stands after every step: a step is an event that a call asked for, counted from 1.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::model::{self, OwnFields};

#[derive(Default)]
pub struct Timeline {
    records: BTreeMap<i64, Versions<OwnFields>>,
    recorded_at: BTreeMap<i64, String>,
    /// By component and key.
    keys: BTreeMap<(String, String), Versions<Delivery>>,
}

/// The delivery that a key stands for.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: i64,
    /// What it said.
    pub content: Map<String, Value>,
}

/// What something is from a step on; nothing from where it is gone.
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
    /// A delivery is recorded. Fails where its key stands already.
    pub fn record(&mut self, step: usize, id: i64, line: &Value, recorded_at: &str) -> Result<(), &'static str> {
        if let Some(place) = place_of_key(line) {
            let key = self.keys.entry(place).or_default();
            if key.at(step).is_some() {
                return Err("is recorded under a key that stands");
            }
            key.set(step, Some(Delivery { id, content: content(line) }));
        }
        self.records.entry(id).or_default().set(step, Some(OwnFields::new(line.as_object().unwrap(), recorded_at)));
        self.recorded_at.insert(id, recorded_at.to_owned());
        Ok(())
    }

    /// A record is changed into this, or removed.
    pub fn change(&mut self, step: usize, id: i64, after: Option<OwnFields>) {
        let component = after.as_ref().and_then(|own| own.text("component"));
        for ((of, _), key) in &mut self.keys {
            if key.at(step).is_some_and(|delivery| delivery.id == id) && component != Some(of) {
                key.set(step, None);
            }
        }
        self.records.entry(id).or_default().set(step, after);
    }

    /// What is a record's own after a step.
    pub fn own(&self, step: usize, id: i64) -> Option<&OwnFields> {
        self.records.get(&id)?.at(step)
    }

    /// The delivery that the key of this line stands for after a step.
    pub fn delivery(&self, step: usize, line: &Value) -> Option<&Delivery> {
        self.keys.get(&place_of_key(line)?)?.at(step)
    }

    /// The component that a record has after a step, or had when it went.
    pub fn component(&self, step: usize, id: i64) -> Option<&str> {
        let versions = self.records.get(&id)?.0.iter().rev().filter(|(since, _)| *since <= step);
        versions.filter_map(|(_, own)| own.as_ref()).find_map(|own| own.text("component"))
    }

    /// A record as the service is to answer it after a step, without its `updated_at`.
    pub fn record_at(&self, step: usize, id: i64) -> Option<Value> {
        let all = || self.records.iter().filter_map(|(id, versions)| Some((*id, versions.at(step)?)));
        let mut record = model::record(id, self.own(step, id)?, all());
        record["recorded_at"] = self.recorded_at[&id].clone().into();
        Some(record)
    }

    /// A component's records after a step, by their ids.
    pub fn records_of(&self, step: usize, component: &str) -> impl Iterator<Item = Value> {
        let is_its_own = move |versions: &Versions<OwnFields>| {
            versions.at(step).is_some_and(|own| own.text("component") == Some(component))
        };
        let ids = self.records.iter().filter(move |(_, versions)| is_its_own(versions)).map(|(id, _)| *id);
        ids.filter_map(move |id| self.record_at(step, id))
    }
}

fn place_of_key(line: &Value) -> Option<(String, String)> {
    let text = |field: &str| line.get(field).and_then(Value::as_str).map(str::to_owned);
    text("component").zip(text("idempotency_key"))
}

/// What tells one delivery under a key from another. `null` is the same as left out.
pub fn content(line: &Value) -> Map<String, Value> {
    let fields = line.as_object().unwrap().clone().into_iter();
    fields.filter(|(field, value)| field != "idempotency_key" && !value.is_null()).collect()
}
