//! The request's body, read once and never beyond its limit.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap,
    body::{Body as _, Incoming},
    header,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use crate::{auth::Refusal, error::Error};

/// What each body may take without asking for room: about as much as its connection takes anyway.
const FREE_BYTES: usize = 8 << 10;

/// What all bodies together may take, in KiB.
pub struct Memory(Semaphore);

impl Memory {
    /// So many MiB.
    #[must_use]
    pub fn new(mebibytes: usize) -> Self {
        Self(Semaphore::new(mebibytes << 10))
    }
}

/// A body still to be read, and the time it may take.
pub struct Payload<'a> {
    incoming: Incoming,
    deadline: Duration,
    memory: &'a Memory,
    /// Given back when the request is answered: till then what was made of the body is there.
    held: Option<SemaphorePermit<'a>>,
    may_go_on: &'a (dyn Fn() -> Result<(), Refusal> + Sync),
    is_announced: bool,
    is_over: bool,
}

impl<'a> Payload<'a> {
    /// The body of a request with these headers. Whether its sender is still let in is asked again when it is there.
    #[must_use]
    pub fn new(
        headers: &HeaderMap,
        incoming: Incoming,
        deadline: Duration,
        memory: &'a Memory,
        may_go_on: &'a (dyn Fn() -> Result<(), Refusal> + Sync),
    ) -> Self {
        let has = |name| headers.contains_key(name);
        Self {
            is_announced: has(header::CONTENT_LENGTH) || has(header::TRANSFER_ENCODING),
            is_over: incoming.is_end_stream(),
            incoming,
            deadline,
            memory,
            held: None,
            may_go_on,
        }
    }

    /// All of it: 411 where none was announced, 413 over `limit` bytes, 408 where it comes too slowly, 503 where
    /// there is no room for it, 401 where the token counts no more by then.
    pub async fn read(&mut self, limit: usize) -> Result<Vec<u8>, Error> {
        if !self.is_announced {
            return Err(Error::LengthRequired);
        }
        let too_large = || Error::TooLarge(format!("{} KiB", limit >> 10).into());
        if self.incoming.size_hint().lower() > limit as u64 {
            return Err(too_large());
        }
        let body =
            timeout(self.deadline, self.read_frames(limit, too_large)).await.unwrap_or(Err(Error::RequestTimeout))?;
        (self.may_go_on)().map_err(Error::Refused)?;
        Ok(body)
    }

    async fn read_frames(&mut self, limit: usize, too_large: impl Fn() -> Error) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(frame) = self.incoming.frame().await {
            let frame = frame.map_err(|_| Error::Malformed("the body broke off".to_owned()))?;
            if let Some(data) = frame.data_ref() {
                let length = body.len() + data.len();
                if length > limit {
                    return Err(too_large());
                }
                self.make_room(length)?;
                body.extend_from_slice(data);
            }
        }
        self.is_over = true;
        Ok(body)
    }

    fn make_room(&mut self, length: usize) -> Result<(), Error> {
        let wanted = length.saturating_sub(FREE_BYTES).div_ceil(1024);
        let more = wanted - self.held.as_ref().map_or(0, SemaphorePermit::num_permits).min(wanted);
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).ok().and_then(|more| self.memory.0.try_acquire_many(more).ok());
        let more = more.ok_or(Error::TooManyBodies)?;
        match &mut self.held {
            Some(held) => held.merge(more),
            held => *held = Some(more),
        }
        Ok(())
    }

    /// Whether there is more of it than was read.
    #[must_use]
    pub fn is_left(&self) -> bool {
        !self.is_over
    }
}
