//! How records are found: from the first one on, and however many there are.

use serde_json::json;

use crate::harness::{DEPLOYED, Database, Service, deployed_with, eventually, insert_large_records};

/// How often the tables were read from end to end, and how often their indexes were asked.
fn scans(database: &Database) -> (u64, u64) {
    let row = &database.sql(
        "select sum(seq_scan), sum(idx_scan) from pg_stat_user_tables
         where relname in ('records', 'open_starts', 'history', 'events') and schemaname = current_schema()",
    )[0];
    (row[0].parse().unwrap(), row[1].parse().unwrap())
}

/// Every statement that looks for records by a key.
fn use_all(service: &Service) {
    let id = service.record(&deployed_with(&json!({"status": "started"})))["id"].clone();
    let path = format!("/api/{id}");
    service.record(DEPLOYED);
    let line = |number: usize| {
        deployed_with(&json!({"version": (number / 2).to_string(), "idempotency_key": number.to_string()}))
    };
    let lines: String = (0..2000).map(|number| line(number) + "\n").collect();
    // The second time each finds its first delivery.
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
fn no_table_is_scanned_for_a_record_neither_an_empty_one_nor_a_full_one() {
    // Two that were never analysed, side by side: each has functions and plans of its own.
    let databases = [Database::new(), Database::new()];
    let services = databases.each_ref().map(Service::with_database);
    for records in [0, 20_000] {
        for (database, service) in databases.iter().zip(&services) {
            if records > 0 {
                insert_large_records(database, records);
            }
            let (scanned, asked) = scans(database);
            use_all(service);
            // The server counts with some delay.
            eventually("the scans are counted", || scans(database).1 >= asked + 4000);
            assert_eq!(scans(database).0, scanned, "with {records} records more");
            database.sql("delete from records where idempotency_key is not null");
        }
    }
}
