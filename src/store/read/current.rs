//! Current versions.

use tokio_postgres::types::ToSql;

use super::Reads;
use crate::{
    domain::{
        cursor::CurrentCursor,
        deploy::{Attempt, Current},
    },
    error::{Cause, Error},
    store::rows,
};

impl Reads {
    /// The last succeeded deploy of each component and environment, ordered by both.
    pub async fn current(
        &self,
        component: Option<&str>,
        environment: Option<&str>,
        after: Option<&CurrentCursor>,
        count: i64,
    ) -> Result<Vec<Current>, Error> {
        let sql = include_str!("../../../sql/current_page.sql");
        let (last_component, last_environment) =
            after.map(|last| (last.component.as_str(), last.environment.as_str())).unzip();
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&component, &environment, &last_component, &last_environment, &count];
        let rows = self.lists.read(sql, &parameters).await?;
        let current = |row| {
            let attempt = Attempt::new(rows::record(row)?, false);
            Ok(Current { attempt, previous_version: rows::column(row, 18)? })
        };
        rows.iter().map(current).collect::<Result<_, Cause>>().map_err(Error::Internal)
    }
}
