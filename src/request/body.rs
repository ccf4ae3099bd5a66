//! The request's body, read once and never beyond its limit.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap,
    body::{Body as _, Incoming},
    header,
};
use tokio::time::timeout;

use crate::{access::Refusal, error::Error};

/// A body still to be read, and the time it may take.
pub struct Payload<'a> {
    incoming: Incoming,
    deadline: Duration,
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
        may_go_on: &'a (dyn Fn() -> Result<(), Refusal> + Sync),
    ) -> Self {
        let has = |name| headers.contains_key(name);
        Self {
            is_announced: has(header::CONTENT_LENGTH) || has(header::TRANSFER_ENCODING),
            is_over: incoming.is_end_stream(),
            incoming,
            deadline,
            may_go_on,
        }
    }

    /// All of it: 411 where none was announced, 413 over `limit` bytes, 408 where it comes too slowly, 401 where the
    /// token counts no more by then.
    pub async fn read(&mut self, limit: usize) -> Result<Vec<u8>, Error> {
        if !self.is_announced {
            return Err(Error::LengthRequired);
        }
        let too_large = || Error::TooLarge(format!("{} KiB", limit >> 10).into());
        if self.incoming.size_hint().lower() > limit as u64 {
            return Err(too_large());
        }
        let read = async {
            let mut body = Vec::with_capacity(self.incoming.size_hint().lower().try_into().unwrap_or(0));
            while let Some(frame) = self.incoming.frame().await {
                let frame = frame.map_err(|_| Error::Malformed("the body broke off".to_owned()))?;
                if let Some(data) = frame.data_ref() {
                    if body.len() + data.len() > limit {
                        return Err(too_large());
                    }
                    body.extend_from_slice(data);
                }
            }
            self.is_over = true;
            Ok::<Vec<u8>, Error>(body)
        };
        let body = timeout(self.deadline, read).await.unwrap_or(Err(Error::Timeout))?;
        (self.may_go_on)().map_err(Error::Refused)?;
        Ok(body)
    }

    /// Whether there is more of it than was read.
    #[must_use]
    pub fn is_left(&self) -> bool {
        !self.is_over
    }
}
