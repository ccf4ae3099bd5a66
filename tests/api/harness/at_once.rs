//! Requests that reach the service while none of them can be written.

use std::sync::mpsc;

use super::{Answer, Database, Service, Session, eventually};

pub const SENDERS: usize = 16;

/// A service that lets deliveries wait for each other longer than any of these tests takes.
pub fn patient() -> (Database, Service) {
    let database = Database::new();
    let service = Service::set(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_POOL_TIMEOUT", "30")]);
    (database, service)
}

/// Sends as many, each on a connection of its own, while none of them can be written.
pub fn at_once(database: &Database, service: &Service, send: impl Fn(&Service, usize) -> Answer + Sync) -> Vec<Answer> {
    let session = Session::open(&database.url());
    session.run("begin; lock table records in share mode");
    std::thread::scope(|scope| {
        let (began, sending) = mpsc::channel();
        let threads: Vec<_> = (0..SENDERS)
            .map(|number| {
                let (send, began) = (&send, began.clone());
                scope.spawn(move || {
                    began.send(()).unwrap();
                    send(service, number)
                })
            })
            .collect();
        assert_eq!(sending.iter().take(SENDERS).count(), SENDERS);
        eventually("a delivery waits to be written", || {
            let waiting = "select from pg_locks where relation = 'records'::regclass and not granted";
            !database.sql(waiting).is_empty()
        });
        drop(session);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
