//! Reads a request body within its limits of size, time and memory.

use std::{sync::Arc, time::Duration};

use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap,
    body::{Body as _, Incoming},
    header,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::error::Error;

/// Each body can use this much outside the budget. A connection takes about as much anyway.
const FREE_BYTES: usize = 8 << 10;

/// The memory that all request bodies share. A permit is a KiB.
#[derive(Clone)]
pub struct BodyBudget(Arc<Semaphore>);

impl BodyBudget {
    pub fn new(mebibytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(mebibytes << 10)))
    }
}

/// The body of a request, not read yet.
pub struct Payload {
    incoming: Incoming,
    timeout: Duration,
    budget: BodyBudget,
    /// Held until the request is answered, because until then its parsed content is in memory.
    permit: Option<OwnedSemaphorePermit>,
    is_announced: bool,
    is_complete: bool,
}

impl Payload {
    pub fn new(headers: &HeaderMap, incoming: Incoming, timeout: Duration, budget: BodyBudget) -> Self {
        let has = |name| headers.contains_key(name);
        Self {
            is_announced: has(header::CONTENT_LENGTH) || has(header::TRANSFER_ENCODING),
            is_complete: incoming.is_end_stream(),
            incoming,
            timeout,
            budget,
            permit: None,
        }
    }

    /// Reads the whole body. Fails with 411 without a body, 413 over `max_bytes`, 408 after the timeout and 503 over
    /// the budget.
    pub async fn read(&mut self, max_bytes: usize) -> Result<Vec<u8>, Error> {
        if !self.is_announced {
            return Err(Error::LengthRequired);
        }
        if self.incoming.size_hint().lower() > max_bytes as u64 {
            return Err(too_large(max_bytes));
        }
        timeout(self.timeout, self.read_frames(max_bytes)).await.unwrap_or(Err(Error::RequestTimeout))
    }

    async fn read_frames(&mut self, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(frame) = self.incoming.frame().await {
            let frame =
                frame.map_err(|_| Error::Malformed("the body is incomplete, or a chunk is invalid".to_owned()))?;
            if let Some(data) = frame.data_ref() {
                let length = body.len() + data.len();
                if length > max_bytes {
                    return Err(too_large(max_bytes));
                }
                self.reserve(length)?;
                body.extend_from_slice(data);
            }
        }
        self.is_complete = true;
        Ok(body)
    }

    fn reserve(&mut self, length: usize) -> Result<(), Error> {
        let needed = length.saturating_sub(FREE_BYTES).div_ceil(1024);
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if needed <= held {
            return Ok(());
        }
        let more = u32::try_from(needed - held).ok();
        let more = more.and_then(|more| self.budget.0.clone().try_acquire_many_owned(more).ok());
        let more = more.ok_or(Error::TooManyBodies)?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            permit => *permit = Some(more),
        }
        Ok(())
    }

    /// Whether a part of the body was not read.
    pub fn is_left(&self) -> bool {
        !self.is_complete
    }
}

fn too_large(max_bytes: usize) -> Error {
    Error::TooLarge(format!("{} KiB", max_bytes >> 10).into())
}
