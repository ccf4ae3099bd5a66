//! The list of records.

use super::Reads;
use crate::{
    domain::{
        cursor::RecordCursor,
        filter::Filter,
        record::{Phase, Record},
    },
    error::Error,
    store::rows,
};

impl Reads {
    /// Records that match the filter, newest first.
    pub async fn records(
        &self,
        filter: &Filter,
        after: Option<RecordCursor>,
        count: i64,
    ) -> Result<Vec<Record>, Error> {
        let rows = self
            .lists
            .read(
                include_str!("../../../sql/records_page.sql"),
                &[
                    &filter.component,
                    &filter.version,
                    &filter.owner,
                    &filter.status,
                    &filter.phase_asked().map(Phase::name),
                    &filter.environment,
                    &filter.run,
                    &filter.stage,
                    &filter.since,
                    &filter.until,
                    &after.map(|cursor| cursor.recorded_at),
                    &after.map(|cursor| cursor.id),
                    &count,
                ],
            )
            .await?;
        rows.iter().map(rows::record).collect::<Result<_, _>>().map_err(Error::Internal)
    }
}
