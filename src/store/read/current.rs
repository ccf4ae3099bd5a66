//! What runs where, a page at a time.

use tokio_postgres::types::ToSql;

use super::Reads;
use crate::{
    deploy::{Attempt, Current},
    error::{Cause, Error},
    store::rows,
};

/// A component and an environment. As text it is a cursor: the next page begins behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    component: String,
    /// Empty where it has none.
    environment: String,
}

/// What runs where, by component and environment, and where the next page begins.
#[derive(Debug)]
pub struct CurrentPage {
    /// As many as were asked for, or all that there are.
    pub places: Vec<Current>,
    /// Set where there are more.
    pub next: Option<Place>,
}

impl Place {
    fn of(current: &Current) -> Self {
        let said = &current.attempt.record.said;
        Self { component: said.component.clone(), environment: said.environment.clone().unwrap_or_default() }
    }

    /// Reads what [`Place::to_string`] wrote, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (component, environment) = text.strip_prefix('c')?.split_once('-')?;
        let place = Self { component: from_hex(component)?, environment: from_hex(environment)? };
        (place.to_string() == text && !place.component.is_empty()).then_some(place)
    }
}

fn from_hex(text: &str) -> Option<String> {
    let pairs = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    // What no name holds the database could not read either.
    String::from_utf8(pairs.collect::<Option<_>>()?).ok().filter(|text| !text.contains(char::is_control))
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        write!(f, "c{}-{}", hex(&self.component), hex(&self.environment))
    }
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

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is_one() {
        for (component, environment) in [("web", ""), ("a-b é", "prod/eu-1")] {
            let place = Place { component: component.into(), environment: environment.into() };
            assert_eq!(Place::parse(&place.to_string()), Some(place));
        }
        for none in ["", "c", "c-", "c-61", "d61-", "c6-", "c61", "c6G-", "c61-6", "cC3A9-", "c00-", "cff-", "c+1-"] {
            assert_eq!(Place::parse(none), None, "{none}");
        }
    }
}
