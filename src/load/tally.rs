//! What came of the requests.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;

use super::{answer::Failure, things::Acknowledged};

/// Microseconds: a day and some.
const MAX_LATENCY: u64 = 100_000_000_000;

/// Counts of a run so far.
pub struct Tally {
    /// Microseconds, three digits, of the requests that succeeded.
    pub latency: Histogram<u64>,
    /// Every answer by its status, also those of requests that were sent again.
    pub statuses: BTreeMap<u16, u64>,
    /// The requests that failed for good.
    pub failures: BTreeMap<Failure, u64>,
    /// What the first refusal said.
    pub first_refusal: Option<String>,
    /// What was said where the token was not the right one.
    pub denial: Option<String>,
    /// Requests sent again.
    pub retries: u64,
    /// Of an open loop: how long after it was due the latest request was sent.
    pub behind: Duration,
    /// The records that the service said it has, where they are kept.
    pub acknowledged: Vec<Acknowledged>,
}

/// A tally that many write to.
pub struct Shared(Mutex<Tally>);

impl Shared {
    /// Nothing yet.
    pub fn new() -> Result<Self, hdrhistogram::CreationError> {
        Ok(Self(Mutex::new(Tally::new()?)))
    }

    /// For a moment.
    pub fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    /// Nothing yet.
    pub fn new() -> Result<Self, hdrhistogram::CreationError> {
        Ok(Self {
            latency: Histogram::new_with_max(MAX_LATENCY, 3)?,
            statuses: BTreeMap::new(),
            failures: BTreeMap::new(),
            first_refusal: None,
            denial: None,
            retries: 0,
            behind: Duration::ZERO,
            acknowledged: Vec::new(),
        })
    }

    /// A request succeeded after so long.
    pub fn succeed(&mut self, status: u16, latency: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        self.latency.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// A request was answered with something else than 2xx.
    pub fn refuse(&mut self, status: u16, says: impl FnOnce() -> String) {
        *self.statuses.entry(status).or_default() += 1;
        self.first_refusal.get_or_insert_with(says);
    }

    /// A request failed for good.
    pub fn fail(&mut self, failure: Failure) {
        *self.failures.entry(failure).or_default() += 1;
    }

    /// So many were due and never sent.
    pub fn miss(&mut self, count: u64) {
        if count > 0 {
            *self.failures.entry(Failure::NotSent).or_default() += count;
        }
    }

    /// How many failed for good.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// How many succeeded or failed.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.latency.len() + self.failed()
    }
}
