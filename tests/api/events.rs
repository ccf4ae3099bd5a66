//! `GET /api/events`: which events are sent, filters, and errors.

mod limits;
mod order;
mod resume;

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{DEPLOYED, Database, Event, Service, Subscriber, deployed_with};

/// A service with a long pool timeout: a subscription waits for the transactions of other tests in the same cluster.
fn start_service(database: &Database, settings: &[(&str, &str)]) -> Service {
    let url = database.url();
    let mut environment = vec![("DATABASE_URL", url.as_str()), ("DEPLOYLOG_POOL_TIMEOUT", "30")];
    environment.extend_from_slice(settings);
    Service::with_environment(&environment)
}

fn names_and_ids(events: &[Event]) -> Vec<(&str, &Value)> {
    events.iter().map(|event| (event.name.as_str(), &event.data["id"])).collect()
}

#[test]
fn events_come_in_order_with_the_whole_record() {
    let service = start_service(&Database::new(), &[]);
    let mut subscriber = Subscriber::start(&service, "/api/events");
    assert_eq!(subscriber.head.header("content-type"), Some("text/event-stream"));
    assert_eq!(subscriber.head.header("cache-control"), Some("no-store"));

    let first = service.record(DEPLOYED);
    assert_eq!(subscriber.next().data, first);
    assert!((1_000..5_000).contains(&subscriber.retry.expect("a reconnection time")));
    let second = service.record(&deployed_with(&json!({"component": "api"})));
    let changed = service.send_json("PATCH", "/api/1", r#"{"owner":"bob"}"#).expect(200);
    service.send_json("PUT", "/api/1", &deployed_with(&json!({"owner": "bob"}))).expect(200);
    service.request("DELETE", "/api/2", &[], None);
    let events = subscriber.take(3);
    assert_eq!(
        names_and_ids(&events),
        [("recorded", &json!(2)), ("changed", &json!(1)), ("deleted", &json!(2))],
        "a change without effect is not an event"
    );
    assert_eq!((&events[0].data, &events[1].data, &events[2].data), (&second, &changed, &json!({"id": 2})));
}

#[test]
fn a_finish_that_gains_or_loses_its_start_is_sent_as_changed() {
    let service = start_service(&Database::new(), &[]);
    let mut subscriber = Subscriber::start(&service, "/api/events");
    service.record(&deployed_with(&json!({"finished_at": "2026-01-01T00:10:00Z"})));
    service.record(&deployed_with(&json!({"status": "started", "started_at": "2026-01-01T00:09:00Z"})));
    service.request("DELETE", "/api/2", &[], None);
    let events = subscriber.take(5);
    let one = json!(1);
    let two = json!(2);
    assert_eq!(
        names_and_ids(&events),
        [("recorded", &one), ("recorded", &two), ("changed", &one), ("deleted", &two), ("changed", &one)]
    );
    let durations: Vec<_> = events.iter().map(|event| &event.data["duration_seconds"]).collect();
    assert_eq!(durations, [&Value::Null, &Value::Null, &json!(60.0), &Value::Null, &Value::Null]);
    assert_eq!(events[2].data["start_id"], 2);
    assert_eq!(events[4].data, service.read(&one));
}

#[test]
fn each_imported_line_is_an_event_and_a_replay_is_not() {
    let service = start_service(&Database::new(), &[]);
    let mut subscriber = Subscriber::start(&service, "/api/events");
    let line = |number: usize| {
        format!("{}\n", deployed_with(&json!({"version": number.to_string(), "idempotency_key": number.to_string()})))
    };
    let lines: String = (1..=3).map(line).collect();
    service.import(&lines).expect(201);
    service.import(&lines).expect(201);
    let last = service.record(DEPLOYED);
    let events = subscriber.take(4);
    assert_eq!(
        events.iter().map(|event| event.data["version"].as_str().unwrap()).collect::<Vec<_>>(),
        ["1", "2", "3", "2.1"]
    );
    assert_eq!(events[3].data, last);
}

#[test]
fn a_filter_matches_a_record_as_it_is_or_as_it_was() {
    let service = start_service(&Database::new(), &[]);
    let target = "/api/events?component=web&environment=production&phase=succeeded";
    let mut subscriber = Subscriber::start(&service, target);
    let production = json!({"environment": "production"});
    for fields in
        [json!({}), json!({"environment": "staging"}), json!({"component": "api", "environment": "production"})]
    {
        service.record(&deployed_with(&fields));
    }
    service.record(&deployed_with(&json!({"environment": "production", "status": "failed"})));
    service.record(&deployed_with(&production));
    service.send_json("PATCH", "/api/2", &production.to_string()).expect(200);
    service.send_json("PATCH", "/api/5", r#"{"environment":"staging"}"#).expect(200);
    service.request("DELETE", "/api/3", &[], None);
    service.request("DELETE", "/api/2", &[], None);
    let events = subscriber.take(4);
    assert_eq!(
        names_and_ids(&events),
        [("recorded", &json!(5)), ("changed", &json!(2)), ("changed", &json!(5)), ("deleted", &json!(2))]
    );
    assert_eq!(events[2].data["environment"], "staging", "the event has the new state, which no longer matches");
}

#[test]
fn an_idle_subscriber_gets_a_heartbeat_with_its_position_within_15_seconds() {
    let service = start_service(&Database::new(), &[]);
    let mut subscriber = Subscriber::start(&service, "/api/events?component=api");
    let mut busy = Subscriber::start(&service, "/api/events");
    let before = subscriber.last_id.clone();
    service.record(DEPLOYED);
    busy.next();
    subscriber.set_read_timeout(Duration::from_secs(17));
    subscriber.wait_for_heartbeat();
    assert_ne!(subscriber.last_id, before, "the position has passed the filtered event");
    let resumed = Subscriber::resume(&service, "/api/events", &subscriber.last_id);
    assert_eq!(resumed.last_id, subscriber.last_id);
}

#[test]
fn invalid_parameters_media_types_and_methods_are_refused() {
    let service = Service::start();
    assert_eq!(service.get("/api/events?components=web&phase=done").bad_fields(400), ["phase", "components"]);
    let response = service.request("GET", "/api/events", &[("accept", "application/json")], None);
    assert_eq!(response.problem(406), "available media types: text/event-stream");
    let response = service.send_json("POST", "/api/events", "{}");
    assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    let response = service.request("HEAD", "/api/events", &[], None);
    assert_eq!((response.status, response.header("content-type")), (200, Some("text/event-stream")));
}
