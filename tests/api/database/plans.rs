//! Every lookup by a key uses an index, in an empty table and in a full one.

use serde_json::json;

use crate::harness::{DEPLOYED, Database, Service, deployed_with, eventually, insert_large_records};

/// The number of sequential scans and of index scans on the tables so far.
fn count_scans(database: &Database) -> (u64, u64) {
    let row = &database.sql(
        "select sum(seq_scan), sum(idx_scan) from pg_stat_user_tables
         where relname in ('records', 'open_starts', 'history', 'events') and schemaname = current_schema()",
    )[0];
    (row[0].parse().unwrap(), row[1].parse().unwrap())
}

/// Runs every statement that finds records by a key.
fn run_every_lookup(service: &Service) {
    let id = service.record(&deployed_with(&json!({"status": "started"})))["id"].clone();
    let path = format!("/api/{id}");
    service.record(DEPLOYED);
    let line = |number: usize| {
        deployed_with(&json!({"version": (number / 2).to_string(), "idempotency_key": number.to_string()}))
    };
    let lines: String = (0..2000).map(|number| line(number) + "\n").collect();
    // The second import finds the first delivery of each key.
    for _ in 0..2 {
        service.import(&lines).expect(201);
    }
    let early = json!({"status": "started", "started_at": "2026-01-01T00:00:00Z"});
    service.record(&deployed_with(&early));
    service.read(&id);
    service.send_json("PATCH", &path, r#"{"owner":"bob"}"#).expect(200);
    service.send_json("DELETE", &path, "").expect(204);
}

#[test]
fn no_lookup_scans_a_whole_table_whether_it_is_empty_or_full() {
    // Two schemas that were never analysed: each has its own functions and plans.
    let databases = [Database::new(), Database::new()];
    let services = databases.each_ref().map(Service::with_database);
    for records in [0, 20_000] {
        for (database, service) in databases.iter().zip(&services) {
            if records > 0 {
                insert_large_records(database, records);
            }
            let (sequential_scans, index_scans) = count_scans(database);
            run_every_lookup(service);
            // PostgreSQL updates its statistics with some delay.
            eventually("the scans are counted", || count_scans(database).1 >= index_scans + 4000);
            assert_eq!(count_scans(database).0, sequential_scans, "with {records} more records");
            database.sql("delete from records where idempotency_key is not null");
        }
    }
}
