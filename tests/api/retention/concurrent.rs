//! Deletion of whole runs, with concurrent writes and subscribers.

use serde_json::{Value, json};

use super::{backdate_records, import, record, start_with_30_days_retention, stored_ids};
use crate::harness::{DEPLOYED, Database, Service, Session, Subscriber, count_lock_waits, eventually};

/// A run of a deploy with two stages and a noted record.
fn run(name: &str, day: i64, last_day: i64) -> Vec<Value> {
    let in_stage = |stage: Option<&str>| json!({"run": name, "stage": stage});
    vec![
        record("web", "started", day, "10:00:00", &in_stage(None)),
        record("web", "started", day, "10:00:01", &in_stage(Some("Build"))),
        record("web", "queued", day, "10:00:02", &in_stage(Some("Roll out"))),
        record("web", "ok", day, "10:00:30", &in_stage(Some("Build"))),
        record("web", "started", last_day, "10:00:30", &in_stage(Some("Roll out"))),
        record("web", "ok", last_day, "10:01:00", &in_stage(Some("Roll out"))),
        record("web", "ok", last_day, "10:01:00", &in_stage(None)),
    ]
}

#[test]
fn a_run_is_deleted_as_a_whole_once_all_its_records_are_old() {
    let database = Database::new();
    let service = Service::with_database(&database);
    import(&service, &run("job#1", 50, 40));
    let retained = import(&service, &run("job#2", 50, 20));
    let other = json!({"component": "api", "run": "job#2"});
    import(&service, &[record("api", "started", 50, "10:00:00", &other)]);
    backdate_records(&database);
    let target = "/api/deploys?stages=true&run=job%232&component=web";
    let deploy = service.get(target).expect(200);
    drop(service);
    let service = start_with_30_days_retention(&database);
    assert_eq!(stored_ids(&database), retained);
    assert_eq!(service.get(target).expect(200), deploy, "with every stage");
}

#[test]
fn retention_waits_for_a_write_to_the_component_and_sees_it() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let old = import(&service, &run("job#1", 50, 40));
    // The current deploy.
    let current = import(&service, &run("job#3", 20, 20));
    backdate_records(&database);
    drop(service);
    let session = Session::open(&database.url());
    session.lock_components(&["web"]);
    // An uncommitted write makes one record of the run recent, so the whole run must be retained.
    session.execute(&format!("update records set recorded_at = now() where id = {}", old[6]));
    std::thread::scope(|scope| {
        let retention = scope.spawn(|| start_with_30_days_retention(&database));
        eventually("retention waits for the component", || count_lock_waits(&database.url()) == 1);
        assert_eq!(stored_ids(&database), [old.clone(), current.clone()].concat());
        session.execute("commit");
        retention.join().unwrap();
    });
    assert_eq!(stored_ids(&database), [old.clone(), current.clone()].concat());
    backdate_records(&database);
    let _service = start_with_30_days_retention(&database);
    assert_eq!(stored_ids(&database), current);
}

#[test]
fn deletions_publish_events_and_a_concurrent_change_succeeds_or_returns_404() {
    let database = Database::new();
    // A long timeout, because transactions of other tests in the cluster delay the events.
    let service = Service::with_environment(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_POOL_TIMEOUT", "30")]);
    let ids = import(
        &service,
        &(0..600).map(|n| record(&format!("c{n}"), "started", 40, "10:00:00", &json!({}))).collect::<Vec<_>>(),
    );
    backdate_records(&database);
    let mut subscriber = Subscriber::start(&service, "/api/events?component=c7");
    let changed = std::thread::scope(|scope| {
        let changing = scope.spawn(|| {
            let mut connection = service.connect();
            let headers = [("content-type", "application/json")];
            // In reverse order, so that changes and deletions meet.
            let change = |id: &i64| {
                let target = format!("/api/{id}");
                let response = connection.request("PATCH", &target, &headers, Some(br#"{"owner":"bob"}"#));
                assert!([200, 404].contains(&response.status), "{response:?}");
                response.status
            };
            ids.iter().rev().map(change).filter(|status| *status == 200).count()
        });
        let _retention = start_with_30_days_retention(&database);
        changing.join().unwrap()
    });
    assert!(changed > 0, "changes and deletions did not overlap");
    assert_eq!(stored_ids(&database), [0; 0]);
    let mut events = vec![subscriber.next()];
    while events.last().unwrap().name != "deleted" {
        events.push(subscriber.next());
    }
    assert!(events.iter().all(|event| event.data["id"] == ids[7]), "{events:?}");
    assert_eq!(service.record(DEPLOYED)["id"].as_i64().map(|id| id > ids[599]), Some(true));
}
