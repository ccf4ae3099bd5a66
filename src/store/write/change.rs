//! Changes of a record.

use tokio::time::Instant;

use super::{WRITE_TIMEOUT, Writes, in_a_task};
use crate::{
    database::{DeployDigest, Pool, QueryError},
    domain::record::{NewRecord, Record},
    error::Error,
    store::{read, rows},
};

impl Writes {
    /// Changes a record into what `edit` makes of it as it is now, or deletes it if `edit` makes nothing of it. Its
    /// history names the token that asks for it. Returns the record as it is now, or as it was when it was deleted.
    pub async fn change(
        self: &std::sync::Arc<Self>,
        id: i64,
        token: Option<&str>,
        edit: impl Fn(&Record) -> Result<Option<NewRecord>, Error> + Send + 'static,
    ) -> Result<Record, Error> {
        let (writes, deadline) = (self.clone(), Instant::now() + WRITE_TIMEOUT);
        let token = token.map(str::to_owned);
        in_a_task(deadline, async move {
            // Again, if somebody else was faster.
            while Instant::now() < deadline {
                let seen = read::records_by_id(&writes.keys, &[id]).await?.remove(&id).ok_or(Error::NotFound)?;
                let edited = edit(&seen)?;
                if edited.as_ref().is_some_and(|edited| *edited == seen.own()) {
                    // What made it so may have been committed without the word of a synchronous standby.
                    writes.changes.call(deadline, include_str!("../../../sql/commit_wait.sql"), &[]).await?;
                    return Ok(seen);
                }
                let changed = change_once(&writes.changes, deadline, &seen, edited.as_ref(), token.as_deref()).await?;
                if let Some(record) = changed {
                    return Ok(record);
                }
            }
            Err(QueryError::TimedOut.into())
        })
        .await
    }
}

/// Changes a record that is as it was seen, or deletes it if nothing is to be left. Returns the record as it is now, or as
/// it was when it was deleted; nothing if it has changed meanwhile.
async fn change_once(
    pool: &Pool,
    deadline: Instant,
    seen: &Record,
    edited: Option<&NewRecord>,
    token: Option<&str>,
) -> Result<Option<Record>, QueryError> {
    let required = |field: fn(&NewRecord) -> &String| edited.map(field);
    let optional = |field: fn(&NewRecord) -> Option<&String>| edited.and_then(field);
    let rows = pool
        .call(
            deadline,
            include_str!("../../../sql/record_change.sql"),
            &[
                &seen.id,
                &seen.fields.component,
                &seen.updated_at,
                &required(|record| &record.component),
                &required(|record| &record.version),
                &required(|record| &record.owner),
                &required(|record| &record.status),
                &edited.map(|record| record.phase.name()),
                &optional(|record| record.environment.as_ref()),
                &optional(|record| record.run.as_ref()),
                &optional(|record| record.stage.as_ref()),
                &optional(|record| record.url.as_ref()),
                &optional(|record| record.commit.as_ref()),
                &edited.and_then(|record| record.committed_at),
                &edited.and_then(|record| record.unplanned),
                &edited.and_then(|record| record.started_at),
                &edited.and_then(|record| record.finished_at),
                &edited.map(|record| DeployDigest(record.deploy_digest())),
                &token,
            ],
        )
        .await?;
    rows.first().map(rows::record).transpose().map_err(QueryError::Failed)
}
