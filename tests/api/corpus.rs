//! Sends the raw requests of `tests/corpus` to the service and through proxies, and checks the responses.

mod entry;
mod play;
mod proxies;
mod wire;

use crate::harness::{Database, Service};
use entry::Entry;
use play::Player;

/// A service with a body timeout of two seconds, so that entries with half a body end soon.
fn service(database: &Database) -> Service {
    Service::with_environment(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_BODY_TIMEOUT", "2")])
}

#[test]
fn every_request_of_the_corpus_gets_the_expected_response() {
    let entries = Entry::all();
    assert!(entries.len() >= 150, "{} entries", entries.len());
    let service = service(&Database::new());
    let player = Player::new(&service);
    let failures: Vec<_> = entries.iter().filter_map(|entry| player.play(entry).err()).collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), entries.len(), failures.join("\n"));
}
