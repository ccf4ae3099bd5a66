//! Kills and stops the service during writes. Every acknowledged record must be stored exactly once.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::Value;

use crate::harness::{Connection, Database, Service, TempDirectory, eventually, postmaster_pid, signal};

/// Posts from four senders and calls `end` meanwhile. Returns the acknowledged records.
fn write_until(service: &Service, end: impl FnOnce()) -> Vec<Value> {
    let acknowledged = Mutex::new(Vec::new());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for sender in 0..4 {
            let (acknowledged, is_over) = (&acknowledged, &is_over);
            scope.spawn(move || post_until(service, sender, acknowledged, is_over));
        }
        eventually("records", || acknowledged.lock().unwrap().len() > 100);
        end();
        is_over.store(true, Ordering::Relaxed);
    });
    acknowledged.into_inner().unwrap()
}

/// Posts starts and finishes in turn until the service or the load ends.
fn post_until(service: &Service, sender: u32, acknowledged: &Mutex<Vec<Value>>, is_over: &AtomicBool) {
    for count in 0.. {
        let Ok(mut connection) = std::panic::catch_unwind(|| Connection::open(service.address)) else { return };
        for status in ["started", "deployed"] {
            let body = format!(
                r#"{{"component":"web-{sender}","version":"1","owner":"ann","run":"{count}","status":"{status}"}}"#
            );
            let request = format!(
                "POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            if std::io::Write::write_all(&mut connection.stream(), request.as_bytes()).is_err() {
                return;
            }
            match connection.try_response() {
                Ok(response) if response.status == 201 => acknowledged.lock().unwrap().push(response.json()),
                // The database or the service is already stopping.
                Ok(response) => assert_eq!(response.status, 503, "{response:?}"),
                Err(_) => return,
            }
        }
        if is_over.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Every acknowledged record is stored once and unchanged, and every finish is paired.
fn assert_stored(all: &[Value], acknowledged: &[Value]) {
    for record in acknowledged {
        assert_eq!(all.iter().filter(|stored| stored["id"] == record["id"]).count(), 1, "{record}");
        assert!(all.contains(record), "{record}");
    }
    for finish in all.iter().filter(|record| record["status"] == "deployed") {
        assert!(finish["duration_seconds"].is_number(), "{finish}");
    }
}

#[test]
fn killing_the_service_loses_no_acknowledged_record() {
    let database = Database::new();
    let mut records = Vec::new();
    for _ in 0..3 {
        let service = Service::with_database(&database);
        records.extend(write_until(&service, || service.signal("KILL")));
        drop(service);
        assert_stored(&Service::with_database(&database).all_records(), &records);
    }
}

#[test]
fn killing_the_service_and_its_embedded_postgresql_loses_no_acknowledged_record() {
    let directory = TempDirectory::new();
    let environment = [("DEPLOYLOG_DATA_DIR", directory.as_str())];
    let mut records = Vec::new();
    for round in 0..4 {
        let mut service = Service::with_environment(&environment);
        let old_postmaster = postmaster_pid(directory.path());
        records.extend(write_until(&service, || {
            if round % 2 == 0 {
                signal(old_postmaster, "KILL");
            }
            service.signal("KILL");
        }));
        drop(service);
        // The restart stops an orphaned postmaster before it starts a new one.
        service = Service::with_environment(&environment);
        assert_ne!(postmaster_pid(directory.path()), old_postmaster);
        assert_stored(&service.all_records(), &records);
        assert!(service.stop().success());
    }
}

#[test]
fn shutdown_under_load_exits_0_and_loses_no_acknowledged_record() {
    let database = Database::new();
    let mut service = Service::with_database(&database);
    let records = write_until(&service, || service.signal("TERM"));
    assert!(service.wait().success());
    assert_stored(&Service::with_database(&database).all_records(), &records);
}
