//! One writer at a time for one component.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use tokio::sync::{Mutex, OwnedMutexGuard};

/// Many more than records of a group or two.
pub const LANES: usize = 1024;

/// Components share lanes by their hash.
pub struct Lanes {
    lanes: Vec<Arc<Mutex<()>>>,
    hasher: RandomState,
}

/// The lanes are free again when this goes.
pub struct Held {
    _lanes: Vec<OwnedMutexGuard<()>>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { lanes: (0..LANES).map(|_| Arc::default()).collect(), hasher: RandomState::new() }
    }
}

impl Lanes {
    /// The lane of a component.
    pub fn lane_of(&self, component: &str) -> usize {
        #[allow(clippy::cast_possible_truncation, reason = "any bits of a hash do")]
        let hash = self.hasher.hash_one(component) as usize;
        hash % LANES
    }

    /// Takes a lane, where it is free.
    pub fn try_hold(&self, lane: usize) -> Option<OwnedMutexGuard<()>> {
        self.lanes[lane].clone().try_lock_owned().ok()
    }

    /// Waits for a lane.
    pub async fn hold_one(&self, lane: usize) -> OwnedMutexGuard<()> {
        self.lanes[lane].clone().lock_owned().await
    }

    /// Waits for the lanes of all these components; in one order, so that no two wait for each other.
    pub async fn hold<'a>(&self, components: impl Iterator<Item = &'a str>) -> Held {
        let mut wanted = [false; LANES];
        for component in components {
            wanted[self.lane_of(component)] = true;
        }
        let mut held = Vec::new();
        for (lane, _) in self.lanes.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
            held.push(lane.clone().lock_owned().await);
        }
        Held { _lanes: held }
    }
}
