//! The random requests of a history, the same for the same seed.

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use serde_json::Value;

use crate::pairing::steps::{self, Step};

/// The steps of each sender. All senders start at the same time.
pub type Burst = Vec<Vec<Step>>;

const KEYS: usize = 4;

/// The bursts of a seed. A delivery with a key has it in its field `idempotency_key`.
pub fn plan(seed: u64) -> Vec<Burst> {
    let seed = [seed, !seed].map(|half| half.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()).concat();
    let rng = TestRng::from_seed(RngAlgorithm::XorShift, &seed);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    bursts().new_tree(&mut runner).unwrap().current()
}

fn bursts() -> impl Strategy<Value = Vec<Burst>> {
    (any::<bool>(), 4..7_usize).prop_flat_map(|(is_narrow, senders)| {
        prop::collection::vec(narrowed(is_narrow, steps::record(false)), KEYS).prop_flat_map(move |mut deliveries| {
            for (number, delivery) in deliveries.iter_mut().enumerate() {
                delivery["idempotency_key"] = format!("key-{number}").into();
            }
            prop::collection::vec(burst(is_narrow, deliveries, senders), 2..5)
        })
    })
}

/// In half of the bursts two senders start with the same delivery.
fn burst(is_narrow: bool, deliveries: Vec<Value>, senders: usize) -> impl Strategy<Value = Burst> {
    let steps = prop::collection::vec(prop::collection::vec(step(is_narrow, &deliveries), 1..4), senders);
    let twice = prop::option::of(prop::sample::select(deliveries));
    (steps, twice).prop_map(|(mut steps, twice)| {
        if let Some(delivery) = twice {
            for steps in &mut steps[..2] {
                steps[0] = Step::Post(delivery.clone());
            }
        }
        steps
    })
}

fn step(is_narrow: bool, deliveries: &[Value]) -> impl Strategy<Value = Step> + use<> {
    let record = || narrowed(is_narrow, steps::record(false));
    let keyed = prop::sample::select(deliveries.to_vec());
    let reused = (keyed.clone(), prop::bool::weighted(0.2)).prop_map(|(mut delivery, is_other)| {
        if is_other {
            delivery["owner"] = "bob".into();
        }
        delivery
    });
    let line = prop_oneof![2 => record(), 1 => keyed];
    // A move to another component frees the key, so most patches do not move the record.
    let patch = (narrowed(is_narrow, steps::record(true)), prop::bool::weighted(0.2)).prop_map(|(mut patch, moves)| {
        if !moves {
            patch.as_object_mut().unwrap().remove("component");
        }
        patch
    });
    prop_oneof![
        8 => record().prop_map(Step::Post),
        4 => reused.prop_map(Step::Post),
        3 => prop::collection::vec(line, 1..6).prop_map(Step::Import),
        3 => (any::<usize>(), record()).prop_map(|(at, record)| Step::Put(at, record)),
        6 => (any::<usize>(), patch).prop_map(|(at, patch)| Step::Patch(at, patch)),
        3 => any::<usize>().prop_map(Step::Delete),
    ]
}

/// Reduces the number of deploys, to one per component if `is_narrow`, so that most records are neighbours.
fn narrowed(is_narrow: bool, records: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    records.prop_map(move |mut record| {
        let is_whole = is_narrow || record.get("run").is_some_and(|run| *run != "r1");
        for (field, value) in record.as_object_mut().unwrap() {
            match field.as_str() {
                "environment" => *value = Value::Null,
                "run" | "stage" if is_whole => *value = Value::Null,
                "version" if is_narrow => *value = "0".into(),
                _ => {}
            }
        }
        record
    })
}
