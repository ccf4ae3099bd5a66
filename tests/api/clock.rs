//! The clock of the database is set back, as docs/operations.md describes.

use serde_json::json;

use crate::harness::{Database, Service, Subscriber, deployed_with};

/// A service whose database has functions for the time that a test can set back.
fn service_with_clock(database: &Database) -> Service {
    database.sql(
        "create table seconds_back (seconds integer);
         insert into seconds_back values (0);
         create function clock_timestamp() returns timestamptz language sql
           return pg_catalog.clock_timestamp() - (select seconds from seconds_back) * interval '1 second';
         create function now() returns timestamptz language sql
           return pg_catalog.now() - (select seconds from seconds_back) * interval '1 second'",
    );
    // Named last, `pg_catalog` is searched after the schema.
    let path = format!("search_path={}", database.schema);
    let url = database.url().replace(&path, &format!("{path},pg_catalog"));
    Service::with_environment(&[("DATABASE_URL", &url), ("DEPLOYLOG_POOL_TIMEOUT", "30")])
}

#[test]
fn after_a_step_back_of_the_clock_ids_versions_and_events_keep_their_order() {
    let database = Database::new();
    let service = service_with_clock(&database);
    let mut subscriber = Subscriber::start(&service, "/api/events");
    let current = service.record(&deployed_with(&json!({"version": "1"})));
    let start = service.record(&deployed_with(&json!({"version": "2", "status": "started"})));
    database.sql("update seconds_back set seconds = 600");
    let finish = service.record(&deployed_with(&json!({"version": "2"})));
    let other = service.record(&deployed_with(&json!({"component": "api", "status": "started"})));
    let paired = service.record(&deployed_with(&json!({"component": "api"})));
    assert!(finish["recorded_at"].as_str() < start["recorded_at"].as_str(), "the clock was set back");
    assert_eq!(paired["start_id"], other["id"], "both came after the step");

    assert_eq!(finish["duration_missing"], "no start record");
    let deploys = service.get("/api/deploys?state=running").expect(200);
    assert_eq!(deploys[0]["start_id"], start["id"], "the start remains open");
    assert_eq!(service.get("/api/current?component=web").expect(200)[0]["finish_id"], current["id"]);
    let ids = |records: &[&serde_json::Value]| records.iter().map(|record| record["id"].clone()).collect::<Vec<_>>();
    let listed = service.all_records();
    assert_eq!(ids(&listed.iter().collect::<Vec<_>>()), ids(&[&finish, &other, &paired, &current, &start]));

    let path = format!("/api/{}", finish["id"]);
    let moment = json!({"finished_at": start["started_at"]}).to_string();
    let mended = service.send_json("PATCH", &path, &moment).expect(200);
    assert_eq!((&mended["start_id"], &mended["duration_seconds"]), (&start["id"], &json!(0.0)));
    let path = format!("/api/{}", start["id"]);
    for owner in ["bob", "eve"] {
        let before = service.read(&start["id"]);
        let changed = service.send_json("PATCH", &path, &json!({"owner": owner}).to_string()).expect(200);
        assert!(before["updated_at"].as_str() < changed["updated_at"].as_str(), "{before} {changed}");
    }
    let history = service.get(&format!("{path}/history")).expect(200);
    assert_eq!(history.as_array().unwrap().len(), 2);
    let events = subscriber.take(8);
    let received: Vec<_> = events.iter().map(|event| (event.name.as_str(), &event.data["id"])).collect();
    let recorded = [&current, &start, &finish, &other, &paired].map(|record| ("recorded", &record["id"]));
    let changed = [&finish, &start, &start].map(|record| ("changed", &record["id"]));
    assert_eq!(received, [&recorded[..], &changed].concat());
}
