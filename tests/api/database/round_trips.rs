//! How often a request asks the database: counted between the two.

use std::{
    collections::HashMap,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::json;

use crate::harness::{Database, PrivateDirectory, Service};

/// What some statements begin with that nobody asks for.
const RECURRING: [&str; 3] = ["-- Says that this process uses", "-- Forgets up to 10,000 events", "-- All tokens,"];

/// Passes everything on, and counts what asks for an answer: `Sync` and `Query` messages. Those of what recurs by itself
/// do not count, nor the transactions around it.
fn counting_proxy(directory: &Path, server: &Path) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let listener = UnixListener::bind(directory.join(".s.PGSQL.5432")).unwrap();
    let server = server.join(".s.PGSQL.5432");
    let counted = count.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), UnixStream::connect(&server).unwrap());
            let (back_from, back_to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut &back_from, &mut &back_to));
            let count = counted.clone();
            std::thread::spawn(move || pass_on(client, server, &count));
        }
    });
    count
}

fn pass_on(mut client: UnixStream, mut server: UnixStream, count: &AtomicUsize) -> std::io::Result<()> {
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
            let mut strings = body.split(|byte| *byte == 0);
            let (first, second) = (strings.next().unwrap_or_default(), strings.next().unwrap_or_default());
            match head[0] {
                b'P' => {
                    let sql = String::from_utf8_lossy(second);
                    recurs = RECURRING.iter().any(|of| sql.contains(of));
                    statements.insert(first.to_vec(), recurs);
                }
                b'B' => {
                    recurs = statements[second];
                    count.fetch_add(if recurs { 0 } else { begun }, Ordering::SeqCst);
                    begun = 0;
                }
                b'Q' if first.starts_with(b"begin") => begun = 1,
                b'S' | b'Q' if !recurs => drop(count.fetch_add(1, Ordering::SeqCst)),
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
    let directory = PrivateDirectory::new();
    let count = counting_proxy(directory.path(), &database.socket_dir());
    let url = database.url().replace(database.socket_dir().to_str().unwrap(), directory.text());
    let service = Service::with(&[("DATABASE_URL", &url), ("DEPLOYLOG_POOL_SIZE", "3")]);
    let post = |run: usize, status: &str| {
        service.record(
            &json!({"component": "web", "version": "1", "owner": "ann", "run": run.to_string(), "status": status})
                .to_string(),
        )
    };
    post(0, "started");
    for run in 1..=10 {
        let before = count.load(Ordering::SeqCst);
        post(run, "started");
        let finished = post(run, "deployed");
        assert!(finished["duration_seconds"].is_number());
        assert_eq!(count.load(Ordering::SeqCst) - before, 2, "one for each of the two");
    }
}
