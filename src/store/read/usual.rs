//! How long a component's deploys usually take at most.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{database::Pool, error::Error, store::rows};

/// How long what is usual is taken to be so.
const USUAL_FOR: Duration = Duration::from_secs(60);

/// What is usual for a component, in seconds, where it has a history: looked up once in a while, because it takes long
/// where there is much of it, and hardly changes.
#[derive(Default)]
pub struct Usual(Mutex<HashMap<String, (Instant, Option<f64>)>>);

impl Usual {
    fn known(&self) -> MutexGuard<'_, HashMap<String, (Instant, Option<f64>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of these.
    pub async fn of(&self, lists: &Pool, components: HashSet<String>) -> Result<HashMap<String, Option<f64>>, Error> {
        let mut usual = HashMap::new();
        let mut unknown = Vec::new();
        {
            let known = self.known();
            for component in components {
                match known.get(&component) {
                    Some((looked_up, seconds)) if looked_up.elapsed() < USUAL_FOR => {
                        usual.insert(component, *seconds);
                    }
                    _ => unknown.push(component),
                }
            }
        }
        if unknown.is_empty() {
            return Ok(usual);
        }
        let looked_up = Instant::now();
        let rows = lists.read(include_str!("../../../sql/durations_typical.sql"), &[&unknown]).await?;
        let mut known = self.known();
        known.retain(|_, (looked_up, _)| looked_up.elapsed() < USUAL_FOR);
        for row in rows {
            let component: String = rows::column(&row, 0).map_err(Error::Internal)?;
            let seconds = rows::column(&row, 1).map_err(Error::Internal)?;
            known.insert(component.clone(), (looked_up, seconds));
            usual.insert(component, seconds);
        }
        Ok(usual)
    }
}
