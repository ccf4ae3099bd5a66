//! Counters of the store's work in this process, for metrics.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::domain::record::Phase;

#[derive(Default)]
pub struct Counts {
    /// Requests that wait for a record to be written.
    pub writing: Waiting,
    /// Requests that wait for a record to be read by its id.
    pub reading: Waiting,
    recorded: [AtomicU64; Phase::ALL.len()],
    deleted: AtomicU64,
}

impl Counts {
    /// Counts a new record.
    pub fn add_recorded(&self, phase: Phase) {
        self.recorded[phase as usize].fetch_add(1, Relaxed);
    }

    /// New records since the start, in the order of [`Phase::ALL`].
    pub fn recorded(&self) -> [u64; Phase::ALL.len()] {
        self.recorded.each_ref().map(|count| count.load(Relaxed))
    }

    /// Counts records that retention deleted.
    pub fn add_deleted(&self, count: u64) {
        self.deleted.fetch_add(count, Relaxed);
    }

    /// Records that retention has deleted since the start.
    pub fn deleted(&self) -> u64 {
        self.deleted.load(Relaxed)
    }
}

/// A number of waiting requests.
#[derive(Default)]
pub struct Waiting(AtomicUsize);

impl Waiting {
    /// Counts a request until the returned guard is dropped.
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

    pub fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}
