//! The only place that runs queries.
//!
//! Every write is one statement, run in another task than the request's, so that a client who leaves undoes nothing:
//! [`insert`] for new records, [`change`] for one that stands. [`writers`] and [`readers`] put requests that arrive
//! together in one. Two statements in flight together do not see each other: within this process [`lanes`] keep those of
//! one component apart, and what races with another replica gets a second look ([`replicas`]).

mod attempts;
mod change;
mod connections;
mod current;
mod deploys;
mod digest;
mod events;
mod failure;
mod feed;
mod gauges;
mod history;
mod insert;
mod lanes;
mod page;
mod pulse;
mod readers;
mod replicas;
mod reports;
mod retention;
mod rows;
mod tokens;
mod usual;
mod writers;

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::timeout;

pub use connections::connect_options;
pub use current::{CurrentPage, Place};
pub use deploys::{DeployCursor, DeployPage};
pub use events::forget_events;
pub use feed::{Batch, Hearing};
pub use gauges::{Gauges, LastDeploy, MAX_PLACES};
pub use history::{HistoryCursor, HistoryPage};
pub use page::{Cursor, Filter, Page};
pub use replicas::second_looks;
pub use reports::{Bounds, By, DeployFigures, DurationFigures, NamedDurations, Unrecovered, Window};
pub use retention::forget_records;
pub use tokens::{Tokens, watch_tokens};

use crate::{
    config::PoolLimits,
    database::Endpoint,
    error::Error,
    migrate,
    record::{NewRecord, Record},
};
use attempts::again;
use connections::{Connections, Failure};
use feed::Feed;
use insert::{Insert, Outcome, Written};
use lanes::Lanes;
use readers::Readers;
use replicas::Replica;
use writers::Writers;

/// What a sender delivers: a record, and the key that makes a repetition of it known.
#[derive(Debug)]
pub struct Delivery {
    /// What it says.
    pub record: NewRecord,
    /// Its idempotency key.
    pub key: Option<String>,
}

/// What stands after a delivery.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The record as it is now.
    pub record: Record,
    /// Whether an earlier delivery had recorded it.
    pub is_replay: bool,
}

/// What stands after an import.
#[derive(Debug)]
pub struct Imported {
    /// Of every delivery, in order.
    pub ids: Vec<i64>,
    /// How many of them earlier deliveries had recorded.
    pub replayed: usize,
}

/// Deliveries whose key was used for other content: which one, and the fields that differ from the record as it is.
pub type Reused = Vec<(usize, Vec<&'static str>)>;

/// How long the replicas may take to hear that this process ends.
const GOODBYE: Duration = Duration::from_secs(1);

/// The records, in a database that may come and go.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    writers: Arc<Writers>,
    readers: Arc<Readers>,
    feed: Arc<Feed>,
}

struct Inner {
    /// For what is looked up by key: any values, one plan.
    by_key: Connections,
    /// For what is filtered: a plan for the values.
    by_filter: Connections,
    turns: reports::Turns,
    usual: usual::Usual,
    lanes: Lanes,
    replica: Replica,
    lane_wait: Duration,
    counts: gauges::Counts,
}

impl Store {
    /// Makes this process known to its replicas and opens the store. The schema must be there.
    pub async fn open(database: &Endpoint, limits: PoolLimits) -> Result<Self, Error> {
        let for_lists = (limits.size / 3).max(1);
        // One is that on which groups of records stand in line.
        let pulse = connections::pulse(database, limits)?;
        let by_key = Connections::new(database, limits, limits.size - for_lists - 1, "force_generic_plan", &pulse)?;
        let by_filter = Connections::new(database, limits, for_lists, "force_custom_plan", &pulse)?;
        let replica = Replica::join(&by_key, limits.statement).await?;
        let inner = Arc::new(Inner {
            by_key,
            by_filter,
            turns: reports::Turns::new(for_lists, limits.wait),
            usual: usual::Usual::default(),
            lanes: Lanes::default(),
            replica,
            lane_wait: limits.wait,
            counts: gauges::Counts::default(),
        });
        Ok(Self {
            writers: Arc::new(Writers::start(&inner)),
            readers: Arc::new(Readers::start(&inner)),
            feed: Feed::start(&inner),
            inner,
        })
    }

    /// Whether the database answers and its schema is this program's.
    pub async fn ping(&self) -> Result<(), Error> {
        let rows = self.inner.by_key.read(include_str!("../sql/schema_last.sql"), &[]).await;
        let is_current =
            rows.map_err(|failure| Error::Unavailable(failure.share().into()))?.first().is_some_and(|row| {
                let last = (row.try_get(0).unwrap_or_default(), row.try_get(1).unwrap_or_default());
                migrate::is_last(last) && row.try_get(2).unwrap_or_default()
            });
        if is_current { Ok(()) } else { Err(Error::Unavailable("the schema is another than this program's".into())) }
    }

    /// Records one, together with others that arrive meanwhile. The inner error: its key stands for other content,
    /// and these fields differ.
    pub async fn record(&self, delivery: Delivery) -> Result<Result<Delivered, Vec<&'static str>>, Error> {
        let _waiting = self.inner.counts.writing.enter();
        self.writers.record(self.inner.lanes.lane_of(&delivery.record.component), delivery).await
    }

    /// Records all or none, and answers the ids in their order. The inner error: some keys stand for other content, and
    /// nothing is recorded.
    pub async fn import(&self, deliveries: Vec<Delivery>) -> Result<Result<Imported, Reused>, Error> {
        let inner = self.inner.clone();
        in_its_own_task(async move {
            let deliveries: Vec<_> = deliveries.iter().collect();
            let _lanes = inner.hold(deliveries.iter().map(|delivery| delivery.record.component.as_str())).await?;
            let written = inner.deliver(&deliveries, false).await?;
            Ok(written.map(|written| Imported {
                replayed: written.iter().filter(|written| matches!(written, Written::Replay(_))).count(),
                ids: written.into_iter().map(Written::id).collect(),
            }))
        })
        .await
    }

    /// One record.
    pub async fn read(&self, id: i64) -> Result<Record, Error> {
        let _waiting = self.inner.counts.reading.enter();
        self.readers.read(id).await
    }

    /// A page of records, newest first.
    pub async fn page(&self, filter: &Filter, after: Option<Cursor>, limit: u32) -> Result<Page, Error> {
        page::read(&self.inner.by_filter, filter, after, limit).await
    }

    /// Closes every connection, and lets the replicas know that this one has gone.
    pub async fn close(&self) {
        // Else they forget it after a minute.
        let _ = timeout(GOODBYE, self.inner.replica.leave(&self.inner.by_key)).await;
        self.inner.by_key.close();
        self.inner.by_filter.close();
    }
}

impl Inner {
    /// Those that exist, by their ids.
    async fn records(&self, ids: &[i64]) -> Result<HashMap<i64, Record>, Failure> {
        let rows = self.by_key.read(include_str!("../sql/records_by_id.sql"), &[&ids]).await?;
        let records = rows.iter().map(|row| rows::record(row).map(|record| (record.id, record)));
        records.collect::<Result<_, _>>().map_err(Failure::Broken)
    }

    /// Records all or none, `in_line` with others or not. Their lanes are held.
    async fn deliver(&self, deliveries: &[&Delivery], in_line: bool) -> Result<Result<Vec<Written>, Reused>, Failure> {
        let insert = Insert::new(deliveries);
        if !insert.reused.is_empty() {
            return Ok(Err(insert.reused));
        }
        let replica = self.replica.current(&self.by_key).await?;
        let written = again(|| insert.run(&self.by_key, &replica.id, in_line)).await;
        match replica.heeds(written)? {
            Outcome::Written(written) => {
                for (delivery, written) in deliveries.iter().zip(&written) {
                    if matches!(written, Written::New(_)) {
                        self.counts.recorded(delivery.record.phase);
                    }
                }
                let amid = |written: &Written| match written {
                    Written::New(addition) if addition.comes_before_another => Some(addition.id),
                    _ => None,
                };
                let ids: Vec<_> = written.iter().filter_map(amid).collect();
                if !ids.is_empty() {
                    self.look_again_at(&ids).await;
                }
                Ok(Ok(written))
            }
            Outcome::Reused(reused) => {
                let ids: Vec<_> = reused.iter().map(|(_, id)| *id).collect();
                let standing = self.records(&ids).await?;
                let differences = reused.into_iter().map(|(delivery, id)| {
                    // Where another replica has just removed it, it is as one that was changed since.
                    let record = standing.get(&id);
                    (
                        delivery,
                        record.map(|record| record.differences(&deliveries[delivery].record)).unwrap_or_default(),
                    )
                });
                Ok(Err(differences.collect()))
            }
        }
    }

    /// Takes the second looks at these, so that what is acknowledged is right. Where that fails they stay noted, for the
    /// next of [`second_looks`]: what was written is acknowledged nevertheless.
    async fn look_again_at(&self, ids: &[i64]) {
        if let Err(failure) = self.try_to_look_again_at(ids).await {
            tracing::warn!(error = %failure.share(), "a second look is put off");
        }
    }

    async fn try_to_look_again_at(&self, ids: &[i64]) -> Result<(), Failure> {
        let name = self.replica.current(&self.by_key).await?;
        // Else a write that was lost may still come, and is right only by a look after it.
        if name.is_known(&self.by_key).await? { replicas::take_looks(self, &name, ids, 0).await } else { Ok(()) }
    }

    async fn hold<'a>(&self, components: impl Iterator<Item = &'a str>) -> Result<lanes::Held, Failure> {
        timeout(self.lane_wait, self.lanes.hold(components))
            .await
            .map_err(|_| Failure::Overloaded("earlier writes of the component take too long".into()))
    }
}

/// Runs to its end whatever becomes of the request that asked for it.
fn in_its_own_task<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> impl Future<Output = Result<T, Error>> {
    let task = tokio::spawn(work);
    async move {
        task.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(stopped) => Err(Error::Unavailable(stopped.into())),
        })
    }
}
