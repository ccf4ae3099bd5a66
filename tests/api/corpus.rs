//! Requests byte by byte, out of `tests/corpus`: what each is answered, and that no proxy sees them otherwise.

mod entry;
mod play;
mod proxies;
mod wire;

use crate::harness::{Database, Service};
use entry::Entry;
use play::Stage;

/// One whose bodies must come within two seconds: what is only half sent is answered while the tests run.
fn service(database: &Database) -> Service {
    Service::with_environment(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_BODY_TIMEOUT", "2")])
}

#[test]
fn every_request_of_the_corpus_is_answered_as_the_rfcs_ask() {
    let entries = Entry::all();
    assert!(entries.len() >= 150, "{} entries", entries.len());
    let service = service(&Database::new());
    let stage = Stage::new(&service);
    let failures: Vec<_> = entries.iter().filter_map(|entry| stage.play(entry).err()).collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), entries.len(), failures.join("\n"));
}
