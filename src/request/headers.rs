//! Headers that describe the body, identify a delivery or state a precondition.

use hyper::{HeaderMap, header};

use crate::domain::record::{FieldError, KEY_RULE, Record, idempotency_key};
use crate::error::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    Json,
    Ndjson,
    MergePatch,
}

/// The media type of the body. Fails if it is not in `supported`, not UTF-8, or compressed.
pub fn media_type(headers: &HeaderMap, supported: &'static [&'static str]) -> Result<MediaType, Error> {
    let refused = || Error::UnsupportedMediaType(supported);
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
    if !parts.all(is_utf8) || !supported.contains(&essence.as_str()) {
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

/// Whether the preconditions `If-Match` and `If-None-Match` allow a change of the record.
pub fn may_change(headers: &HeaderMap, record: &Record) -> bool {
    let etag = record.etag();
    let if_match = !headers.contains_key(header::IF_MATCH) || has_tag(headers, header::IF_MATCH, |tag| tag == etag);
    if_match && !if_none_match(headers, &etag)
}

/// Whether `If-None-Match` contains the entity tag. The comparison is weak.
pub fn if_none_match(headers: &HeaderMap, etag: &str) -> bool {
    has_tag(headers, header::IF_NONE_MATCH, |tag| tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn has_tag(headers: &HeaderMap, header: header::HeaderName, matches: impl Fn(&str) -> bool) -> bool {
    let lists = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    // No entity tag of deploylog contains a comma.
    lists.flat_map(|list| list.split(',')).map(str::trim).any(|tag| tag == "*" || matches(tag))
}
