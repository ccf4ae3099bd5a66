//! Requests that arrive together while a lock keeps the service from writing any of them.

use std::sync::mpsc;

use super::{Database, Response, Service, Session, eventually};

pub const SENDERS: usize = 16;

/// A service whose writes wait for a connection longer than any of these tests takes.
pub fn service_with_long_timeout() -> (Database, Service) {
    let database = Database::new();
    let service = Service::with_settings(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_POOL_TIMEOUT", "30")]);
    (database, service)
}

/// Sends `SENDERS` requests, each on its own connection, and lets none be written before the first one waits for the lock.
pub fn send_concurrently(
    database: &Database,
    service: &Service,
    send: impl Fn(&Service, usize) -> Response + Sync,
) -> Vec<Response> {
    let session = Session::open(&database.url());
    session.execute("begin; lock table records in share mode");
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
        eventually("a write waits for the lock", || {
            let waiting = "select from pg_locks where relation = 'records'::regclass and not granted";
            !database.sql(waiting).is_empty()
        });
        drop(session);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
