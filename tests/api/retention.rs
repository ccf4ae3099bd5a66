//! Retention deletes whole old deploys in small steps.

mod concurrent;
mod long_runs;
mod model;

use serde_json::{Value, json};

use crate::harness::{Database, Service, eventually};

/// A time of day this many days ago.
pub fn days_ago(days: i64, time: &str) -> String {
    format!("{}T{time}Z", (chrono::Utc::now() - chrono::TimeDelta::days(days)).format("%Y-%m-%d"))
}

/// A record whose moment is this many days ago.
fn record(component: &str, status: &str, days: i64, time: &str, fields: &Value) -> Value {
    let field = if status == "started" { "started_at" } else { "finished_at" };
    let mut record = json!({
        "component": component, "version": "1", "owner": "ann", "status": status, field: days_ago(days, time),
    });
    record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    record
}

/// Imports records and returns their ids.
#[track_caller]
fn import(service: &Service, records: &[Value]) -> Vec<i64> {
    let lines: Vec<_> = records.iter().map(Value::to_string).collect();
    let ids = service.import(&lines.join("\n")).expect(201)["ids"].clone();
    serde_json::from_value(ids).unwrap()
}

/// Sets the `recorded_at` and `updated_at` of every record to its finish or start time.
fn backdate_records(database: &Database) {
    database.sql(
        "update records set recorded_at = coalesce(finished_at, started_at, recorded_at),
           updated_at = coalesce(finished_at, started_at, updated_at)",
    );
}

/// A history that the service deletes after it finds no more old records.
const SENTINEL: &str = "insert into history (id, component, at, change, was)
    values (0, 'sentinel', now() - interval '30 days 1 second', 'deleted', '{}')";

fn wait_for_sentinel(database: &Database) {
    eventually("old records are deleted", || {
        database.sql("select from history where component = 'sentinel'").is_empty()
    });
}

/// Starts a service that retains records for 30 days and waits until it has deleted the older ones.
#[track_caller]
fn start_with_30_days_retention(database: &Database) -> Service {
    database.sql(SENTINEL);
    let service = Service::with_environment(&[
        ("DATABASE_URL", &database.url()),
        ("DEPLOYLOG_KEEP_DAYS", "30"),
        ("DEPLOYLOG_POOL_TIMEOUT", "30"),
    ]);
    wait_for_sentinel(database);
    service
}

/// The ids of all stored records, in ascending order.
fn stored_ids(database: &Database) -> Vec<i64> {
    database.sql("select id from records order by id").iter().map(|row| row[0].parse().unwrap()).collect()
}

#[test]
fn old_records_are_deleted_with_their_keys_histories_and_open_starts() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let keyed = json!({"idempotency_key": "k"});
    let old = import(
        &service,
        &[
            record("web", "started", 40, "10:00:00", &json!({})),
            record("web", "deployed", 40, "10:01:00", &keyed),
            record("api", "started", 40, "10:00:00", &json!({})),
            record("web", "rolled_back", 40, "10:02:00", &json!({})),
        ],
    );
    let young = import(
        &service,
        &[record("web", "started", 2, "10:00:00", &json!({})), record("web", "ok", 2, "10:01:00", &json!({}))],
    );
    service.send_json("PATCH", &format!("/api/{}", old[1]), r#"{"owner":"bob"}"#).expect(200);
    service.send_json("PATCH", &format!("/api/{}", young[1]), r#"{"owner":"bob"}"#).expect(200);
    backdate_records(&database);
    let before = service.read(&json!(young[1]));
    drop(service);

    let service = start_with_30_days_retention(&database);
    assert_eq!(stored_ids(&database), young);
    assert_eq!(service.read(&json!(young[1])), before);
    service.get(&format!("/api/{}/history", old[1])).problem(404);
    assert_eq!(service.get(&format!("/api/{}/history", young[1])).expect(200).as_array().unwrap().len(), 1);
    assert!(database.sql("select from open_starts").is_empty());
    let response = service.import(&record("web", "ok", 1, "10:00:00", &keyed).to_string()).expect(201);
    assert_eq!(response["replayed"], 0, "the key is free again");
    let metrics = service.get("/metrics").body;
    assert!(metrics.contains("\ndeploylog_records_forgotten_total 4\n"), "{metrics}");
}

#[test]
fn without_the_setting_all_records_are_retained() {
    let database = Database::new();
    let service = Service::with_database(&database);
    import(&service, &[record("web", "started", 4000, "10:00:00", &json!({}))]);
    backdate_records(&database);
    drop(service);
    let service = Service::with_database(&database);
    service.record(&record("web", "queued", 0, "00:00:00", &json!({})).to_string());
    assert_eq!(stored_ids(&database), [1, 2]);
    assert!(service.get("/metrics").body.contains("\ndeploylog_records_forgotten_total 0\n"));
}

#[test]
fn recent_records_and_current_deploys_are_retained() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let in_environment = |environment: &str| json!({"environment": environment});
    // Recorded long ago, but finished by a recent PUT.
    let finished = import(&service, &[record("api", "started", 40, "10:00:00", &json!({}))])[0];
    import(
        &service,
        &[
            record("web", "ok", 60, "10:00:00", &in_environment("production")),
            record("web", "started", 50, "10:00:00", &in_environment("production")),
            record("web", "ok", 50, "10:01:00", &in_environment("production")),
            record("web", "failed", 45, "10:01:00", &json!({"environment": "production", "version": "2"})),
            record("web", "failed", 44, "10:01:00", &json!({"environment": "production", "version": "3"})),
            record("web", "ok", 41, "10:01:00", &json!({"environment": "production", "stage": "Build"})),
            record("web", "ok", 61, "10:01:00", &in_environment("staging")),
        ],
    );
    backdate_records(&database);
    service.send_json("PUT", &format!("/api/{finished}"), &record("api", "ok", 1, "10:00:00", &json!({})).to_string());
    let backfilled = import(&service, &[record("backfilled", "started", 40, "10:00:00", &json!({}))]);
    let current = service.get("/api/current").expect(200);
    drop(service);
    let service = start_with_30_days_retention(&database);
    // Retained: the last success in production with its start, the last deploy there, and the only one in staging.
    assert_eq!(stored_ids(&database), [finished, 3, 4, 6, 8, backfilled[0]]);
    let now = service.get("/api/current").expect(200);
    let versions = |current: &Value| {
        let environments = current.as_array().unwrap().iter();
        environments.map(|item| (item["component"].clone(), item["finish_id"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(versions(&now), versions(&current));
}

#[test]
fn the_history_of_a_deleted_record_expires_30_days_after_the_deletion() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let ids = import(&service, &vec![record("web", "ok", 1, "10:00:00", &json!({})); 250]);
    for id in &ids[..3] {
        service.send_json("PATCH", &format!("/api/{id}"), r#"{"owner":"bob"}"#).expect(200);
    }
    for id in &ids {
        assert_eq!(service.request("DELETE", &format!("/api/{id}"), &[], None).status, 204);
    }
    // Of the first record only the change is old. Of the others the deletion is old too.
    database
        .sql(&format!("update history set at = at - interval '31 days' where id > {} or change = 'changed'", ids[0]));
    drop(service);
    let service = start_with_30_days_retention(&database);
    assert_eq!(database.sql("select distinct id from history"), [[ids[0].to_string()]]);
    assert_eq!(service.get(&format!("/api/{}/history", ids[0])).expect(200).as_array().unwrap().len(), 2);
}
