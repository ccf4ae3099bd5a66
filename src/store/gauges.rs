//! What is told about the store's work, and about deploys as a whole.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::{Store, rows};
use crate::{
    error::{Cause, Error},
    record::Phase,
};

/// So many components and environments have figures of their own: the first by name.
pub const MAX_PLACES: usize = 500;

/// The store's work at this moment.
pub struct Gauges {
    /// Requests that wait for a record to be written.
    pub writing: usize,
    /// Requests that wait for a record to be read by its id.
    pub reading: usize,
    /// The connections, by what they are for.
    pub pools: [(&'static str, deadpool_postgres::Status); 3],
    /// Records written since the start, in the order of [`Phase::ALL`].
    pub recorded: [u64; Phase::ALL.len()],
    /// Records removed since the start because they were old.
    pub forgotten: u64,
}

/// The last deploy of a component in an environment.
pub struct LastDeploy {
    /// What was deployed.
    pub component: String,
    /// Where; empty where nobody said.
    pub environment: String,
    /// Unix time in seconds.
    pub finished_at: f64,
    /// In seconds, where it is known.
    pub duration: Option<f64>,
    /// Whether its phase is `succeeded`.
    pub is_success: bool,
}

/// Counted where it happens.
#[derive(Default)]
pub struct Counts {
    pub writing: Waiting,
    pub reading: Waiting,
    recorded: [AtomicU64; Phase::ALL.len()],
    forgotten: AtomicU64,
}

impl Counts {
    /// Counts a record that was written.
    pub fn recorded(&self, phase: Phase) {
        self.recorded[phase as usize].fetch_add(1, Relaxed);
    }

    /// Counts records that were removed because they were old.
    pub fn forgotten(&self, count: u64) {
        self.forgotten.fetch_add(count, Relaxed);
    }
}

/// How many wait.
#[derive(Default)]
pub struct Waiting(AtomicUsize);

impl Waiting {
    /// Counts one more until what is answered goes.
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
}

impl Store {
    /// The work at this moment. Asks nobody.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        let counts = &self.inner.counts;
        Gauges {
            writing: counts.writing.0.load(Relaxed),
            reading: counts.reading.0.load(Relaxed),
            pools: [
                ("records", self.inner.by_key.line_status()),
                ("keys", self.inner.by_key.status()),
                ("lists", self.inner.by_filter.status()),
            ],
            recorded: counts.recorded.each_ref().map(|count| count.load(Relaxed)),
            forgotten: counts.forgotten.load(Relaxed),
        }
    }

    /// How many deploys started within the last day and have not finished.
    pub async fn running(&self) -> Result<i64, Error> {
        let rows = self.inner.by_key.read(include_str!("../../sql/deploys_running.sql"), &[]).await?;
        rows.first().map_or(Ok(0), |row| rows::column(row, 0)).map_err(Error::Internal)
    }

    /// The last deploy of every component and environment, by name; one more than [`MAX_PLACES`] where there are more.
    pub async fn last_deploys(&self) -> Result<Vec<LastDeploy>, Error> {
        let most = i32::try_from(MAX_PLACES + 1).unwrap_or(i32::MAX);
        let rows = self.inner.by_key.read(include_str!("../../sql/deploys_last.sql"), &[&most]).await?;
        let deploy = |row| -> Result<_, Cause> {
            Ok(LastDeploy {
                component: rows::column(row, 0)?,
                environment: rows::column(row, 1)?,
                finished_at: rows::column(row, 2)?,
                duration: rows::column(row, 3)?,
                is_success: rows::column(row, 4)?,
            })
        };
        rows.iter().map(deploy).collect::<Result<_, _>>().map_err(Error::Internal)
    }
}
