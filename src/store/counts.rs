//! Counters of the store's work in this process, for metrics.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::domain::record::Phase;

#[derive(Default)]
pub struct Counts {
    /// Requests that wait for a record to be written.
    pub writing: Gauge,
    /// Requests that wait for a record to be read by its id.
    pub reading: Gauge,
    /// New records since the start, in the order of [`Phase::ALL`].
    pub recorded: [Counter; Phase::ALL.len()],
    /// Records that retention has deleted since the start.
    pub deleted: Counter,
    /// Steps of retention that failed since the start.
    pub retention_failures: Counter,
}

#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Counts the guards that [`Gauge::enter`] returned and that are not dropped yet.
#[derive(Default)]
pub struct Gauge(Arc<()>);

impl Gauge {
    /// Counts one until the returned guard is dropped.
    pub fn enter(&self) -> Arc<()> {
        self.0.clone()
    }

    pub fn value(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}
