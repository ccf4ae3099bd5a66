//! What the reports are made of: figures of a window, reckoned by the database.

mod dora;
mod durations;

use std::time::Duration;

use tokio::{
    sync::{OnceCell, Semaphore, SemaphorePermit},
    time::timeout,
};

use super::Reads;
use crate::{
    database::QueryError,
    domain::window::{Bounds, Window},
    error::Error,
    store::rows::column,
};

/// Reports take long: they leave a connection to the lists.
pub struct Slots {
    permits: Semaphore,
    wait: Duration,
    zones: OnceCell<Vec<String>>,
}

impl Slots {
    /// For this many connections, and with this patience.
    pub fn new(connections: usize, wait: Duration) -> Self {
        Self { permits: Semaphore::new((connections - 1).max(1)), wait, zones: OnceCell::new() }
    }

    async fn take(&self) -> Result<SemaphorePermit<'_>, QueryError> {
        match timeout(self.wait, self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(QueryError::Overloaded("earlier reports take too long".into())),
        }
    }
}

impl Reads {
    /// The time zone of this name, as the database writes it.
    pub async fn time_zone(&self, name: &str) -> Result<Option<&str>, Error> {
        let zones = self.reports.zones.get_or_try_init(|| async {
            let rows = self.lists.read(include_str!("../../../sql/time_zones.sql"), &[]).await?;
            let names = rows.iter().map(|row| column::<String>(row, 0));
            names.collect::<Result<Vec<_>, _>>().map_err(Error::Internal)
        });
        Ok(zones.await?.iter().find(|zone| zone.eq_ignore_ascii_case(name)).map(String::as_str))
    }

    /// The window that is meant, by the database's clock. Its zone must be one of [`Reads::time_zone`].
    pub async fn window(&self, bounds: &Bounds) -> Result<Window, Error> {
        let sql = include_str!("../../../sql/report_window.sql");
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&bounds.since, &bounds.until, &bounds.days, &bounds.zone];
        let rows = self.lists.read(sql, &parameters).await?;
        let row = rows.first().ok_or_else(|| Error::Internal("a window without a row".into()))?;
        let part = |index| column(row, index).map_err(Error::Internal);
        Ok(Window { since: part(0)?, until: part(1)?, days: column(row, 2).map_err(Error::Internal)? })
    }
}
