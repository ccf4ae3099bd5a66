//! Processes that write side by side.
//!
//! While several are known, each notes where it touched a clock, and each takes second looks at what is noted: a look
//! that begins after two writes have ended sees both. With one process nothing is noted and nothing is looked at.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::{
    Inner, Store,
    attempts::again,
    connections::{Connections, Failure},
    rows,
};
use crate::error::Error;

/// Well within the two seconds in which replicas come to agree.
const TICK: Duration = Duration::from_millis(300);
/// Second looks a statement takes, and statements a tick runs.
const LOOKS: i64 = 500;
const STATEMENTS: usize = 20;

/// Who this process is to the others.
///
/// Of a write whose connection was lost, or that was not answered in time, nobody knows whether and when it is carried
/// out. So it is left to the name that it was sent under: this process takes another one, and both note what they write
/// for as long as the old one is remembered.
pub struct Replica {
    name: Mutex<Arc<Name>>,
    /// Whether a write is out under this name of which nobody knows.
    is_spent: AtomicBool,
    renewing: tokio::sync::Mutex<()>,
    statement_timeout: Duration,
}

/// What a process is known by.
pub struct Name {
    /// As it is noted.
    pub id: String,
    /// The transaction that made it known.
    transaction: String,
    /// No statement of a replica that does not know it lasts longer: what still runs then is somebody else's.
    until: Instant,
    /// Whether every statement in flight knows it.
    is_known: AtomicBool,
}

impl Replica {
    /// Makes this process known, and waits until every statement in flight elsewhere knows it.
    pub async fn join(writing: &Connections, statement_timeout: Duration) -> Result<Self, Error> {
        let name = Mutex::new(Arc::new(Name::make_known(writing, None, statement_timeout).await?));
        let replica =
            Self { name, is_spent: AtomicBool::new(false), renewing: tokio::sync::Mutex::default(), statement_timeout };
        while !replica.is_known(writing).await? {
            sleep(Duration::from_millis(10)).await;
        }
        Ok(replica)
    }

    /// Its name for what is written now.
    pub async fn current(&self, writing: &Connections) -> Result<Arc<Name>, Failure> {
        if self.is_spent.load(Ordering::Acquire) {
            let free = self.renewing.try_lock();
            let has_waited = free.is_err();
            let _turn = if let Ok(turn) = free { turn } else { self.renewing.lock().await };
            if self.is_spent.load(Ordering::Acquire) && has_waited {
                return Err(Failure::Unreachable("this process could just not be made known".into()));
            }
            if self.is_spent.swap(false, Ordering::AcqRel) {
                match Name::make_known(writing, Some(&self.name().id), self.statement_timeout).await {
                    Ok(name) => *self.lock() = Arc::new(name),
                    Err(failure) => {
                        self.is_spent.store(true, Ordering::Release);
                        return Err(failure);
                    }
                }
            }
        }
        Ok(self.name())
    }

    /// Takes note where a write has an unknown end.
    pub fn heeds<T>(&self, written: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(Failure::Lost(_) | Failure::Silent(_)) = &written {
            self.is_spent.store(true, Ordering::Release);
        }
        written
    }

    /// Lets the others know that this process has gone.
    pub async fn leave(&self, writing: &Connections) {
        if let Err(failure) = writing.query(include_str!("../../sql/replica_delete.sql"), &[&self.name().id]).await {
            tracing::debug!(error = %Error::from(failure), "the replicas were not told of the end");
        }
    }

    /// Whether every statement in flight knows it.
    async fn is_known(&self, writing: &Connections) -> Result<bool, Failure> {
        let name = self.name();
        if !name.is_known.load(Ordering::Relaxed) {
            let sql = include_str!("../../sql/replica_is_known.sql");
            let is_known =
                Instant::now() > name.until || is_so(&writing.query(sql, &[&name.id, &name.transaction]).await?);
            name.is_known.store(is_known, Ordering::Relaxed);
        }
        Ok(name.is_known.load(Ordering::Relaxed))
    }

    fn name(&self) -> Arc<Name> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Name>> {
        self.name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Name {
    async fn make_known(
        writing: &Connections,
        former: Option<&str>,
        statement_timeout: Duration,
    ) -> Result<Self, Failure> {
        // Twice, if need be: a name that nobody writes under is forgotten in a minute.
        let rows = writing.read(include_str!("../../sql/replica_insert.sql"), &[&former]).await?;
        let row = rows.first().ok_or_else(|| Failure::Broken("a replica has no id".into()))?;
        let column = |index| rows::column(row, index).map_err(Failure::Broken);
        let until = Instant::now() + statement_timeout;
        Ok(Self { id: column(0)?, transaction: column(1)?, until, is_known: AtomicBool::new(false) })
    }
}

/// Keeps this process known and takes second looks, for ever.
pub async fn second_looks(store: Store) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if let Err(error) = look(&store.inner).await {
            tracing::debug!(%error, "no second look");
        }
    }
}

async fn look(inner: &Inner) -> Result<(), Error> {
    // A look that begins before a write has ended does not see it.
    if !inner.replica.is_known(&inner.by_key).await? {
        return Ok(());
    }
    for _ in 0..STATEMENTS {
        let rows = inner.by_key.query(include_str!("../../sql/replica_tick.sql"), &[&inner.replica.name().id]).await?;
        if !is_so(&rows) {
            break;
        }
        again(|| take_looks(inner, &[], LOOKS)).await?;
    }
    Ok(())
}

/// Takes the second looks at these records, and so many others.
pub async fn take_looks(inner: &Inner, ids: &[i64], others: i64) -> Result<(), Failure> {
    let sql = include_str!("../../sql/second_looks_take.sql");
    inner.by_key.query(sql, &[&ids, &others, &inner.replica.name().id]).await.map(drop)
}

/// The answer to a question.
fn is_so(rows: &[tokio_postgres::Row]) -> bool {
    rows.first().is_some_and(|row| row.try_get(0).unwrap_or_default())
}
