//! Deliveries under one key that are in flight at once.

use serde_json::json;

use super::replayed;
use crate::harness::{
    DEPLOYED, Response, SENDERS, Service, Session, count_lock_waits, deployed_with, eventually, send_concurrently,
    service_with_long_timeout,
};

fn post(service: &Service, body: &str) -> Response {
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    service.request("POST", "/api/", &headers, Some(body))
}

#[test]
fn deliveries_of_one_content_in_flight_at_once_are_one_record() {
    let (database, service) = service_with_long_timeout();
    let responses = send_concurrently(&database, &service, |service, _| post(service, DEPLOYED));
    let (first, again): (Vec<_>, Vec<_>) = responses.iter().partition(|response| response.status == 201);
    assert_eq!((first.len(), again.len()), (1, SENDERS - 1));
    for response in again {
        assert_eq!(replayed(response), first[0].json());
    }
    assert_eq!(service.all_records(), [first[0].json()]);
}

#[test]
fn of_deliveries_of_other_content_in_flight_at_once_one_is_recorded_and_the_others_are_a_422() {
    let (database, service) = service_with_long_timeout();
    let responses = send_concurrently(&database, &service, |service, number| {
        post(service, &deployed_with(&json!({ "version": number.to_string() })))
    });
    let (recorded, others): (Vec<_>, Vec<_>) = responses.iter().partition(|response| response.status == 201);
    assert_eq!(recorded.len(), 1);
    for response in others {
        assert_eq!(response.bad_fields(422), ["version"]);
    }
    assert_eq!(service.all_records(), [recorded[0].json()]);
}

#[test]
fn deliveries_in_ndjson_bodies_in_flight_at_once_are_one_record_each() {
    let (database, service) = service_with_long_timeout();
    let line = |key: usize| deployed_with(&json!({ "component": format!("c{key}"), "idempotency_key": "k" }));
    let responses = send_concurrently(&database, &service, |service, number| {
        let lines: Vec<_> = (0..10).map(|key| line((key + number) % 10)).collect();
        service.import(&lines.join("\n"))
    });
    let recorded: u64 = responses.iter().map(|response| response.expect(201)["recorded"].as_u64().unwrap()).sum();
    let replayed: u64 = responses.iter().map(|response| response.json()["replayed"].as_u64().unwrap()).sum();
    assert_eq!((recorded, replayed, service.all_records().len()), (10, SENDERS as u64 * 10 - 10, 10));
}

#[test]
fn what_a_delivery_differs_from_is_written_before_it_is_a_422() {
    // More than enough for a group behind the one that waits.
    const OTHERS: usize = 64;
    let (database, service) = service_with_long_timeout();
    let session = Session::open(&database.url());
    session.lock_components(&["web"]);
    let version = |number: usize| deployed_with(&json!({ "version": number.to_string() }));
    std::thread::scope(|scope| {
        let (service, version) = (&service, &version);
        let first = scope.spawn(move || service.post(&version(0)).status);
        eventually("a group waits", || count_lock_waits(&database.url()) == 1);
        let others: Vec<_> =
            (1..=OTHERS).map(|number| scope.spawn(move || post(service, &version(number)).status)).collect();
        let waiting = format!("deploylog_queue_requests{{queue=\"write\"}} {}\n", OTHERS + 1);
        eventually("all are there", || service.get("/metrics").body.contains(&waiting));
        // By the time that the service has answered others, it has grouped them.
        for _ in 0..20 {
            assert_eq!(service.get("/api/").status, 200);
        }
        assert!(service.get("/metrics").body.contains(&waiting), "somebody was answered");
        session.execute("commit");
        assert_eq!(first.join().unwrap(), 201);
        let mut statuses: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
        statuses.sort_unstable();
        assert_eq!((statuses[0], &statuses[1..]), (201, &[422; OTHERS - 1][..]));
    });
}
