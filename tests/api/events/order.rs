//! One order for everyone, and nothing left out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::patient;
use crate::harness::{DEPLOYED, Database, Event, PrivateCluster, Service, Session, Subscriber, deployed_with};

/// What a reader makes of the events: each record as it was last told.
fn standing(events: &[Event]) -> BTreeMap<i64, Value> {
    let mut standing = BTreeMap::new();
    for event in events {
        let id = event.data["id"].as_i64().unwrap();
        match event.name.as_str() {
            "recorded" => assert!(standing.insert(id, event.data.clone()).is_none(), "{id} is recorded twice"),
            "changed" => {
                let before = standing.insert(id, event.data.clone()).expect("recorded before it is changed");
                assert!(before["updated_at"].as_str() < event.data["updated_at"].as_str(), "{before} {event:?}");
            }
            "deleted" => assert!(standing.remove(&id).is_some(), "{id} is deleted before it is there"),
            other => panic!("{other}"),
        }
    }
    standing
}

/// Writes, changes and removes records from several senders at once, in turn to these services: deploys whose starts
/// come late, so that their finishes change too. Ends with a record of `component`.
fn write_side_by_side(services: &[&Service]) {
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

/// Everything up to the record with this version.
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
fn two_replicas_tell_the_same_in_the_same_order_and_it_adds_up_to_what_stands() {
    let database = Database::new();
    let services = [patient(&database, &[]), patient(&database, &[])];
    let mut subscribers = services.each_ref().map(|service| Subscriber::start(service, "/api/events"));
    write_side_by_side(&services.each_ref());
    services[0].record(&deployed_with(&json!({"version": "the end"})));
    let [told, also] = subscribers.each_mut().map(|subscriber| until(subscriber, "the end"));
    assert_eq!(told, also);
    let standing: Vec<Value> = standing(&told).into_values().collect();
    let mut all = services[0].all_records();
    all.retain(|record| record["version"] != "the end");
    all.sort_by_key(|record| record["id"].as_i64());
    assert_eq!(standing, all);
    assert!(told.iter().any(|event| event.name == "changed" && event.data["start_id"].is_i64()));
}

#[test]
fn who_comes_back_again_and_again_hears_the_same_as_who_stays() {
    let service = patient(&Database::new(), &[]);
    let mut stays = Subscriber::start(&service, "/api/events");
    let mut returns = Subscriber::start(&service, "/api/events");
    let mut heard = Vec::new();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            write_side_by_side(&[&service]);
            service.record(&deployed_with(&json!({"version": "the end"})));
        });
        loop {
            let event = returns.next();
            if event.data["version"] == "the end" {
                break;
            }
            heard.push(event);
            if heard.len() % 7 == 0 {
                returns = Subscriber::resume(&service, "/api/events", &returns.last_id);
            }
        }
        writing.join().unwrap();
    });
    assert_eq!(heard, until(&mut stays, "the end"));
}

#[test]
fn what_commits_late_is_told_before_what_came_after_it() {
    let cluster = PrivateCluster::start();
    let url = cluster.url();
    let service = Service::with_environment(&[("DATABASE_URL", &url)]);
    let mut subscriber = Subscriber::start(&service, "/api/events");
    service.record(DEPLOYED);
    assert_eq!(subscriber.next().data["id"], 1);
    // As a replica does whose statement takes its time.
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
        "where it would begin is not known"
    );
    // That took two seconds, in which the first service has looked many times.
    slow.execute("commit");
    let events = subscriber.take(4);
    let components: Vec<_> = events.iter().map(|event| event.data["component"].as_str().unwrap()).collect();
    assert_eq!(components, ["slow", "web", "web", "web"]);
    assert_eq!(late.take(4), events);
}
