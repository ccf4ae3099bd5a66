//! The typical duration of a component's deploys, from which it follows when a running deploy is stale.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    database::{Pool, QueryError},
    store::rows::{self, sql},
};

/// How long a duration is reused: reading it takes long for a component with many deploys, and it hardly changes.
const MAX_AGE: Duration = Duration::from_secs(60);

/// Typical durations by component, in seconds, each with the time at which it was read.
#[derive(Default)]
pub struct TypicalDurations(Mutex<HashMap<String, (Instant, Option<f64>)>>);

impl TypicalDurations {
    /// The typical durations of these components, `None` for a component without durations.
    pub async fn of(
        &self,
        lists: &Pool,
        components: HashSet<String>,
    ) -> Result<HashMap<String, Option<f64>>, QueryError> {
        let (mut durations, mut unknown) = (HashMap::new(), Vec::new());
        for component in components {
            match self.cached().get(&component) {
                Some((read_at, seconds)) if read_at.elapsed() < MAX_AGE => {
                    durations.insert(component, *seconds);
                }
                _ => unknown.push(component),
            }
        }
        if !unknown.is_empty() {
            let read_at = Instant::now();
            let rows = lists.read(sql!("durations_typical"), &[&unknown]).await?;
            let read = rows::all(&rows, |row| Ok((row.try_get("component")?, row.try_get("seconds")?)))?;
            let mut cached = self.cached();
            cached.retain(|_, (read_at, _)| read_at.elapsed() < MAX_AGE);
            for (component, seconds) in read {
                cached.insert(String::clone(&component), (read_at, seconds));
                durations.insert(component, seconds);
            }
        }
        Ok(durations)
    }

    fn cached(&self) -> MutexGuard<'_, HashMap<String, (Instant, Option<f64>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
