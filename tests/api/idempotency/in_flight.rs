//! Concurrent deliveries with the same key.

use serde_json::json;

use super::expect_replay;
use crate::harness::{
    DEPLOYED, Response, SENDERS, Service, Session, count_lock_waits, deployed_with, eventually, send_concurrently,
    service_with_long_timeout,
};

fn post(service: &Service, body: &str) -> Response {
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    service.request("POST", "/api/", &headers, Some(body))
}

#[test]
fn concurrent_deliveries_with_the_same_content_create_one_record() {
    let (database, service) = service_with_long_timeout();
    let responses = send_concurrently(&database, &service, |service, _| post(service, DEPLOYED));
    let (first, again): (Vec<_>, Vec<_>) = responses.iter().partition(|response| response.status == 201);
    assert_eq!((first.len(), again.len()), (1, SENDERS - 1));
    for response in again {
        assert_eq!(expect_replay(response), first[0].json());
    }
    assert_eq!(service.all_records(), [first[0].json()]);
}

#[test]
fn one_of_several_concurrent_deliveries_with_different_content_is_recorded_and_the_others_get_422() {
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
fn concurrent_imports_with_the_same_keys_create_one_record_per_key() {
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
fn a_delivery_gets_422_only_after_the_content_it_differs_from_is_written() {
    // More than enough to fill a group after the one that waits.
    const OTHERS: usize = 64;
    let (database, service) = service_with_long_timeout();
    let session = Session::open(&database.url());
    session.lock_components(&["web"]);
    let version = |number: usize| deployed_with(&json!({ "version": number.to_string() }));
    std::thread::scope(|scope| {
        let (service, version) = (&service, &version);
        let first = scope.spawn(move || service.post(&version(0)).status);
        eventually("the first group waits", || count_lock_waits(&database.url()) == 1);
        let others: Vec<_> =
            (1..=OTHERS).map(|number| scope.spawn(move || post(service, &version(number)).status)).collect();
        let waiting = format!("deploylog_queue_requests{{queue=\"write\"}} {}\n", OTHERS + 1);
        eventually("all deliveries have arrived", || service.get("/metrics").body.contains(&waiting));
        // After these requests the service has had time to form the next group.
        for _ in 0..20 {
            assert_eq!(service.get("/api/").status, 200);
        }
        assert!(service.get("/metrics").body.contains(&waiting), "a delivery got its response too early");
        session.execute("commit");
        assert_eq!(first.join().unwrap(), 201);
        let mut statuses: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
        statuses.sort_unstable();
        assert_eq!((statuses[0], &statuses[1..]), (201, &[422; OTHERS - 1][..]));
    });
}
