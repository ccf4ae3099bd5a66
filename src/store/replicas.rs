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
use tokio_postgres::types::ToSql;

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
/// So long after it was kept known the others remember a name for certain: they forget what was not seen for a minute, and
/// the moment it was seen may be 15 seconds old.
const REMEMBERED: Duration = Duration::from_secs(40);

/// Who this process is to the others.
///
/// Of a write whose connection was lost, or that was not answered in time, nobody knows whether and when it is carried
/// out. So it is left to the name that it was sent under: this process takes another one, and both note what they write
/// for as long as the old one is remembered.
pub struct Replica {
    name: Mutex<Arc<Name>>,
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
    /// Whether a write is out under it of which nobody knows, or the others have forgotten it.
    is_spent: AtomicBool,
    /// When it was last kept known.
    kept: Mutex<Instant>,
}

impl Replica {
    /// Makes this process known, and waits until every statement in flight elsewhere knows it.
    pub async fn join(writing: &Connections, statement_timeout: Duration) -> Result<Self, Error> {
        let name = Arc::new(Name::make_known(writing, None, statement_timeout).await?);
        while !name.is_known(writing).await? {
            sleep(Duration::from_millis(10)).await;
        }
        Ok(Self { name: Mutex::new(name), renewing: tokio::sync::Mutex::default(), statement_timeout })
    }

    /// Its name for what is written now. Who holds a lane takes it then, and not before: a write of the lane that was lost
    /// has spent it.
    pub async fn current(&self, writing: &Connections) -> Result<Arc<Name>, Failure> {
        let name = self.name();
        if !name.is_spent() {
            return Ok(name);
        }
        let free = self.renewing.try_lock();
        let has_waited = free.is_err();
        let _turn = if let Ok(turn) = free { turn } else { self.renewing.lock().await };
        let name = self.name();
        if !name.is_spent() {
            return Ok(name);
        }
        if has_waited {
            return Err(Failure::Unreachable("this process could just not be made known".into()));
        }
        let name = Arc::new(Name::make_known(writing, Some(&name.id), self.statement_timeout).await?);
        *lock(&self.name) = name.clone();
        Ok(name)
    }

    /// Lets the others know that this process has gone; not where a write of it may still come.
    pub async fn leave(&self, writing: &Connections) {
        let name = self.name();
        if name.is_spent() {
            return;
        }
        if let Err(failure) = writing.query(include_str!("../../sql/replica_delete.sql"), &[&name.id]).await {
            tracing::debug!(error = %Error::from(failure), "the replicas were not told of the end");
        }
    }

    fn name(&self) -> Arc<Name> {
        lock(&self.name).clone()
    }
}

impl Name {
    async fn make_known(
        writing: &Connections,
        former: Option<&str>,
        statement_timeout: Duration,
    ) -> Result<Self, Failure> {
        let kept = Mutex::new(Instant::now());
        // Twice, if need be: a name that nobody writes under is forgotten in a minute.
        let rows = writing.read(include_str!("../../sql/replica_insert.sql"), &[&former]).await?;
        let row = rows.first().ok_or_else(|| Failure::Broken("a replica has no id".into()))?;
        let column = |index| rows::column(row, index).map_err(Failure::Broken);
        Ok(Self {
            id: column(0)?,
            transaction: column(1)?,
            until: Instant::now() + statement_timeout,
            is_known: AtomicBool::new(false),
            is_spent: AtomicBool::new(false),
            kept,
        })
    }

    /// Takes note where a write that was sent under it has an unknown end.
    pub fn heeds<T>(&self, written: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(Failure::Lost(_) | Failure::Silent(_)) = &written {
            self.is_spent.store(true, Ordering::Release);
        }
        written
    }

    /// Whether nothing more is to be written under it.
    fn is_spent(&self) -> bool {
        self.is_spent.load(Ordering::Acquire) || lock(&self.kept).elapsed() > REMEMBERED
    }

    /// Whether every statement in flight knows it.
    pub async fn is_known(&self, writing: &Connections) -> Result<bool, Failure> {
        if !self.is_known.load(Ordering::Relaxed) {
            let sql = include_str!("../../sql/replica_is_known.sql");
            let is_known =
                Instant::now() > self.until || is_so(&writing.query(sql, &[&self.id, &self.transaction]).await?, 0);
            self.is_known.store(is_known, Ordering::Relaxed);
        }
        Ok(self.is_known.load(Ordering::Relaxed))
    }

    /// Keeps it known. Answers whether second looks wait.
    async fn keep(&self, writing: &Connections) -> Result<bool, Failure> {
        let now = Instant::now();
        let rows = writing.query(include_str!("../../sql/replica_tick.sql"), &[&self.id]).await?;
        // In this order: what the others forgot while this process stood still is spent before it counts as kept.
        if self.is_spent() || is_so(&rows, 1) {
            self.is_spent.store(true, Ordering::Release);
        }
        *lock(&self.kept) = now;
        Ok(is_so(&rows, 0))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    for _ in 0..STATEMENTS {
        if !inner.replica.name().keep(&inner.by_key).await? {
            break;
        }
        let name = inner.replica.current(&inner.by_key).await?;
        // A look that begins before a write has ended does not see it.
        if !name.is_known(&inner.by_key).await? {
            break;
        }
        take_looks(inner, &name, &[], LOOKS).await?;
    }
    Ok(())
}

/// Takes the second looks at these records, and so many others.
pub async fn take_looks(inner: &Inner, name: &Name, ids: &[i64], others: i64) -> Result<(), Failure> {
    let sql = include_str!("../../sql/second_looks_take.sql");
    let parameters: [&(dyn ToSql + Sync); 3] = [&ids, &others, &name.id];
    name.heeds(again(|| inner.by_key.query(sql, &parameters)).await).map(drop)
}

/// The answer to a question.
fn is_so(rows: &[tokio_postgres::Row], column: usize) -> bool {
    rows.first().is_some_and(|row| row.try_get(column).unwrap_or_default())
}
