//! What the service sends to the database, and how often: seen between the two.

use std::{
    collections::HashMap,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Mutex},
};

use serde_json::json;

use crate::harness::{DEPLOYED, Database, Service, TempDirectory};

/// What some statements begin with that nobody asks for.
const RECURRING: [&str; 4] =
    ["-- Says that this process uses", "-- Ends the sessions", "-- Forgets up to 10,000 events", "-- All tokens,"];

/// What passed.
#[derive(Default)]
struct Seen {
    /// What asked for an answer, `Sync` and `Query` messages, but not those of what recurs by itself and of the
    /// transactions around it.
    round_trips: usize,
    /// The text of every statement that was prepared or sent as it is.
    texts: Vec<String>,
}

/// Passes everything on between a service and its database; the URL for the service.
fn proxy(database: &Database, directory: &Path) -> (String, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let listener = UnixListener::bind(directory.join(".s.PGSQL.5432")).unwrap();
    let server = database.socket_dir().join(".s.PGSQL.5432");
    let noted = seen.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), UnixStream::connect(&server).unwrap());
            let (back_from, back_to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut &back_from, &mut &back_to));
            let seen = noted.clone();
            std::thread::spawn(move || pass_on(client, server, &seen));
        }
    });
    let (there, here) = (database.socket_dir(), directory.to_str().unwrap());
    (database.url().replace(there.to_str().unwrap(), here), seen)
}

fn pass_on(mut client: UnixStream, mut server: UnixStream, seen: &Mutex<Seen>) -> std::io::Result<()> {
    // Of each prepared statement, whether it recurs.
    let mut statements: HashMap<Vec<u8>, bool> = HashMap::new();
    let mut recurs = false;
    // A `begin` whose statement is yet to come.
    let mut begun = 0;
    let mut is_startup = true;
    loop {
        let mut head = vec![0; if is_startup { 4 } else { 5 }];
        client.read_exact(&mut head)?;
        let length: [u8; 4] = head[head.len() - 4..].try_into().unwrap();
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        client.read_exact(&mut body)?;
        if !is_startup {
            let mut seen = seen.lock().unwrap();
            let mut strings = body.split(|byte| *byte == 0);
            let (first, second) = (strings.next().unwrap_or_default(), strings.next().unwrap_or_default());
            match head[0] {
                b'P' => {
                    let sql = String::from_utf8_lossy(second).into_owned();
                    recurs = RECURRING.iter().any(|of| sql.contains(of));
                    statements.insert(first.to_vec(), recurs);
                    seen.texts.push(sql);
                }
                b'B' => {
                    recurs = statements[second];
                    seen.round_trips += if recurs { 0 } else { begun };
                    begun = 0;
                }
                b'Q' => {
                    seen.texts.push(String::from_utf8_lossy(first).into_owned());
                    if first.starts_with(b"begin") {
                        begun = 1;
                    } else {
                        seen.round_trips += usize::from(!recurs);
                    }
                }
                b'S' => seen.round_trips += usize::from(!recurs),
                _ => {}
            }
        }
        is_startup = false;
        server.write_all(&head)?;
        server.write_all(&body)?;
    }
}

#[test]
fn a_finish_that_pairs_with_its_start_stays_one_round_trip_to_the_database() {
    let database = Database::new();
    let directory = TempDirectory::new();
    let (url, seen) = proxy(&database, directory.path());
    let service = Service::with_environment(&[("DATABASE_URL", &url), ("DEPLOYLOG_POOL_SIZE", "3")]);
    let post = |run: usize, status: &str| {
        service.record(
            &json!({"component": "web", "version": "1", "owner": "ann", "run": run.to_string(), "status": status})
                .to_string(),
        )
    };
    post(0, "started");
    for run in 1..=10 {
        let before = seen.lock().unwrap().round_trips;
        post(run, "started");
        let finished = post(run, "deployed");
        assert!(finished["duration_seconds"].is_number());
        assert_eq!(seen.lock().unwrap().round_trips - before, 2, "one for each of the two");
    }
}

/// So a pooler that gives each transaction another session changes nothing.
#[test]
fn no_setting_outlives_its_transaction() {
    let database = Database::new();
    let directory = TempDirectory::new();
    let (url, seen) = proxy(&database, directory.path());
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
    let seen = seen.lock().unwrap();
    let settings = seen.texts.iter().flat_map(|text| text.split(';')).map(str::trim);
    let settings: Vec<_> = settings.filter(|statement| statement.starts_with("set ")).collect();
    assert!(!settings.is_empty());
    assert!(settings.iter().all(|setting| setting.starts_with("set local ")), "{settings:?}");
}
