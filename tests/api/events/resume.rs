//! Coming back with `Last-Event-ID`.

use serde_json::json;

use super::{names_and_ids, patient};
use crate::harness::{DEPLOYED, Database, Service, Subscriber, deployed_with, eventually};

#[test]
fn who_comes_back_misses_nothing_also_not_over_a_restart() {
    let database = Database::new();
    let mut service = patient(&database, &[]);
    let mut subscriber = Subscriber::start(&service, "/api/events");
    let last_id = subscriber.last_id.clone();
    drop(subscriber);
    service.record(DEPLOYED);
    let changed = service.send_json("PATCH", "/api/1", r#"{"owner":"bob"}"#).expect(200);
    service.stop();
    let service = patient(&database, &[]);
    service.request("DELETE", "/api/1", &[], None);
    service.record(&deployed_with(&json!({"component": "api"})));
    subscriber = Subscriber::resume(&service, "/api/events", &last_id);
    let events = subscriber.take(4);
    let (one, two) = (json!(1), json!(2));
    assert_eq!(names_and_ids(&events), [("recorded", &one), ("changed", &one), ("deleted", &one), ("recorded", &two)]);
    assert_eq!((&events[0].data["owner"], &events[1].data), (&json!("ann"), &changed), "each as it was then");

    // In the middle, and at the end.
    let mut resumed = Subscriber::resume(&service, "/api/events", &events[1].id);
    assert_eq!(resumed.take(2), events[2..]);
    let mut resumed = Subscriber::resume(&service, "/api/events?component=api", &events[3].id);
    service.record(&deployed_with(&json!({"component": "api"})));
    assert_eq!(resumed.next().data["id"], 3);
}

#[test]
fn who_comes_back_in_the_middle_of_an_import_hears_the_rest_of_it() {
    let service = patient(&Database::new(), &[]);
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
    assert_eq!(names_and_ids(&[subscriber.next()]), [("recorded", &id)], "it goes on from now");
}

#[test]
fn an_id_that_is_none_or_of_another_database_resets_its_reader() {
    let service = patient(&Database::new(), &[]);
    for last_id in ["nonsense", "ffffff-0", "-1-0", "7", "99999999999999999-1"] {
        assert_resets(&service, last_id);
    }
}

#[test]
fn what_is_older_than_an_hour_is_forgotten_and_resets_its_reader() {
    let database = Database::new();
    let mut service = patient(&database, &[]);
    let mut subscriber = Subscriber::start(&service, "/api/events");
    let start = subscriber.last_id.clone();
    for _ in 0..6 {
        service.record(DEPLOYED);
    }
    let ids: Vec<_> = subscriber.take(6).into_iter().map(|event| event.id).collect();
    service.stop();
    // An hour and a bit ago the first four, within the hour the others.
    database.sql("update events set logged_at = now() - interval '71 minutes' where number <= 4");
    database.sql("update events set logged_at = now() - interval '61 minutes' where number = 5");
    let service = patient(&database, &[]);
    eventually("the old ones are forgotten", || database.sql("select number from events order by number")[0] == ["4"]);
    assert_resets(&service, &start);
    assert_resets(&service, &ids[2]);
    let mut resumed = Subscriber::resume(&service, "/api/events", &ids[3]);
    assert_eq!(names_and_ids(&resumed.take(2)), [("recorded", &json!(5)), ("recorded", &json!(6))]);
}

#[test]
fn who_is_behind_and_reads_more_slowly_than_events_are_forgotten_is_cut_and_then_reset() {
    let database = Database::new();
    let service = patient(&database, &[]);
    let mut subscriber = Subscriber::start(&service, "/api/events?component=api");
    let start = subscriber.last_id.clone();
    // More than fit between the two of them, of which the first are read.
    let run = "r".repeat(1_000);
    let lines: String = (0..2_000)
        .map(|n| format!("{}\n", deployed_with(&json!({"run": run, "stage": run, "version": n.to_string()}))))
        .collect();
    for _ in 0..8 {
        service.import(&lines).expect(201);
    }
    service.record(&deployed_with(&json!({"component": "api"})));
    assert_eq!(subscriber.next().data["component"], "api", "all of it is told by now");
    let mut slow = Subscriber::resume(&service, "/api/events", &start);
    slow.next();
    // As an hour and more would.
    database.sql("delete from events where number < (select max(number) from events)");
    let mut heard = 1;
    while slow.try_next().is_ok() {
        heard += 1;
    }
    assert!(heard < 16_001, "{heard}");
    assert_resets(&service, &slow.last_id);
}
