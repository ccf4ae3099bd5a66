//! Owners, environments and stages that occur rarely or never, in a log with many newer records.

use serde_json::{Value, json};

use crate::harness::{Database, Service, deployed_with};

/// A log whose newest 20,000 records have other values than the records before them. The index of rare values covers
/// them as after a vacuum.
fn service_with_old_records(old: &[Value]) -> (Database, Service) {
    let database = Database::new();
    let service = Service::with_database(&database);
    let lines: Vec<_> = old.iter().map(deployed_with).collect();
    service.import(&lines.join("\n")).expect(201);
    database.sql(
        "insert into records (id, component, version, owner, status, phase, environment, recorded_at, updated_at)
         select nextval('record_id'), 'web', '1', 'many', 'queued', 'noted', 'production', now(), now()
         from generate_series(1, 20000)",
    );
    database.sql("select brin_summarize_new_values('records_by_value')");
    (database, service)
}

#[track_caller]
fn ids(service: &Service, target: &str) -> Vec<i64> {
    let listed = service.get(target).expect(200);
    let id = |each: &Value| [&each["id"], &each["finish_id"], &each["start_id"]].into_iter().find_map(Value::as_i64);
    listed.as_array().unwrap().iter().map(|each| id(each).unwrap()).collect()
}

#[test]
fn rare_values_are_found_however_old_they_are_and_unknown_values_find_nothing() {
    let old = [
        json!({"owner": "rare", "environment": "old", "run": "a", "finished_at": "2026-01-03T10:00:00Z"}),
        json!({"owner": "rare", "environment": "new", "run": "b", "finished_at": "2026-01-01T10:00:00Z"}),
        json!({"owner": "many", "environment": "old", "run": "c", "status": "started", "started_at": "2026-01-02T10:00:00Z"}),
        // A stage that belongs to the first deploy, and ones that belong to the other two.
        json!({"owner": "robot", "environment": "old", "run": "a", "stage": "Rare", "finished_at": "2026-02-01T10:00:00Z"}),
        json!({"owner": "robot", "run": "b", "stage": "Build", "finished_at": "2026-02-01T10:00:00Z"}),
        json!({"owner": "robot", "environment": "old", "run": "c", "stage": "Build"}),
    ];
    let (_database, service) = service_with_old_records(&old);
    for (query, records, deploys) in [
        ("owner=rare", [2, 1].as_slice(), [1, 2].as_slice()),
        ("environment=old", &[6, 4, 3, 1], &[1, 3]),
        ("owner=rare&environment=old", &[1], &[1]),
        ("owner=many&environment=old", &[3], &[3]),
        ("owner=rare&component=web", &[2, 1], &[1, 2]),
        ("owner=rare&version=2.1", &[2, 1], &[1, 2]),
        ("owner=rare&run=b", &[2], &[2]),
        ("stage=Rare", &[4], &[1]),
        ("stage=Build", &[6, 5], &[3, 2]),
        ("stage=Build&environment=old", &[6], &[3]),
        ("owner=nobody", &[], &[]),
        ("environment=typo", &[], &[]),
        ("stage=x", &[], &[]),
        ("owner=rare&environment=production", &[], &[]),
        ("owner=many&stage=x", &[], &[]),
    ] {
        assert_eq!(ids(&service, &format!("/api/?{query}")), records, "records {query}");
        assert_eq!(ids(&service, &format!("/api/deploys?{query}")), deploys, "deploys {query}");
    }
    for query in ["/api/?owner=rare&limit=1", "/api/deploys?environment=old&limit=1"] {
        let first = service.get(query);
        let second = service.get(first.next_page().expect("a second page")).expect(200);
        assert_eq!(second.as_array().unwrap().len(), 1, "{query}");
    }
    let csv = service.request("GET", "/api/?owner=rare", &[("accept", "text/csv")], None);
    assert_eq!(csv.body.lines().count(), 3, "a header and two records");
}

#[test]
fn records_that_the_index_of_rare_values_does_not_cover_yet_are_found() {
    let (database, service) = service_with_old_records(&[json!({})]);
    service.record(&deployed_with(&json!({"owner": "late", "environment": "late"})));
    database.sql(
        "insert into records (id, component, version, owner, status, phase, recorded_at, updated_at)
         select nextval('record_id'), 'web', '1', 'many', 'queued', 'noted', now(), now() from generate_series(1, 20000)",
    );
    for path in ["/api/", "/api/deploys"] {
        for filter in ["owner", "environment"] {
            assert_eq!(ids(&service, &format!("{path}?{filter}=late")).len(), 1, "{path} {filter}");
        }
    }
}
