//! Concurrent changes of one record.

use serde_json::{Value, json};

use super::history;
use crate::harness::{DEPLOYED, Database, Service};

#[test]
fn concurrent_changes_through_two_processes_leave_one_entry_each_in_order() {
    let database = Database::new();
    // A long pool timeout, because the last of the concurrent changes waits for all others.
    let service = || Service::with_environment(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_POOL_TIMEOUT", "30")]);
    let services = [service(), service()];
    let first = services[0].record(DEPLOYED);
    let (changers, each) = (8, 5);
    std::thread::scope(|scope| {
        for changer in 0..changers {
            let service = &services[changer % 2];
            scope.spawn(move || {
                for number in 0..each {
                    let owner = json!({"owner": format!("{changer}-{number}")});
                    service.send_json("PATCH", "/api/1", &owner.to_string()).expect(200);
                }
            });
        }
    });
    let mut entries = history(&services[1], &json!(1));
    entries.reverse();
    assert_eq!((entries.len(), &entries[0]["was"]), (changers * each, &first));
    // Each entry stores the record that the previous change produced.
    let now = services[0].read(&json!(1));
    let after: Vec<&Value> = entries[1..].iter().map(|entry| &entry["was"]).chain([&now]).collect();
    for (entry, after) in entries.iter().zip(&after) {
        assert_eq!(entry["at"], after["updated_at"]);
        assert_ne!(entry["was"]["owner"], after["owner"]);
    }
    let mut owners: Vec<_> = after.iter().map(|record| record["owner"].as_str().unwrap().to_owned()).collect();
    owners.sort_unstable();
    let expected: Vec<_> = (0..changers).flat_map(|c| (0..each).map(move |n| format!("{c}-{n}"))).collect();
    assert_eq!(owners, expected, "none is lost");
}
