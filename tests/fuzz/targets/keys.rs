//! Header values: idempotency keys, entity tags, media types and tokens; and component patterns.

use chrono::DateTime;
use deploylog::{
    auth::{guard::Guard, hosts::AllowedHosts},
    domain::{
        caller::{Grant, Scope},
        pattern::Pattern,
        record::{Draft, NewRecord, Origin, Record, idempotency_key},
        token::{StoredToken, Token, TokenDigest},
    },
    error::Error,
    request::{delivery_key, if_none_match, may_change, media_type, preferred},
    route::Route,
};
use hyper::{
    HeaderMap,
    header::{self, HeaderName, HeaderValue},
};

const SUPPORTED: &[&str] = &["application/json", "application/x-ndjson"];

/// Each line of `data` is a header value.
pub fn target(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n');
    let values: Vec<HeaderValue> = lines.filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let headers =
        |name: HeaderName| -> HeaderMap { values.iter().map(|value| (name.clone(), value.clone())).collect() };
    if let Ok(text) = std::str::from_utf8(data) {
        key(text);
        pattern(text);
    }
    token(&values, &headers(header::AUTHORIZATION));
    match delivery_key(&headers(HeaderName::from_static("idempotency-key"))) {
        Ok(Some(sent)) => {
            assert_eq!(values.len(), 1);
            assert_eq!(idempotency_key(values[0].to_str().unwrap()), Some(sent.as_str()));
        }
        Ok(None) => assert!(values.is_empty()),
        Err(Error::Fields(errors)) => assert_eq!(errors[0].field, "Idempotency-Key"),
        Err(other) => panic!("{other:?}"),
    }
    tags(&values, &headers(header::IF_MATCH), &headers(header::IF_NONE_MATCH));
    if media_type(&headers(header::CONTENT_TYPE), SUPPORTED).is_ok() {
        let sent = values[0].to_str().unwrap().to_ascii_lowercase();
        assert!(values.len() == 1 && SUPPORTED.iter().any(|name| sent.trim_start().starts_with(*name)), "{sent}");
    }
    let offers = ["application/json", "text/csv"];
    assert!(preferred(&headers(header::ACCEPT), &offers).is_none_or(|index| index < offers.len()));
}

/// A key is the same with quotes around it.
fn key(text: &str) {
    if let Some(bare) = idempotency_key(text) {
        assert!((1..=200).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(idempotency_key(&format!("\"{bare}\"")), Some(bare));
        assert!(text == bare || text == format!("\"{bare}\""));
    }
}

/// A tag matches if the list contains it or `*`. A weak tag matches only in `If-None-Match`.
fn tags(values: &[HeaderValue], if_match: &HeaderMap, if_none: &HeaderMap) {
    let json = br#"{"component":"a","version":"b","owner":"c","status":"d"}"#;
    let fields = NewRecord::from_draft(Draft::parse(json, Origin::Post).unwrap(), DateTime::UNIX_EPOCH).unwrap();
    let at = DateTime::UNIX_EPOCH;
    let record = Record { id: 23, fields, start_id: None, recorded_at: at, updated_at: at };
    let etag = record.etag();
    let listed: Vec<&str> = values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let has = |tag: &str| listed.contains(&tag);
    assert_eq!(may_change(if_match, &record), values.is_empty() || has("*") || has(&etag));
    let is_named = has("*") || has(&etag) || has(&format!("W/{etag}"));
    assert_eq!(if_none_match(if_none, &etag), is_named);
    assert_eq!(may_change(if_none, &record), !is_named);
}

/// Only a single header with exactly the right token is accepted.
fn token(values: &[HeaderValue], headers: &HeaderMap) {
    const SENT: &str = "dl_0123456789012345678901234567890123456789012";
    let grant = Grant { name: "ci".to_owned(), scope: Scope::Write, component: None, expires_at: None };
    let token = Token { grant, digest: TokenDigest::of(SENT.as_bytes()).unwrap() };
    let at = DateTime::UNIX_EPOCH;
    let stored = StoredToken { token, created_at: at, last_used_at: None, revoked_at: None };
    let guard = Guard::new(vec![stored], false, AllowedHosts::default());
    let is_accepted = guard.admit(Route::CreateRecords, headers).is_ok();
    let words = values.first().and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
    let is_right =
        words.is_some_and(|(scheme, sent)| scheme.eq_ignore_ascii_case("bearer") && sent.trim_start() == SENT);
    assert_eq!(is_accepted, values.len() == 1 && is_right);
    assert!(guard.admit(Route::RemoveRecord(1), headers).is_err() && guard.admit(Route::ListRecords, headers).is_err());
    assert!(guard.admit(Route::Live, headers).is_ok());
}

/// Matches the second line with the pattern in the first line, and compares the result with a naive implementation.
fn pattern(text: &str) {
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            (['*', rest @ ..], _) => (0..=text.len()).any(|from| naive(rest, &text[from..])),
            ([one, pattern @ ..], [other, text @ ..]) => one == other && naive(pattern, text),
            (pattern, text) => pattern.is_empty() && text.is_empty(),
        }
    }
    let (first, second) = text.split_once('\n').unwrap_or((text, text));
    let Ok(pattern) = Pattern::parse(first) else { return };
    assert_eq!(pattern.as_str(), first);
    let (pattern_chars, chars): (Vec<_>, Vec<_>) = (first.chars().collect(), second.chars().collect());
    // The naive implementation is exponential in the number of stars.
    if pattern_chars.iter().filter(|c| **c == '*').count() <= 3 && chars.len() <= 60 {
        assert_eq!(pattern.matches(second), naive(&pattern_chars, &chars), "{text:?}");
    }
}
