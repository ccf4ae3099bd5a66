//! The upgrade from the previous version, whose replicas left pending corrections in tables of their own.
//!
//! The folder `upgrade` holds the write statements of that version, unchanged.

mod migrations;

use serde_json::Value;

use crate::{
    harness::{Database, Service, Session, TempDirectory, bind_parameters, migrate_to},
    replicas::assert_paired,
};

const INSERT: &str = include_str!("upgrade/records_insert.sql");
const CHANGE: &str = include_str!("upgrade/record_change.sql");
const DELETE_OLD: &str = include_str!("upgrade/records_forget.sql");
const REPLICA: &str = "'00000000-0000-0000-0000-000000000001'";

/// A database as the previous version left it, with two replicas.
fn database_of_previous_version() -> Database {
    let database = Database::new();
    migrate_to(&database, "0009_retention");
    database.sql(&format!("insert into replicas (id) values ({REPLICA}), ('00000000-0000-0000-0000-000000000002')"));
    database
}

/// SQL of the previous version that records a start or a finish; for `api` that of a stage.
fn insert(component: &str, phase: &str, time: &str) -> String {
    let moment = format!("array['2026-01-01T{time}Z'::timestamptz]");
    let times = if phase == "started" { [&moment, "null"] } else { ["null", &moment] };
    let text = |text: &str| format!("array['{text}']");
    let stage = if component == "api" { "'Build'" } else { "null" };
    let deploy = format!("array[deploy_of('{component}', null, null, {stage}, '1')]");
    let none = "null";
    bind_parameters(
        INSERT,
        &[
            &text(component),
            &text("1"),
            &text("ann"),
            &text(phase),
            &text(phase),
            none,
            none,
            &format!("array[{stage}]::text[]"),
            none,
            none,
            none,
            none,
            times[0],
            times[1],
            none,
            none,
            &deploy,
            REPLICA,
        ],
    )
}

/// SQL of the previous version that changes the owner of a start.
fn change(id: u64) -> String {
    let expected_updated_at = format!("(select updated_at from records where id = {id})");
    let start = format!("(select started_at from records where id = {id})");
    let none = "null";
    let deploy = "deploy_of('web', null, null, null, '1')";
    bind_parameters(
        CHANGE,
        &[
            &id.to_string(),
            "'web'",
            &expected_updated_at,
            "'web'",
            "'1'",
            "'bob'",
            "'started'",
            "'started'",
            none,
            none,
            none,
            none,
            none,
            none,
            none,
            &start,
            none,
            deploy,
            none,
        ],
    )
}

#[test]
fn a_running_replica_of_the_previous_version_fails_and_writes_nothing() {
    let database = database_of_previous_version();
    let old = Session::open(&database.url());
    let statements =
        [insert("web", "started", "10:00:00"), change(1), bind_parameters(DELETE_OLD, &["0", "'-infinity'", "0"])];
    for (number, statement) in statements.iter().enumerate() {
        old.execute(&format!("prepare old_{number} as {statement}"));
    }
    old.execute("execute old_0; execute old_0");
    assert_eq!(old.query("execute old_1").len(), 1);
    assert_eq!(database.sql("select owner from records order by id"), [["bob"], ["ann"]]);
    old.execute("begin; execute old_2");
    assert!(old.query("select from records").len() < 2, "it deletes old records");
    old.execute("rollback");

    let service = Service::with_database(&database);
    let all = ["records", "open_starts", "history", "events"].map(|table| format!("select * from {table}"));
    let before = all.each_ref().map(|sql| database.sql(sql));
    for (number, statement) in statements.iter().enumerate() {
        for sql in [format!("execute old_{number}"), statement.clone()] {
            let error = old.execute_error(&sql);
            let is_gone = ["replicas", "second_looks", "unfinished_starts"]
                .iter()
                .any(|table| error == format!("relation \"{table}\" does not exist"));
            assert!(is_gone, "{number}: {error}");
        }
    }
    assert_eq!(all.each_ref().map(|sql| database.sql(sql)), before);
    assert_eq!(service.all_records().len(), 2);
}

/// A database with pending corrections. Two concurrent replicas did not see each other's records: a finish missed its
/// start, and two finishes took the same start.
fn database_with_pending_corrections() -> Database {
    let database = database_of_previous_version();
    database.sql(&insert("api", "started", "10:00:00"));
    let replicas = [(); 2].map(|()| Session::open(&database.url()));
    for replica in &replicas {
        replica.execute("begin");
    }
    replicas[0].execute(&insert("web", "started", "10:00:00"));
    replicas[1].execute(&insert("web", "succeeded", "10:01:00"));
    replicas[0].execute(&insert("api", "succeeded", "10:01:00"));
    replicas[1].execute(&insert("api", "failed", "10:02:00"));
    for replica in &replicas {
        replica.execute("commit");
    }
    let wrong = "select component, finished_at::time, start_id from records where finished_at is not null order by id";
    assert_eq!(database.sql(wrong), [["web", "10:01:00", "null"], ["api", "10:01:00", "1"], ["api", "10:02:00", "1"]]);
    assert_eq!(database.sql("select count(*) from unfinished_starts"), [["1"]], "the start of web");
    assert_eq!(database.sql("select count(*) from second_looks"), [["5"]]);
    database.sql("delete from replicas");
    database
}

/// Checks that every finish is paired and that only the corrected records have a new `updated_at`.
#[track_caller]
fn assert_corrected(database: &Database) -> Vec<Value> {
    let service = Service::with_database(database);
    let all = service.all_records();
    assert_paired(&all);
    let duration = |index: usize| (&all[index]["duration_seconds"], &all[index]["duration_missing"]);
    assert_eq!(all.len(), 5);
    assert_eq!([duration(2).0.as_f64(), duration(3).0.as_f64()], [Some(60.0), Some(60.0)]);
    assert_eq!(duration(4).1, "no start record");
    let is_changed = |record: &&Value| record["updated_at"] != record["recorded_at"];
    let changed: Vec<_> = all.iter().filter(is_changed).map(|record| record["id"].as_u64().unwrap()).collect();
    assert_eq!(changed, [3, 5]);
    assert!(database.sql("select from open_starts").is_empty());
    assert_eq!(service.get("/api/deploys?state=stale").json(), Value::Array(Vec::new()));
    all
}

#[test]
fn the_migration_corrects_pairings_that_replicas_left_pending() {
    let database = database_with_pending_corrections();
    assert_corrected(&database);
    let changed = database.sql("select ids[1] from events where event = 'changed' order by 1");
    assert_eq!(changed, [["3"], ["5"]], "the corrections publish events");
    assert_eq!(database.sql("select to_regclass('second_looks'), to_regclass('replicas')"), [["null", "null"]]);
}

#[test]
fn restoring_a_backup_corrects_pairings_that_replicas_left_pending() {
    let database = database_with_pending_corrections();
    let directory = TempDirectory::new();
    let file = format!("{}/file", directory.as_str());
    let command = |command: &str, database: &Database| {
        let (code, output) = Service::run_to_end(&[command, &file], &[("DATABASE_URL", &database.url())]);
        assert_eq!(code, 0, "{output}");
    };
    command("backup", &database);
    let other = Database::new();
    command("restore", &other);
    assert_corrected(&other);
}

#[test]
fn the_migration_keeps_each_open_start_exactly_once() {
    let database = database_of_previous_version();
    // Starts of two deploys at the same moment with adjacent ids; only the second has a pending correction.
    database.sql(
        "insert into records (component, version, owner, status, environment, phase, started_at, deploy, moment)
         select 'web', '1', 'ann', 'started', environment, 'started', at, deploy_of('web', environment, null, null, '1'), at
         from unnest(array['a', 'b']) environment, (select timestamptz '2026-11-24T10:00Z' as at) t;
         insert into unfinished_starts select component, moment, id from records;
         insert into unfinished_starts select component, moment, id from records where environment = 'b';
         insert into unfinished_starts values ('web', '2026-11-24T10:00Z', 99);
         insert into second_looks (component, deploy, moment, id)
         select component, deploy, moment, id from records where environment = 'b'",
    );
    let service = Service::with_database(&database);
    assert_eq!(database.sql("select component, id from open_starts order by id"), [["web", "1"], ["web", "2"]]);
    assert_eq!(service.get("/api/deploys").json().as_array().unwrap().len(), 2);
}
