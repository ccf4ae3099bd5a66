//! Resuming with `Last-Event-ID`.

use serde_json::json;

use super::{names_and_ids, start_service};
use crate::harness::{DEPLOYED, Database, Service, Subscriber, deployed_with, eventually};

#[test]
fn a_resumed_subscription_misses_no_event_even_after_a_restart() {
    let database = Database::new();
    let mut service = start_service(&database, &[]);
    let mut subscriber = Subscriber::start(&service, "/api/events");
    let last_id = subscriber.last_id.clone();
    drop(subscriber);
    service.record(DEPLOYED);
    let changed = service.send_json("PATCH", "/api/1", r#"{"owner":"bob"}"#).expect(200);
    service.stop();
    let service = start_service(&database, &[]);
    service.request("DELETE", "/api/1", &[], None);
    service.record(&deployed_with(&json!({"component": "api"})));
    subscriber = Subscriber::resume(&service, "/api/events", &last_id);
    let events = subscriber.take(4);
    let (one, two) = (json!(1), json!(2));
    assert_eq!(names_and_ids(&events), [("recorded", &one), ("changed", &one), ("deleted", &one), ("recorded", &two)]);
    assert_eq!(
        (&events[0].data["owner"], &events[1].data),
        (&json!("ann"), &changed),
        "each record as it was at that time"
    );

    // Resume in the middle and at the end.
    let mut resumed = Subscriber::resume(&service, "/api/events", &events[1].id);
    assert_eq!(resumed.take(2), events[2..]);
    let mut resumed = Subscriber::resume(&service, "/api/events?component=api", &events[3].id);
    service.record(&deployed_with(&json!({"component": "api"})));
    assert_eq!(resumed.next().data["id"], 3);
}

#[test]
fn a_subscription_resumed_within_an_import_gets_the_rest_of_it() {
    let service = start_service(&Database::new(), &[]);
    let mut subscriber = Subscriber::start(&service, "/api/events");
    let lines: String =
        (0..2_000).map(|n| format!("{}\n", deployed_with(&json!({"version": n.to_string()})))).collect();
    service.import(&lines).expect(201);
    let id = subscriber.take(700).pop().unwrap().id;
    let mut resumed = Subscriber::resume(&service, "/api/events", &id);
    let versions: Vec<_> = resumed.take(1_300).into_iter().map(|event| event.data["version"].clone()).collect();
    assert_eq!(versions, (700..2_000).map(|n| json!(n.to_string())).collect::<Vec<_>>());
    service.record(DEPLOYED);
    assert_eq!(resumed.next().data["version"], "2.1");
}

#[track_caller]
fn assert_resets(service: &Service, last_id: &str) {
    let mut subscriber = Subscriber::resume(service, "/api/events", last_id);
    assert_eq!(subscriber.next().name, "reset", "{last_id}");
    let id = service.record(DEPLOYED)["id"].clone();
    assert_eq!(names_and_ids(&[subscriber.next()]), [("recorded", &id)], "the subscription continues with new events");
}

#[test]
fn an_invalid_or_foreign_event_id_leads_to_a_reset() {
    let service = start_service(&Database::new(), &[]);
    for last_id in ["nonsense", "ffffff-0", "-1-0", "7", "99999999999999999-1"] {
        assert_resets(&service, last_id);
    }
}

#[test]
fn events_older_than_70_minutes_are_deleted_and_resuming_from_them_leads_to_a_reset() {
    let database = Database::new();
    let mut service = start_service(&database, &[]);
    let mut subscriber = Subscriber::start(&service, "/api/events");
    let start = subscriber.last_id.clone();
    for _ in 0..6 {
        service.record(DEPLOYED);
    }
    let ids: Vec<_> = subscriber.take(6).into_iter().map(|event| event.id).collect();
    service.stop();
    // Four are older than 70 minutes; the newest of these is retained, so that a subscriber can resume after it.
    database.sql("update events set logged_at = now() - interval '71 minutes' where number <= 4");
    database.sql("update events set logged_at = now() - interval '61 minutes' where number = 5");
    let service = start_service(&database, &[]);
    eventually("the old events are deleted", || database.sql("select number from events order by number")[0] == ["4"]);
    assert_resets(&service, &start);
    assert_resets(&service, &ids[2]);
    let mut resumed = Subscriber::resume(&service, "/api/events", &ids[3]);
    assert_eq!(names_and_ids(&resumed.take(2)), [("recorded", &json!(5)), ("recorded", &json!(6))]);
}

#[test]
fn after_the_clock_was_set_back_no_event_between_two_retained_ones_is_deleted() {
    let database = Database::new();
    let mut service = start_service(&database, &[]);
    for _ in 0..6 {
        service.record(DEPLOYED);
    }
    service.stop();
    // The clock was set back by 15 minutes after the fourth record.
    database.sql(
        "update events set logged_at = now() - interval '1 minute'
           * case when number <= 2 then 80 when number <= 4 then 60 else 75 end",
    );
    let _service = start_service(&database, &[]);
    let numbers = || database.sql("select number from events order by number").concat();
    eventually("the old events are deleted", || numbers()[0] == "2");
    assert_eq!(numbers(), ["2", "3", "4", "5", "6"]);
}

#[test]
fn a_slow_subscriber_whose_next_events_are_deleted_is_disconnected_and_then_reset() {
    let database = Database::new();
    let service = start_service(&database, &[]);
    let mut subscriber = Subscriber::start(&service, "/api/events?component=api");
    let start = subscriber.last_id.clone();
    // More than the buffers between service and subscriber hold.
    let run = "r".repeat(1_000);
    let lines: String = (0..2_000)
        .map(|n| format!("{}\n", deployed_with(&json!({"run": run, "stage": run, "version": n.to_string()}))))
        .collect();
    for _ in 0..8 {
        service.import(&lines).expect(201);
    }
    service.record(&deployed_with(&json!({"component": "api"})));
    assert_eq!(subscriber.next().data["component"], "api", "all events have been read from the database");
    let mut slow = Subscriber::resume(&service, "/api/events", &start);
    slow.next();
    // As retention does after 70 minutes.
    database.sql("delete from events where number < (select max(number) from events)");
    let mut received = 1;
    while slow.try_next().is_ok() {
        received += 1;
    }
    assert!(received < 16_001, "{received}");
    assert_resets(&service, &slow.last_id);
}
