//! Histories catch a write path without its lock, and one that takes it too late.

use super::{Processes, check::Violation};

/// Enough that one of them is caught, and few enough to take some seconds where none is.
const HISTORIES: u64 = 100;

/// Takes no lock at all.
const LEFT_OUT: &str = "
    create or replace function lock_components(components text[]) returns void
      language plpgsql as 'begin end'";

/// Takes the lock of a component where the first of its rows is written: after the look at what stands.
const TAKEN_AFTER_THE_LOOK: &str = "
    alter function lock_components(text[]) rename to lock_components_late;
    create function lock_components(components text[]) returns void
      language plpgsql as 'begin end';
    create function lock_late() returns trigger language plpgsql as $$
      begin
        perform lock_components_late(array_remove(array[old.component, new.component], null));
        return coalesce(new, old);
      end $$;
    create trigger late before insert or update or delete on records
      for each row execute function lock_late()";

/// Whether one of the histories through four processes is caught, once this SQL has changed their schema.
fn is_caught(mutation: &str) -> bool {
    let processes = Processes::start(4);
    processes.database.sql(mutation);
    processes.caught(0..HISTORIES).any(|(_, violation)| matches!(violation, Violation::Wrong(_)))
}

#[test]
fn a_missing_lock_is_detected() {
    assert!(is_caught(LEFT_OUT));
}

#[test]
fn a_lock_taken_after_the_read_is_detected() {
    assert!(is_caught(TAKEN_AFTER_THE_LOOK));
}
