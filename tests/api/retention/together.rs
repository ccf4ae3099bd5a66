//! What goes together, beside those who write and listen.

use serde_json::{Value, json};

use super::{import, keeping_30_days, record, recorded_as_they_happened, standing};
use crate::harness::{DEPLOYED, Database, Service, Session, Subscriber, count_lock_waits, eventually};

/// A run of a deploy with two stages, and something noted.
fn run(name: &str, day: i64, last_day: i64) -> Vec<Value> {
    let of = |stage: Option<&str>| json!({"run": name, "stage": stage});
    vec![
        record("web", "started", day, "10:00:00", &of(None)),
        record("web", "started", day, "10:00:01", &of(Some("Build"))),
        record("web", "queued", day, "10:00:02", &of(Some("Roll out"))),
        record("web", "ok", day, "10:00:30", &of(Some("Build"))),
        record("web", "started", last_day, "10:00:30", &of(Some("Roll out"))),
        record("web", "ok", last_day, "10:01:00", &of(Some("Roll out"))),
        record("web", "ok", last_day, "10:01:00", &of(None)),
    ]
}

#[test]
fn a_run_is_deleted_as_a_whole_once_all_its_records_are_old() {
    let database = Database::new();
    let service = Service::with_database(&database);
    import(&service, &run("job#1", 50, 40));
    let stays = import(&service, &run("job#2", 50, 20));
    let other = json!({"component": "api", "run": "job#2"});
    import(&service, &[record("api", "started", 50, "10:00:00", &other)]);
    recorded_as_they_happened(&database);
    let target = "/api/deploys?stages=true&run=job%232&component=web";
    let deploy = service.get(target).expect(200);
    drop(service);
    let service = keeping_30_days(&database);
    assert_eq!(standing(&database), stays);
    assert_eq!(service.get(target).expect(200), deploy, "with every stage");
}

#[test]
fn retention_waits_for_a_write_to_the_component_and_sees_it() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let old = import(&service, &run("job#1", 50, 40));
    // What runs.
    let last = import(&service, &run("job#3", 20, 20));
    recorded_as_they_happened(&database);
    drop(service);
    let session = Session::open(&database.url());
    session.lock_components(&["web"]);
    // A write that has just begun to speak of the run: all of it stays.
    session.execute(&format!("update records set recorded_at = now() where id = {}", old[6]));
    std::thread::scope(|scope| {
        let forgetting = scope.spawn(|| keeping_30_days(&database));
        eventually("it waits for the component", || count_lock_waits(&database.url()) == 1);
        assert_eq!(standing(&database), [old.clone(), last.clone()].concat());
        session.execute("commit");
        forgetting.join().unwrap();
    });
    assert_eq!(standing(&database), [old.clone(), last.clone()].concat());
    recorded_as_they_happened(&database);
    let _service = keeping_30_days(&database);
    assert_eq!(standing(&database), last);
}

#[test]
fn deletions_publish_events_and_a_concurrent_change_succeeds_or_returns_404() {
    let database = Database::new();
    // Other tests' transactions in the same cluster keep listeners waiting.
    let service = Service::with_environment(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_POOL_TIMEOUT", "30")]);
    let ids = import(
        &service,
        &(0..600).map(|n| record(&format!("c{n}"), "started", 40, "10:00:00", &json!({}))).collect::<Vec<_>>(),
    );
    recorded_as_they_happened(&database);
    let mut subscriber = Subscriber::start(&service, "/api/events?component=c7");
    let changed = std::thread::scope(|scope| {
        let changing = scope.spawn(|| {
            let mut connection = service.connect();
            let headers = [("content-type", "application/json")];
            // From the end, so that they meet.
            let change = |id: &i64| {
                let target = format!("/api/{id}");
                let response = connection.request("PATCH", &target, &headers, Some(br#"{"owner":"bob"}"#));
                assert!([200, 404].contains(&response.status), "{response:?}");
                response.status
            };
            ids.iter().rev().map(change).filter(|status| *status == 200).count()
        });
        let _forgetting = keeping_30_days(&database);
        changing.join().unwrap()
    });
    assert!(changed > 0, "they did not meet");
    assert_eq!(standing(&database), [0; 0]);
    let mut told = vec![subscriber.next()];
    while told.last().unwrap().name != "deleted" {
        told.push(subscriber.next());
    }
    assert!(told.iter().all(|event| event.data["id"] == ids[7]), "{told:?}");
    assert_eq!(service.record(DEPLOYED)["id"].as_i64().map(|id| id > ids[599]), Some(true));
}
