//! What runs where, a page at a time.

use tokio_postgres::types::ToSql;

use super::Reads;
use crate::{
    domain::cursor::Place,
    domain::deploy::{Attempt, Current},
    error::{Cause, Error},
    store::rows,
};

/// What runs where, by component and environment, and where the next page begins.
#[derive(Debug)]
pub struct CurrentPage {
    /// As many as were asked for, or all that there are.
    pub places: Vec<Current>,
    /// Set where there are more.
    pub next: Option<Place>,
}

impl Reads {
    /// A page of what runs where, by component and environment, each of which may be given.
    pub async fn current(
        &self,
        component: Option<&str>,
        environment: Option<&str>,
        after: Option<&Place>,
        limit: u32,
    ) -> Result<CurrentPage, Error> {
        let sql = include_str!("../../../sql/current_page.sql");
        let (last_component, last_environment) =
            after.map(|place| (place.component.as_str(), place.environment.as_str())).unzip();
        // One more than asked for, to know whether there is a next page.
        let count = i64::from(limit) + 1;
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&component, &environment, &last_component, &last_environment, &count];
        let rows = self.lists.read(sql, &parameters).await?;
        let current = |row| {
            let attempt = Attempt::new(rows::record(row)?, false);
            Ok(Current { attempt, previous_version: rows::column(row, 18)? })
        };
        let mut places = rows.iter().map(current).collect::<Result<Vec<_>, Cause>>().map_err(Error::Internal)?;
        let has_more = places.len() > limit as usize;
        places.truncate(limit as usize);
        let next = places.last().filter(|_| has_more).map(Place::of);
        Ok(CurrentPage { places, next })
    }
}
