//! Changes of a record that stands.

use super::{
    Store,
    attempts::again,
    connections::{Connections, Failure},
    digest::Digest,
    in_its_own_task, rows,
};
use crate::{
    error::Error,
    record::{NewRecord, Record},
};

/// How often a change begins anew because somebody else was faster.
const CHANGE_ATTEMPTS: usize = 100;

impl Store {
    /// Changes a record into what `edit` makes of it as it stands, or removes it where `edit` makes nothing of it.
    /// Its history says that the token with this name asked for it. Answers the record as it is now, or as it was when it
    /// went.
    pub async fn change(
        &self,
        id: i64,
        by: Option<&str>,
        edit: impl Fn(&Record) -> Result<Option<NewRecord>, Error> + Send + 'static,
    ) -> Result<Record, Error> {
        let inner = self.inner.clone();
        let by = by.map(str::to_owned);
        in_its_own_task(async move {
            for _ in 0..CHANGE_ATTEMPTS {
                let standing = inner.records(&[id]).await?.remove(&id).ok_or(Error::NotFound)?;
                let edited = edit(&standing)?;
                if edited.as_ref().is_some_and(|edited| *edited == standing.own()) {
                    return Ok(standing);
                }
                let old_component = standing.said.component.as_str();
                let new_component = edited.as_ref().map_or(old_component, |edited| edited.component.as_str());
                let _lanes = inner.hold([old_component, new_component].into_iter()).await?;
                let replica = inner.replica.current(&inner.by_key).await?;
                let changed = again(|| run(&inner.by_key, &standing, edited.as_ref(), by.as_deref())).await;
                if let Some(record) = replica.heeds(changed)? {
                    inner.look_again_at(&[id]).await;
                    return Ok(record);
                }
            }
            Err(Error::Unavailable("the record changes all the time".into()))
        })
        .await
    }
}

/// Runs `sql/record_change.sql` once: replaces a record that stands as it was seen, or removes it where nothing is to stand; its history says by which
/// token. Answers the record as it is now, or as it was when it went; nothing where it has changed meanwhile.
async fn run(
    connections: &Connections,
    seen: &Record,
    edited: Option<&NewRecord>,
    by: Option<&str>,
) -> Result<Option<Record>, Failure> {
    let required = |field: fn(&NewRecord) -> &String| edited.map(field);
    let optional = |field: fn(&NewRecord) -> Option<&String>| edited.and_then(field);
    let rows = connections
        .query(
            include_str!("../../sql/record_change.sql"),
            &[
                &seen.id,
                &seen.said.component,
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
                &edited.map(|record| Digest(record.deploy_digest())),
                &by,
            ],
        )
        .await?;
    rows.first().map(rows::record).transpose().map_err(Failure::Broken)
}
