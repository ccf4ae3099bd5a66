//! Counts and reads the statements of the service, through a proxy between it and the database.

use std::{
    collections::HashMap,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Mutex},
};

use serde_json::json;

use crate::harness::{DEPLOYED, Database, Service, TempDirectory};

/// Statements that the service runs periodically, without a request.
const RECURRING: [&str; 4] = [
    include_str!("../../../sql/heartbeat_write.sql"),
    include_str!("../../../sql/sessions_end.sql"),
    include_str!("../../../sql/events_delete_old.sql"),
    include_str!("../../../sql/tokens_all.sql"),
];

#[derive(Default)]
struct Traffic {
    /// How many `Sync` and `Query` messages were sent, without those of recurring statements and their transactions.
    round_trips: usize,
    /// The text of every statement that was prepared or sent as a simple query.
    texts: Vec<String>,
}

/// Starts a proxy between a service and its database; returns the service's connection string and the traffic.
fn proxy(database: &Database, directory: &Path) -> (String, Arc<Mutex<Traffic>>) {
    let traffic = Arc::new(Mutex::new(Traffic::default()));
    let listener = UnixListener::bind(directory.join(".s.PGSQL.5432")).unwrap();
    let server = database.socket_dir().join(".s.PGSQL.5432");
    let shared = traffic.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), UnixStream::connect(&server).unwrap());
            let (from_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut &from_server, &mut &to_client));
            let traffic = shared.clone();
            std::thread::spawn(move || forward(client, server, &traffic));
        }
    });
    let (database_dir, proxy_dir) = (database.socket_dir(), directory.to_str().unwrap());
    (database.url().replace(database_dir.to_str().unwrap(), proxy_dir), traffic)
}

fn forward(mut client: UnixStream, mut server: UnixStream, traffic: &Mutex<Traffic>) -> std::io::Result<()> {
    // Whether each prepared statement is a recurring one.
    let mut statements: HashMap<Vec<u8>, bool> = HashMap::new();
    let mut is_recurring = false;
    // 1 after a `begin` until its first statement shows whether it counts.
    let mut begun = 0;
    let mut is_startup = true;
    loop {
        let mut head = vec![0; if is_startup { 4 } else { 5 }];
        client.read_exact(&mut head)?;
        let length: [u8; 4] = head[head.len() - 4..].try_into().unwrap();
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        client.read_exact(&mut body)?;
        if !is_startup {
            let mut traffic = traffic.lock().unwrap();
            let mut strings = body.split(|byte| *byte == 0);
            let (first, second) = (strings.next().unwrap_or_default(), strings.next().unwrap_or_default());
            match head[0] {
                b'P' => {
                    let sql = String::from_utf8_lossy(second).into_owned();
                    is_recurring = RECURRING.contains(&sql.as_str());
                    statements.insert(first.to_vec(), is_recurring);
                    traffic.texts.push(sql);
                }
                b'B' => {
                    is_recurring = statements[second];
                    traffic.round_trips += if is_recurring { 0 } else { begun };
                    begun = 0;
                }
                b'Q' => {
                    traffic.texts.push(String::from_utf8_lossy(first).into_owned());
                    if first.starts_with(b"begin") {
                        begun = 1;
                    } else {
                        traffic.round_trips += usize::from(!is_recurring);
                    }
                }
                b'S' => traffic.round_trips += usize::from(!is_recurring),
                _ => {}
            }
        }
        is_startup = false;
        server.write_all(&head)?;
        server.write_all(&body)?;
    }
}

#[test]
fn a_finish_with_a_start_takes_one_round_trip_to_the_database() {
    let database = Database::new();
    let directory = TempDirectory::new();
    let (url, traffic) = proxy(&database, directory.path());
    let service = Service::with_environment(&[("DATABASE_URL", &url), ("DEPLOYLOG_POOL_SIZE", "5")]);
    let post = |run: usize, status: &str| {
        service.record(
            &json!({"component": "web", "version": "1", "owner": "ann", "run": run.to_string(), "status": status})
                .to_string(),
        )
    };
    post(0, "started");
    for run in 1..=10 {
        let before = traffic.lock().unwrap().round_trips;
        post(run, "started");
        let finished = post(run, "deployed");
        assert!(finished["duration_seconds"].is_number());
        assert_eq!(traffic.lock().unwrap().round_trips - before, 2, "one round trip per record");
    }
}

/// This is what lets the service run behind a connection pooler that works per transaction.
#[test]
fn the_service_changes_settings_only_within_a_transaction() {
    let database = Database::new();
    let directory = TempDirectory::new();
    let (url, traffic) = proxy(&database, directory.path());
    let service = Service::with_environment(&[("DATABASE_URL", &url)]);
    let record = service.record(DEPLOYED);
    service.import(DEPLOYED).expect(201);
    let path = format!("/api/{}", record["id"]);
    service.send_json("PATCH", &path, r#"{"owner":"bob"}"#).expect(200);
    service.read(&record["id"]);
    for target in ["/api/", "/api/deploys", "/api/current", "/api/dora", "/api/durations", "/metrics"] {
        assert_eq!(service.get(target).status, 200, "{target}");
    }
    service.all_records();
    service.send_json("DELETE", &path, "").expect(204);
    let traffic = traffic.lock().unwrap();
    let settings = traffic.texts.iter().flat_map(|text| text.split(';')).map(str::trim);
    let settings: Vec<_> = settings.filter(|statement| statement.starts_with("set ")).collect();
    assert!(!settings.is_empty());
    assert!(settings.iter().all(|setting| setting.starts_with("set local ")), "{settings:?}");
}
