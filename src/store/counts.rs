//! What this process counts of its own work.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use deadpool_postgres::Status;

use crate::domain::record::Phase;

/// The store's work at this moment.
pub struct Gauges {
    /// Requests that wait for a record to be written.
    pub writing: usize,
    /// Requests that wait for a record to be read by its id.
    pub reading: usize,
    /// The connections, by what they are for.
    pub pools: [(&'static str, Status); 6],
    /// Records written since the start, in the order of [`Phase::ALL`].
    pub recorded: [u64; Phase::ALL.len()],
    /// Records deleted since the start because they were old.
    pub forgotten: u64,
}

/// Counted where it happens.
#[derive(Default)]
pub struct Counts {
    /// Requests that wait for a record to be written.
    pub writing: Waiting,
    /// Requests that wait for a record to be read by its id.
    pub reading: Waiting,
    recorded: [AtomicU64; Phase::ALL.len()],
    forgotten: AtomicU64,
}

impl Counts {
    /// Counts a record that was written.
    pub fn recorded(&self, phase: Phase) {
        self.recorded[phase as usize].fetch_add(1, Relaxed);
    }

    /// Records written since the start, in the order of [`Phase::ALL`].
    pub fn all_recorded(&self) -> [u64; Phase::ALL.len()] {
        self.recorded.each_ref().map(|count| count.load(Relaxed))
    }

    /// Counts records that were deleted because they were old.
    pub fn forgotten(&self, count: u64) {
        self.forgotten.fetch_add(count, Relaxed);
    }

    /// Records deleted since the start because they were old.
    pub fn all_forgotten(&self) -> u64 {
        self.forgotten.load(Relaxed)
    }
}

/// How many wait.
#[derive(Default)]
pub struct Waiting(AtomicUsize);

impl Waiting {
    /// Counts one more until what is returned is dropped.
    pub fn enter(&self) -> impl Drop + '_ {
        struct Entered<'a>(&'a AtomicUsize);
        impl Drop for Entered<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Relaxed);
            }
        }
        self.0.fetch_add(1, Relaxed);
        Entered(&self.0)
    }

    /// How many wait now.
    pub fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}
