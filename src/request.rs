//! Reads requests: the head, the query, the headers that select, the body within its limits.

mod accept;
mod body;
mod head;
mod headers;
mod page;
mod query;

use hyper::{HeaderMap, http::request::Parts};

pub use accept::preferred;
pub use body::Payload;
pub use head::validate_head;
pub use headers::{MediaType, delivery_key, if_none_match, may_change, media_type};
pub use page::{ESCAPED, Page, encode, encode_filter, number_up_to};
pub use query::Query;

use crate::domain::caller::Caller;
use crate::error::Error;

/// What every handler receives.
pub struct Request<'a> {
    pub head: &'a Parts,
    pub query: Query,
    pub caller: Caller,
    pub payload: &'a mut Payload,
    /// Fails if the caller's token is no longer valid.
    pub readmit: &'a (dyn Fn() -> Result<(), Error> + Sync),
}

impl Request<'_> {
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The index of the media type in `offers` that `Accept` prefers.
    pub fn negotiate(&self, offers: &[&str]) -> Result<usize, Error> {
        preferred(self.headers(), offers).ok_or_else(|| Error::NotAcceptable(offers.join(", ")))
    }

    pub fn accepts_json(&self) -> Result<(), Error> {
        self.negotiate(&["application/json"]).map(drop)
    }

    /// Reads the body. A token that was revoked meanwhile is refused.
    pub async fn body(&mut self, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let body = self.payload.read(max_bytes).await?;
        (self.readmit)()?;
        Ok(body)
    }
}
