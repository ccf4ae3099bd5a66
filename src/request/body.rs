//! Reads a request body within its limits of size, time and memory.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap,
    body::{Body as _, Incoming},
    header,
};
use tokio::time::timeout;

use crate::budget::{Budget, Share};
use crate::error::Error;

/// Each body can use this much outside the budget. A connection takes about as much anyway.
const FREE_BYTES: usize = 8 << 10;

/// The body of a request, not read yet.
pub struct Payload {
    incoming: Incoming,
    timeout: Duration,
    /// Held until the request is answered, because until then its parsed content is in memory.
    share: Share,
    is_announced: bool,
    is_complete: bool,
}

impl Payload {
    pub fn new(headers: &HeaderMap, incoming: Incoming, timeout: Duration, budget: &Budget) -> Self {
        let has = |name| headers.contains_key(name);
        Self {
            is_announced: has(header::CONTENT_LENGTH) || has(header::TRANSFER_ENCODING),
            is_complete: incoming.is_end_stream(),
            incoming,
            timeout,
            share: budget.share(),
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
                if !self.share.grow(length.saturating_sub(FREE_BYTES)) {
                    return Err(Error::TooManyBodies);
                }
                body.extend_from_slice(data);
            }
        }
        self.is_complete = true;
        Ok(body)
    }

    /// Whether a part of the body was not read.
    pub fn is_left(&self) -> bool {
        !self.is_complete
    }
}

fn too_large(max_bytes: usize) -> Error {
    Error::TooLarge(format!("{} KiB", max_bytes >> 10).into())
}
