//! The histories detect a write path without its lock and one that takes the lock too late.

use super::{Processes, check::Violation};

/// Enough to detect each mutation; the first detection ends the test.
const HISTORIES: u64 = 100;

/// Takes no lock.
const WITHOUT_LOCK: &str = "
    create or replace function lock_components(components text[]) returns void
      language plpgsql as 'begin end'";

/// Takes the lock of a component when its first row is written, after the read of its neighbours.
const LOCK_AFTER_READ: &str = "
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

/// Whether a history with four processes detects this change of the schema.
fn is_detected(mutation: &str) -> bool {
    let processes = Processes::start(4);
    processes.database.sql(mutation);
    processes.violations(0..HISTORIES).any(|(_, violation)| matches!(violation, Violation::Wrong(_)))
}

#[test]
fn a_missing_lock_is_detected() {
    assert!(is_detected(WITHOUT_LOCK));
}

#[test]
fn a_lock_taken_after_the_read_is_detected() {
    assert!(is_detected(LOCK_AFTER_READ));
}
