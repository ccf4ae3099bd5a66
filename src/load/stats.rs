//! The counts and latencies of a run.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

use super::connection::{RequestError, Response};
use super::workload::Acknowledged;

/// In microseconds: more than a day.
const MAX_LATENCY: u64 = 100_000_000_000;

pub struct Stats {
    /// Of the requests that succeeded, in microseconds to three digits.
    pub latency: Histogram<u64>,
    /// All responses by status, including those to requests that were retried.
    pub statuses: BTreeMap<u16, u64>,
    /// The requests that failed and were not retried again.
    pub errors: BTreeMap<RequestError, u64>,
    /// Why the service refused the token, otherwise the first response that was not a success.
    pub refusal: Option<String>,
    pub retries: u64,
    /// At a fixed rate: how long after it was due the latest request was sent.
    pub behind: Duration,
    /// Filled only if the records are needed later.
    pub acknowledged: Vec<Acknowledged>,
}

impl Stats {
    pub fn new() -> Result<Self, String> {
        Ok(Self {
            latency: Histogram::new_with_max(MAX_LATENCY, 3).map_err(|error| error.to_string())?,
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            refusal: None,
            retries: 0,
            behind: Duration::ZERO,
            acknowledged: Vec::new(),
        })
    }

    pub fn succeed(&mut self, status: u16, latency: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        self.latency.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts a response that is not a success.
    pub fn refuse(&mut self, response: &Response) {
        *self.statuses.entry(response.head.status).or_default() += 1;
        if self.refusal.is_none() || response.is_denied() {
            self.refusal = Some(response.refusal());
        }
    }

    /// Whether the service refused the token.
    pub fn is_denied(&self) -> bool {
        self.statuses.contains_key(&401) || self.statuses.contains_key(&403)
    }

    pub fn fail(&mut self, error: RequestError, count: u64) {
        if count > 0 {
            *self.errors.entry(error).or_default() += count;
        }
    }

    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// The requests that succeeded or failed.
    pub fn requests(&self) -> u64 {
        self.latency.len() + self.failed()
    }

    /// In microseconds.
    pub fn percentile(&self, percent: f64) -> u64 {
        self.latency.value_at_quantile(percent / 100.0)
    }
}
