//! All subscribers get all events in the same order.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::start_service;
use crate::harness::{DEPLOYED, Database, Event, PrivateCluster, Service, Session, Subscriber, deployed_with};

/// Applies events to an empty set of records, as a subscriber does.
fn replay(events: &[Event]) -> BTreeMap<i64, Value> {
    let mut records = BTreeMap::new();
    for event in events {
        let id = event.data["id"].as_i64().unwrap();
        match event.name.as_str() {
            "recorded" => assert!(records.insert(id, event.data.clone()).is_none(), "{id} is recorded twice"),
            "changed" => {
                let before = records.insert(id, event.data.clone()).expect("recorded before it is changed");
                assert!(before["updated_at"].as_str() < event.data["updated_at"].as_str(), "{before} {event:?}");
            }
            "deleted" => assert!(records.remove(&id).is_some(), "{id} is deleted before it is recorded"),
            other => panic!("{other}"),
        }
    }
    records
}

/// Records, changes and deletes from several threads, spread over the services. The starts come after their finishes, so
/// that the finishes change too.
fn write_concurrently(services: &[&Service]) {
    std::thread::scope(|scope| {
        for sender in 0..6 {
            let service = services[sender % services.len()];
            let other = services[(sender + 1) % services.len()];
            scope.spawn(move || {
                for round in 0..25 {
                    let record = |status: &str, field: &str| {
                        let time = format!("2026-01-01T00:{round:02}:{}0Z", u8::from(status == "deployed"));
                        deployed_with(
                            &json!({"component": "web", "run": sender.to_string(), "status": status, field: time}),
                        )
                    };
                    let finish = service.record(&record("deployed", "finished_at"));
                    let start = other.record(&record("started", "started_at"));
                    let path = |record: &Value| format!("/api/{}", record["id"]);
                    match round % 3 {
                        0 => drop(service.send_json("PATCH", &path(&finish), r#"{"owner":"bob"}"#)),
                        1 => drop(other.request("DELETE", &path(&start), &[], None)),
                        _ => drop(other.request("DELETE", &path(&finish), &[], None)),
                    }
                }
            });
        }
    });
}

/// The events before the one for the record with this version.
fn until(subscriber: &mut Subscriber, version: &str) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let event = subscriber.next();
        if event.data["version"] == version {
            return events;
        }
        events.push(event);
    }
}

#[test]
fn two_replicas_send_the_same_events_in_the_same_order_and_they_add_up_to_the_records() {
    let database = Database::new();
    let services = [start_service(&database, &[]), start_service(&database, &[])];
    let mut subscribers = services.each_ref().map(|service| Subscriber::start(service, "/api/events"));
    write_concurrently(&services.each_ref());
    services[0].record(&deployed_with(&json!({"version": "the end"})));
    let [first, second] = subscribers.each_mut().map(|subscriber| until(subscriber, "the end"));
    assert_eq!(first, second);
    let replayed: Vec<Value> = replay(&first).into_values().collect();
    let mut all = services[0].all_records();
    all.retain(|record| record["version"] != "the end");
    all.sort_by_key(|record| record["id"].as_i64());
    assert_eq!(replayed, all);
    assert!(first.iter().any(|event| event.name == "changed" && event.data["start_id"].is_i64()));
}

#[test]
fn a_subscriber_that_reconnects_again_and_again_gets_the_same_events_as_one_that_stays() {
    let service = start_service(&Database::new(), &[]);
    let mut connected = Subscriber::start(&service, "/api/events");
    let mut reconnecting = Subscriber::start(&service, "/api/events");
    let mut received = Vec::new();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            write_concurrently(&[&service]);
            service.record(&deployed_with(&json!({"version": "the end"})));
        });
        loop {
            let event = reconnecting.next();
            if event.data["version"] == "the end" {
                break;
            }
            received.push(event);
            if received.len() % 7 == 0 {
                reconnecting = Subscriber::resume(&service, "/api/events", &reconnecting.last_id);
            }
        }
        writing.join().unwrap();
    });
    assert_eq!(received, until(&mut connected, "the end"));
}

#[test]
fn an_event_that_commits_late_is_sent_before_the_later_ones() {
    let cluster = PrivateCluster::start();
    let url = cluster.url();
    let service = Service::with_environment(&[("DATABASE_URL", &url)]);
    let mut subscriber = Subscriber::start(&service, "/api/events");
    service.record(DEPLOYED);
    assert_eq!(subscriber.next().data["id"], 1);
    // Like a slow statement of another replica.
    let slow = Session::open(&url);
    slow.execute(
        "begin;
         insert into records (component, version, owner, status, phase) values ('slow', '1', 'ann', 'queued', 'noted');
         insert into events (number, event, ids) values (nextval('event_number'), 'recorded', array[currval('record_id')])",
    );
    for _ in 0..3 {
        service.record(DEPLOYED);
    }
    let mut late = Subscriber::start(&service, "/api/events");
    let another = Service::with_environment(&[("DATABASE_URL", &url)]);
    let response = another.get("/api/events");
    assert_eq!(
        (response.status, response.header("retry-after")),
        (503, Some("1")),
        "its start position is not known yet"
    );
    // That request took two seconds, in which the first service polled many times.
    slow.execute("commit");
    let events = subscriber.take(4);
    let components: Vec<_> = events.iter().map(|event| event.data["component"].as_str().unwrap()).collect();
    assert_eq!(components, ["slow", "web", "web", "web"]);
    assert_eq!(late.take(4), events);
}
