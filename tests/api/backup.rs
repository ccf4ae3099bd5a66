//! Backup and restore: a restored database returns the same records and continues the same way.

mod refusals;

use std::{os::unix::fs::PermissionsExt as _, process::Stdio};

use serde_json::{Value, json};

use crate::harness::{
    DEPLOYED, Database, Event, PROGRAM, PrivateCluster, Service, Subscriber, TempDirectory, deployed_with, migrate_to,
};

/// Texts that COPY, SQL, CSV or the backup format could mistake for their own syntax.
const HOSTILE: [&str; 12] = [
    "\\N",
    "\\.",
    "\\",
    "\\t\\n\\x41",
    "a\\",
    "'; drop table records; --",
    "\"quoted\", and so on",
    "=1+1",
    "naïve 🚀 \u{2028} \u{202e}txt",
    "null",
    " ",
    "end 1 0",
];

/// NDJSON with hostile texts: every second line has the optional fields, every tenth an idempotency key.
fn lines(from: usize, count: usize) -> String {
    let line = |n: usize| {
        let text = HOSTILE[n % HOSTILE.len()];
        let status = ["started", "deployed", "failed", "queued"][n % 4];
        let mut line = json!({
            "component": format!("web {}", n % 500),
            "version": format!("{text}{n}"),
            "owner": format!("x{text}"),
            "status": status,
        });
        if n.is_multiple_of(2) {
            let run = format!("run {}", n / 8);
            let optional = json!({ "environment": format!("{text}!"), "run": run, "url": "https://ci/?a=%5C&b=\\" });
            line.as_object_mut().unwrap().extend(optional.as_object().unwrap().clone());
        }
        if status == "failed" {
            line["waited_seconds"] = json!(n % 1000);
        }
        if n.is_multiple_of(10) {
            line["idempotency_key"] = format!("key-{n}\\").into();
        }
        line.to_string() + "\n"
    };
    (from..from + count).map(line).collect()
}

/// All records as CSV and as NDJSON.
fn exports(service: &Service) -> [String; 2] {
    ["text/csv", "application/x-ndjson"].map(|media_type| {
        let response = service.request("GET", "/api/", &[("accept", media_type)], None);
        assert_eq!(response.status, 200);
        response.body
    })
}

/// The environment of a command that works on this database.
fn environment(url: &str) -> [(&str, &str); 1] {
    [("DATABASE_URL", url)]
}

#[track_caller]
fn run_successfully(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let (code, output) = Service::run_to_end(arguments, environment);
    assert_eq!(code, 0, "{output}");
    output
}

/// A backup of 60 records in a new directory.
fn small_backup() -> (TempDirectory, String) {
    let directory = TempDirectory::new();
    let file = format!("{}/small", directory.as_str());
    let database = Database::new();
    let service = Service::with_database(&database);
    service.import(&lines(0, 60)).expect(201);
    run_successfully(&["backup", &file], &environment(&database.url()));
    (directory, file)
}

/// A backup without its header, last sequence and digest, which differ between two backups of the same records.
fn table_lines(file: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let rest = text.split_once('\n').unwrap().1;
    rest.rsplit_once("\nsequence ").unwrap().0.to_owned()
}

#[test]
fn a_hundred_thousand_records_survive_a_move_to_an_external_database_and_back() {
    const COUNT: usize = 100_000;
    let directory = TempDirectory::new();
    let path = |name: &str| format!("{}/{name}", directory.as_str());
    let (original, copy) = (path("original"), path("copy"));
    let embedded = [("DEPLOYLOG_DATA_DIR", original.as_str())];
    let mut service = Service::with_environment(&embedded);
    for from in (0..COUNT).step_by(10_000) {
        service.import(&lines(from, 10_000)).expect(201);
    }
    for id in 1..=50 {
        service.send_json("PATCH", &format!("/api/{id}"), &json!({ "owner": HOSTILE[7] }).to_string()).expect(200);
    }
    for id in (1_000..1_050).chain(COUNT - 2..=COUNT) {
        service.request("DELETE", &format!("/api/{id}"), &[], None).expect(204);
    }
    let exported = exports(&service);
    let etag = service.get("/api/7").header("etag").unwrap().to_owned();
    let deploys = service.get("/api/deploys?limit=1000&state=running").body;

    let first = path("first");
    let output = run_successfully(&["backup", &first], &embedded);
    assert!(output.starts_with("backed up 99,947 records as of 20") && output.trim_end().ends_with(&first), "{output}");
    assert_eq!(std::fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(service.stop().success());

    let external = PrivateCluster::start();
    let url = external.url();
    assert!(run_successfully(&["restore", &first], &environment(&url)).starts_with("restored 99,947 records as of 20"));
    let service = Service::with_environment(&environment(&url));
    assert!(exports(&service) == exported, "the exports differ");
    let second = path("second");
    run_successfully(&["backup", &second], &environment(&url));
    assert!(table_lines(&first) == table_lines(&second), "the backups differ");
    // Running deploys, ids, idempotency keys and entity tags continue as they would have in the first database.
    assert_eq!(service.get("/api/deploys?limit=1000&state=running").body, deploys);
    assert_eq!(service.record(DEPLOYED)["id"], COUNT + 1_000_001);
    let first_line: Value = serde_json::from_str(lines(60, 1).trim_end()).unwrap();
    let replay = service.import(&first_line.to_string()).expect(201);
    assert_eq!((&replay["replayed"], &replay["ids"]), (&json!(1), &json!([61])));
    let headers = [("content-type", "application/json"), ("if-match", etag.as_str())];
    service.request("PATCH", "/api/7", &headers, Some(r#"{"owner":"bob"}"#)).expect(200);
    drop(service);

    let embedded_copy = [("DEPLOYLOG_DATA_DIR", copy.as_str())];
    run_successfully(&["restore", &second], &embedded_copy);
    let service = Service::with_environment(&embedded_copy);
    assert!(exports(&service) == exported, "the exports differ");
    assert_eq!(service.record(DEPLOYED)["id"], COUNT + 2_000_001);
}

#[test]
fn a_backup_contains_every_table_except_those_that_belong_to_one_database() {
    let (_directory, file) = small_backup();
    let text = std::fs::read_to_string(file).unwrap();
    let tables_in_backup = text.lines().filter_map(|line| line.strip_prefix("table ")?.split(' ').next());
    let mut tables_in_backup: Vec<_> =
        tables_in_backup.chain(["events", "heartbeats", "migrations"]).map(|name| vec![name.to_owned()]).collect();
    tables_in_backup.sort();
    let database = Database::new();
    run_successfully(&["migrate"], &environment(&database.url()));
    let tables = "select relname from pg_class where relkind in ('r', 'p') and relnamespace = current_schema()::regnamespace order by 1";
    assert_eq!(database.sql(tables), tables_in_backup);
}

#[test]
fn a_backup_is_a_snapshot_even_if_records_are_written_while_it_runs() {
    use std::io::Read as _;
    let database = Database::new();
    let service = Service::with_database(&database);
    service.import(&lines(0, 10_000)).expect(201);
    let exported = exports(&service);
    let mut backup = std::process::Command::new(PROGRAM)
        .args(["backup", "-"])
        .env("DATABASE_URL", database.url())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = backup.stdout.take().unwrap();
    let mut text = vec![0; 100];
    stdout.read_exact(&mut text).unwrap();
    // The backup is larger than a pipe's buffer, so most of it is not read from the database yet.
    database.sql("delete from records");
    service.import(&lines(20_000, 500)).expect(201);
    stdout.read_to_end(&mut text).unwrap();
    assert!(backup.wait().unwrap().success());

    let other = Database::new();
    let mut restore = std::process::Command::new(PROGRAM)
        .args(["restore", "-"])
        .env("DATABASE_URL", other.url())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut restore.stdin.take().unwrap(), &text).unwrap();
    assert!(restore.wait().unwrap().success());
    assert!(exports(&Service::with_database(&other)) == exported, "the exports differ");
}

#[test]
fn an_event_id_of_the_original_database_leads_to_a_reset_in_the_restored_one() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let mut subscriber = Subscriber::start(&service, "/api/events");
    service.record(DEPLOYED);
    let Event { id, .. } = subscriber.next();
    let directory = TempDirectory::new();
    let file = format!("{}/file", directory.as_str());
    run_successfully(&["backup", &file], &environment(&database.url()));

    let other = Database::new();
    run_successfully(&["restore", &file], &environment(&other.url()));
    let service = Service::with_database(&other);
    for _ in 0..20 {
        service.record(DEPLOYED);
    }
    assert_eq!(Subscriber::resume(&service, "/api/events", &id).next().name, "reset");
    // An event id of the restored database can be resumed.
    let mut subscriber = Subscriber::start(&service, "/api/events");
    let record = service.record(DEPLOYED);
    let event = subscriber.next();
    assert_eq!(event.data["id"], record["id"]);
    let next = service.record(DEPLOYED);
    assert_eq!(Subscriber::resume(&service, "/api/events", &event.id).next().data["id"], next["id"]);
}

#[test]
fn an_id_assigned_after_the_backup_is_not_assigned_again() {
    for before in [0, 60] {
        let directory = TempDirectory::new();
        let file = format!("{}/file", directory.as_str());
        let old = Database::new();
        let service = Service::with_database(&old);
        if before > 0 {
            service.import(&lines(0, before)).expect(201);
        }
        run_successfully(&["backup", &file], &environment(&old.url()));
        let acknowledged = service.record(DEPLOYED)["id"].as_u64().unwrap();
        let new = Database::new();
        run_successfully(&["restore", &file], &environment(&new.url()));
        let id = Service::with_database(&new).record(DEPLOYED)["id"].as_u64().unwrap();
        assert_eq!(id, before as u64 + 1_000_001);
        assert!(id > acknowledged);
    }
}

#[test]
fn an_id_assigned_before_in_the_target_database_is_not_assigned_again() {
    let (_directory, file) = small_backup();
    let database = Database::new();
    let mut service = Service::with_database(&database);
    service.import(&lines(0, 70)).expect(201);
    for id in 1..=70 {
        service.request("DELETE", &format!("/api/{id}"), &[], None).expect(204);
    }
    service.stop();
    drop(service);
    // As if three million ids had been assigned.
    database.sql("truncate events; select setval('record_id', 3000000)");
    let history_table =
        "select from pg_class where relname = 'history' and relnamespace = current_schema()::regnamespace";
    if !database.sql(history_table).is_empty() {
        database.sql("truncate history");
    }
    run_successfully(&["restore", &file], &environment(&database.url()));
    assert_eq!(Service::with_database(&database).record(DEPLOYED)["id"], 3_000_001);
}

#[test]
fn a_backup_of_the_first_schema_can_be_restored_into_the_current_one() {
    let old = Database::new();
    migrate_to(&old, "0001_records");
    old.sql(
        "insert into records (component, version, owner, status, phase, started_at)
         values ('web', '1', 'ann', 'started', 'started', now() - interval '1 minute')",
    );
    let directory = TempDirectory::new();
    let file = format!("{}/old", directory.as_str());
    run_successfully(&["backup", &file], &environment(&old.url()));
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("deploylog backup 1 0001_records 20"));

    let new = Database::new();
    run_successfully(&["restore", &file], &environment(&new.url()));
    let service = Service::with_database(&new);
    assert_eq!(service.get("/api/deploys").json()[0]["state"], "running");
    let finish = deployed_with(&json!({ "version": "1" }));
    assert_eq!(service.record(&finish)["start_id"], 1);
}
