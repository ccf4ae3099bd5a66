//! One run of `sql/record_change.sql`.

use super::{
    connections::{Connections, Failure},
    digest::Digest,
    rows,
};
use crate::record::{NewRecord, Record};

/// Replaces a record that stands as it was seen, or removes it where nothing is to stand; its history says by which
/// token. Answers the record as it is now, or as it was when it went; nothing where it has changed meanwhile.
pub async fn run(
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
