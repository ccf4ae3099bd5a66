//! Writes require the isolation level `read committed`, so that they see what the previous holder of a lock committed.

use std::io::Read as _;

use crate::harness::{DEPLOYED, Database, Service};

/// Writes as a role with this isolation level and checks that the writes succeed or fail.
fn assert_writes(level: &str, succeed: bool) {
    let database = Database::new();
    let record = Service::with_database(&database).record(DEPLOYED);
    let role = &database.schema;
    database.sql(&format!(
        "create role {role} login; grant usage on schema {role} to {role};
         grant select, insert, update, delete on all tables in schema {role} to {role};
         grant usage on all sequences in schema {role} to {role};
         alter role {role} set default_transaction_isolation = '{level}'"
    ));
    let url = database.url().replace("user=deploylog", &format!("user={role}"));
    let mut child = Service::spawn(&["--log-level=error"], &[("DATABASE_URL", &url)]);
    let mut log = child.stderr.take().unwrap();
    let mut service = Service::wait_until_ready(child);
    let path = format!("/api/{}", record["id"]);
    let statuses = [
        service.post(DEPLOYED).status,
        service.import(&[DEPLOYED, DEPLOYED].join("\n")).status,
        service.send_json("PATCH", &path, r#"{"owner":"bob"}"#).status,
        service.send_json("DELETE", &path, "").status,
    ];
    let count = service.all_records().len();
    if succeed {
        assert_eq!((statuses, count), ([201, 201, 200, 204], 3), "{level}");
        return;
    }
    assert_eq!(statuses, [500; 4], "{level}");
    assert_eq!(service.all_records(), [record], "nothing is written: {level}");
    assert!(service.stop().success());
    let mut logged = String::new();
    log.read_to_string(&mut logged).unwrap();
    let message = format!("needs the transaction isolation level \"read committed\", not \"{level}\"");
    assert_eq!(logged.matches(&message).count(), 4, "{logged}");
}

#[test]
fn at_any_other_isolation_level_writes_fail_and_the_log_names_the_level() {
    for level in ["read uncommitted", "repeatable read", "serializable"] {
        assert_writes(level, false);
    }
}

#[test]
fn at_read_committed_writes_succeed() {
    assert_writes("read committed", true);
}
