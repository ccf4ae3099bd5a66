//! Processes that write side by side.
//!
//! While several are known, each notes where it touched a clock, and each takes second looks at what is noted: a look
//! that begins after two writes have ended sees both. With one process nothing is noted and nothing is looked at.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

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

/// Makes this process known, and waits until every statement in flight elsewhere knows it. Answers its id.
pub async fn join(writing: &Connections, statement_timeout: Duration) -> Result<String, Error> {
    let rows = writing.query(include_str!("../../sql/replica_insert.sql"), &[]).await?;
    let row = rows.first().ok_or_else(|| Error::Internal("a replica has no id".into()))?;
    let column = |index| rows::column(row, index).map_err(Error::Internal);
    let (replica, transaction): (String, String) = (column(0)?, column(1)?);
    let known = async {
        let sql = include_str!("../../sql/replica_is_known.sql");
        while !is_so(&writing.query(sql, &[&replica, &transaction]).await?) {
            sleep(Duration::from_millis(10)).await;
        }
        Ok::<_, Error>(())
    };
    // No statement of a replica lasts longer than this: what still runs then is somebody else's.
    timeout(statement_timeout, known).await.unwrap_or(Ok(()))?;
    Ok(replica)
}

/// Lets the others know that this process has gone.
pub async fn leave(writing: &Connections, replica: &str) {
    if let Err(failure) = writing.query(include_str!("../../sql/replica_delete.sql"), &[&replica]).await {
        tracing::debug!(error = %Error::from(failure), "the replicas were not told of the end");
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
    for _ in 0..STATEMENTS {
        let rows = inner.by_key.query(include_str!("../../sql/replica_tick.sql"), &[&inner.replica]).await?;
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
    inner.by_key.query(sql, &[&ids, &others, &inner.replica]).await.map(drop)
}

/// The answer to a question.
fn is_so(rows: &[tokio_postgres::Row]) -> bool {
    rows.first().is_some_and(|row| row.try_get(0).unwrap_or_default())
}
