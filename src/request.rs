//! What comes in: the body within its limits, the query string, the headers that choose.

mod accept;
mod body;
mod head;
mod query;

use hyper::{HeaderMap, header};

pub use accept::preferred;
pub use body::{Memory, Payload};
pub use head::conforms;
pub use query::Query;

use crate::{
    domain::record::{FieldError, KEY_RULE, Record, idempotency_key},
    error::Error,
};

/// The bodies that senders send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// `application/json`
    Json,
    /// `application/x-ndjson`
    Ndjson,
    /// `application/merge-patch+json`
    MergePatch,
}

/// The body's type, one of those `wanted` names. Anything but UTF-8, and any coding, is refused.
pub fn media_type(headers: &HeaderMap, wanted: &'static [&'static str]) -> Result<MediaType, Error> {
    let refused = || Error::UnsupportedMediaType(wanted);
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    if !codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Error::UnsupportedCoding);
    }
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(refused()) };
    let mut parts = value.to_str().map_err(|_| refused())?.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_utf8 = |parameter: &str| {
        parameter.is_empty()
            || parameter.split_once('=').is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case("charset") && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
    };
    if !parts.all(is_utf8) || !wanted.contains(&essence.as_str()) {
        return Err(refused());
    }
    match essence.as_str() {
        "application/json" => Ok(MediaType::Json),
        "application/x-ndjson" => Ok(MediaType::Ndjson),
        "application/merge-patch+json" => Ok(MediaType::MergePatch),
        _ => Err(refused()),
    }
}

/// The request's `Idempotency-Key`.
pub fn delivery_key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let bad = |reason: &'static str| Error::Fields(vec![FieldError::new("Idempotency-Key", reason)]);
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(bad("is given twice"));
    }
    let key = value.to_str().ok().and_then(idempotency_key);
    Ok(Some(key.ok_or_else(|| bad(KEY_RULE))?.to_owned()))
}

/// Whether `If-Match` and `If-None-Match` let a change of the record pass.
#[must_use]
pub fn may_change(headers: &HeaderMap, record: &Record) -> bool {
    let etag = record.etag();
    let matches = !headers.contains_key(header::IF_MATCH) || names(headers, header::IF_MATCH, |tag| tag == etag);
    matches && !if_none_match(headers, &etag)
}

/// Whether `If-None-Match` names this entity tag: a reader has what it stands for already.
#[must_use]
pub fn if_none_match(headers: &HeaderMap, etag: &str) -> bool {
    names(headers, header::IF_NONE_MATCH, |tag| tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn names(headers: &HeaderMap, header: header::HeaderName, is_it: impl Fn(&str) -> bool) -> bool {
    let lists = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    // No tag of ours has a comma in it.
    lists.flat_map(|list| list.split(',')).map(str::trim).any(|tag| tag == "*" || is_it(tag))
}
