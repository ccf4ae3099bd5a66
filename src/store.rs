//! The only place that runs queries.
//!
//! Every write is the one statement `sql/records_write.sql`, run in another task than the request's, so that a client
//! who leaves undoes nothing; [`writers`] put records that arrive together in one. Two statements in flight together
//! do not see each other: within this process [`lanes`] keep those of one component apart, and what races with another
//! replica gets a second look ([`replicas`]).

mod batch;
mod connections;
mod lanes;
mod page;
mod replicas;
mod rows;
mod writers;

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::timeout;

pub use connections::connect_options;
pub use page::{Cursor, Filter, Page};
pub use replicas::second_looks;

use crate::{
    config::PoolLimits,
    error::Error,
    migrate,
    record::{NewRecord, Record},
};
use batch::{Answer, Batch};
use connections::{Connections, Failure};
use lanes::Lanes;
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

/// Deliveries whose key was used for other content: which one, and the fields that differ from the record as it is.
pub type Reused = Vec<(usize, Vec<&'static str>)>;

/// How often a change begins anew because somebody else was faster.
const CHANGE_ATTEMPTS: usize = 100;
/// How long the replicas may take to hear that this process ends.
const GOODBYE: Duration = Duration::from_secs(1);

/// The records, in a database that may come and go.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    writers: Arc<Writers>,
}

struct Inner {
    reading: Connections,
    writing: Connections,
    lanes: Lanes,
    replica: String,
    lane_wait: Duration,
}

impl Store {
    /// Makes this process known to its replicas and opens the store. The schema must be there.
    pub async fn open(database: &tokio_postgres::Config, limits: PoolLimits) -> Result<Self, Error> {
        let writing = Connections::new(database, limits, limits.size / 2, "force_generic_plan")?;
        let reading = Connections::new(database, limits, limits.size - limits.size / 2, "force_custom_plan")?;
        let replica = replicas::join(&writing, limits.statement).await?;
        let lanes = Lanes::default();
        let inner = Arc::new(Inner { reading, writing, lanes, replica, lane_wait: limits.wait });
        Ok(Self { writers: Arc::new(Writers::start(&inner)), inner })
    }

    /// Whether the database answers and its schema is this program's.
    pub async fn ping(&self) -> Result<(), Error> {
        let rows = self.inner.reading.read(include_str!("../sql/schema_last.sql"), &[]).await;
        let is_current = rows.map_err(|error| Error::Unavailable(error.into()))?.first().is_some_and(|row| {
            let last = (row.try_get(0).unwrap_or_default(), row.try_get(1).unwrap_or_default());
            migrate::is_last(last) && row.try_get(2).unwrap_or_default()
        });
        if is_current { Ok(()) } else { Err(Error::Unavailable("the schema is another than this program's".into())) }
    }

    /// Records one, together with others that arrive meanwhile. The inner error: its key stands for other content,
    /// and these fields differ.
    pub async fn record(&self, delivery: Delivery) -> Result<Result<Delivered, Vec<&'static str>>, Error> {
        self.writers.record(self.inner.lanes.lane_of(&delivery.record.component), delivery).await
    }

    /// Records all or none. The inner error: some keys stand for other content, and nothing is recorded.
    pub async fn import(&self, deliveries: Vec<Delivery>) -> Result<Result<Vec<Delivered>, Reused>, Error> {
        let inner = self.inner.clone();
        in_its_own_task(async move { Ok(inner.deliver(&deliveries.iter().collect::<Vec<_>>()).await?) }).await
    }

    /// One record.
    pub async fn read(&self, id: i64) -> Result<Record, Error> {
        self.inner.read(id).await
    }

    /// Changes a record into what `edit` makes of it as it stands, or removes it where `edit` makes nothing of it.
    /// Answers the record as it is now, or as it was when it went.
    pub async fn change(
        &self,
        id: i64,
        edit: impl Fn(&Record) -> Result<Option<NewRecord>, Error> + Send + 'static,
    ) -> Result<Record, Error> {
        let inner = self.inner.clone();
        in_its_own_task(async move {
            for _ in 0..CHANGE_ATTEMPTS {
                let standing = inner.read(id).await?;
                let edited = edit(&standing)?;
                if edited.as_ref().is_some_and(|edited| *edited == standing.own()) {
                    return Ok(standing);
                }
                let old_component = standing.said.component.as_str();
                let new_component = edited.as_ref().map_or(old_component, |edited| edited.component.as_str());
                let lanes = inner.hold([old_component, new_component].into_iter()).await?;
                let answers = inner.write(&Batch::of_change(&standing, edited.as_ref())).await?;
                drop(lanes);
                // There is none where the record has changed meanwhile.
                if let Some(answer) = answers.into_iter().next() {
                    return Ok(answer.record);
                }
            }
            Err(Error::Unavailable("the record changes all the time".into()))
        })
        .await
    }

    /// A page of records, newest first.
    pub async fn page(&self, filter: &Filter, after: Option<Cursor>, limit: u32) -> Result<Page, Error> {
        page::read(&self.inner.reading, filter, after, limit).await
    }

    /// Closes every connection, and lets the replicas know that this one has gone.
    pub async fn close(&self) {
        // Else they forget it after a minute.
        let _ = timeout(GOODBYE, replicas::leave(&self.inner.writing, &self.inner.replica)).await;
        self.inner.writing.close();
        self.inner.reading.close();
    }
}

impl Inner {
    async fn read(&self, id: i64) -> Result<Record, Error> {
        let rows = self.reading.read(include_str!("../sql/record_by_id.sql"), &[&id]).await?;
        rows.first().map(rows::record).transpose().map_err(Error::Internal)?.ok_or(Error::NotFound)
    }

    /// Records all or none, once their lanes are free.
    async fn deliver(&self, deliveries: &[&Delivery]) -> Result<Result<Vec<Delivered>, Reused>, Failure> {
        let _lanes = self.hold(deliveries.iter().map(|delivery| delivery.record.component.as_str())).await?;
        self.deliver_held(deliveries).await
    }

    /// Records all or none. Their lanes are held.
    async fn deliver_held(&self, deliveries: &[&Delivery]) -> Result<Result<Vec<Delivered>, Reused>, Failure> {
        let (batch, places, reused) = Batch::of_deliveries(deliveries);
        if !reused.is_empty() {
            return Ok(Err(reused));
        }
        let answers = self.write(&batch).await?;
        let reused = batch.reused(&answers);
        if !reused.is_empty() {
            return Ok(Err(reused));
        }
        let by_line = batch.by_line(answers)?;
        let mut first = HashMap::new();
        let delivered = places.iter().enumerate().map(|(delivery, &line)| {
            let is_first = *first.entry(line).or_insert(delivery) == delivery;
            let is_replay = by_line[line].same.is_some() || !is_first;
            Delivered { record: by_line[line].record.clone(), is_replay }
        });
        Ok(Ok(delivered.collect()))
    }

    async fn hold<'a>(&self, components: impl Iterator<Item = &'a str>) -> Result<lanes::Held, Failure> {
        timeout(self.lane_wait, self.lanes.hold(components))
            .await
            .map_err(|_| Failure::Overloaded("earlier writes of the component take too long".into()))
    }

    /// Runs the writing statement, again where another replica stood in its way.
    async fn write(&self, batch: &Batch<'_>) -> Result<Vec<Answer>, Failure> {
        // How often the server may take nothing of it and it is said again: a useless connection has taken its fellows
        // along, so once is enough.
        let (mut collisions, mut useless) = (0..10, 0..1);
        loop {
            match batch.run(&self.writing, &self.replica).await {
                Ok(rows) => {
                    return rows.iter().map(Answer::from_row).collect::<Result<_, _>>().map_err(Failure::Broken);
                }
                Err(Failure::Collided(_)) if collisions.next().is_some() => {}
                Err(Failure::Undone(_)) if useless.next().is_some() => {}
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// Runs to its end whatever becomes of the request that asked for it.
async fn in_its_own_task<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(work).await.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(stopped) => Err(Error::Unavailable(stopped.into())),
    })
}
