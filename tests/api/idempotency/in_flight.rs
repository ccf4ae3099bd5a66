//! Deliveries under one key that are in flight at once.

use serde_json::json;

use super::replayed;
use crate::harness::{Answer, DEPLOYED, SENDERS, Service, at_once, deployed, patient};

fn post(service: &Service, body: &str) -> Answer {
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    service.request("POST", "/api/", &headers, Some(body))
}

#[test]
fn deliveries_of_one_content_in_flight_at_once_are_one_record() {
    let (database, service) = patient();
    let answers = at_once(&database, &service, |service, _| post(service, DEPLOYED));
    let (first, again): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!((first.len(), again.len()), (1, SENDERS - 1));
    for answer in again {
        assert_eq!(replayed(answer), first[0].json());
    }
    assert_eq!(service.all(), [first[0].json()]);
}

#[test]
fn of_deliveries_of_other_content_in_flight_at_once_one_is_recorded_and_the_others_are_a_422() {
    let (database, service) = patient();
    let answers = at_once(&database, &service, |service, number| {
        post(service, &deployed(&json!({ "version": number.to_string() })))
    });
    let (recorded, others): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!(recorded.len(), 1);
    for answer in others {
        assert_eq!(answer.bad_fields(422), ["version"]);
    }
    assert_eq!(service.all(), [recorded[0].json()]);
}

#[test]
fn deliveries_in_ndjson_bodies_in_flight_at_once_are_one_record_each() {
    let (database, service) = patient();
    let line = |key: usize| deployed(&json!({ "component": format!("c{key}"), "idempotency_key": "k" }));
    let answers = at_once(&database, &service, |service, number| {
        let lines: Vec<_> = (0..10).map(|key| line((key + number) % 10)).collect();
        service.import(&lines.join("\n"))
    });
    let recorded: u64 = answers.iter().map(|answer| answer.expect(201)["recorded"].as_u64().unwrap()).sum();
    let replayed: u64 = answers.iter().map(|answer| answer.json()["replayed"].as_u64().unwrap()).sum();
    assert_eq!((recorded, replayed, service.all().len()), (10, SENDERS as u64 * 10 - 10, 10));
}
