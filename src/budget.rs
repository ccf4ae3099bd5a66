//! Memory that all clients share, so that many of them together cannot fill the memory of the machine.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A permit is a KiB.
#[derive(Clone)]
pub struct Budget {
    permits: Arc<Semaphore>,
    max: usize,
}

/// A part of the budget, until it is dropped.
pub struct Share {
    budget: Budget,
    permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub fn new(mebibytes: usize) -> Self {
        let max = mebibytes << 10;
        Self { permits: Arc::new(Semaphore::new(max)), max }
    }

    /// An empty share.
    pub fn share(&self) -> Share {
        Share { budget: self.clone(), permit: None }
    }

    pub fn is_used_up(&self) -> bool {
        self.permits.available_permits() == 0
    }

    /// Waits for a share of so many bytes, or for the whole budget if they are more.
    pub async fn wait_for(&self, bytes: usize) -> Share {
        let permit = self.permits.clone().acquire_many_owned(self.permits_for(bytes)).await;
        // The semaphore is never closed.
        Share { budget: self.clone(), permit: permit.ok() }
    }

    fn permits_for(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(1024).min(self.max)).unwrap_or(u32::MAX)
    }
}

impl Share {
    /// Grows to at least so many bytes. Fails if the rest of the budget is too small.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = self.budget.permits_for(bytes).saturating_sub(u32::try_from(held).unwrap_or(u32::MAX));
        if more == 0 {
            return true;
        }
        let Ok(more) = self.budget.permits.clone().try_acquire_many_owned(more) else { return false };
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            permit => *permit = Some(more),
        }
        true
    }
}
