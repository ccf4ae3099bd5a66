//! The headers that name, match and choose: idempotency keys, entity tags, media types, tokens.

use chrono::DateTime;
use deploylog::{
    auth::{StoredToken, Token, guard::Guard, secret::TokenDigest},
    domain::record::{Draft, NewRecord, Origin, Record, idempotency_key},
    domain::{
        caller::{Grant, Scope},
        pattern::Pattern,
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

/// The header's values, a line each.
pub fn target(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n');
    let values: Vec<HeaderValue> = lines.filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let only = |name: HeaderName| -> HeaderMap { values.iter().map(|value| (name.clone(), value.clone())).collect() };
    if let Ok(text) = std::str::from_utf8(data) {
        key(text);
        pattern(text);
    }
    token(&values, &only(header::AUTHORIZATION));
    match delivery_key(&only(HeaderName::from_static("idempotency-key"))) {
        Ok(Some(sent)) => {
            assert_eq!(values.len(), 1);
            assert_eq!(idempotency_key(values[0].to_str().unwrap()), Some(sent.as_str()));
        }
        Ok(None) => assert!(values.is_empty()),
        Err(Error::Fields(errors)) => assert_eq!(errors[0].field, "Idempotency-Key"),
        Err(other) => panic!("{other:?}"),
    }
    tags(&values, &only(header::IF_MATCH), &only(header::IF_NONE_MATCH));
    if media_type(&only(header::CONTENT_TYPE), SUPPORTED).is_ok() {
        let sent = values[0].to_str().unwrap().to_ascii_lowercase();
        assert!(values.len() == 1 && SUPPORTED.iter().any(|name| sent.trim_start().starts_with(*name)), "{sent}");
    }
    let offers = ["application/json", "text/csv"];
    assert!(preferred(&only(header::ACCEPT), &offers).is_none_or(|place| place < offers.len()));
}

/// A key is the same with quotes around it.
fn key(text: &str) {
    if let Some(bare) = idempotency_key(text) {
        assert!((1..=200).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(idempotency_key(&format!("\"{bare}\"")), Some(bare));
        assert!(text == bare || text == format!("\"{bare}\""));
    }
}

/// A tag matches where it stands in the list, or anything does; weakly only where nothing is changed.
fn tags(values: &[HeaderValue], matching: &HeaderMap, differing: &HeaderMap) {
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
    assert_eq!(may_change(matching, &record), values.is_empty() || has("*") || has(&etag));
    let is_named = has("*") || has(&etag) || has(&format!("W/{etag}"));
    assert_eq!(if_none_match(differing, &etag), is_named);
    assert_eq!(may_change(differing, &record), !is_named);
}

/// Only the token itself, sent once as such, is let in.
fn token(values: &[HeaderValue], headers: &HeaderMap) {
    const SENT: &str = "dl_0123456789012345678901234567890123456789012";
    let grant = Grant { name: "ci".to_owned(), scope: Scope::Write, component: None, expires_at: None };
    let token = Token { grant, digest: TokenDigest::of(SENT.as_bytes()).unwrap() };
    let at = DateTime::UNIX_EPOCH;
    let guard = Guard::new(vec![StoredToken { token, created_at: at, last_used_at: None, revoked_at: None }], false);
    let is_let_in = guard.admit(Route::CreateRecords, headers).is_ok();
    let words = values.first().and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
    let is_it = words.is_some_and(|(scheme, sent)| scheme.eq_ignore_ascii_case("bearer") && sent.trim_start() == SENT);
    assert_eq!(is_let_in, values.len() == 1 && is_it);
    assert!(guard.admit(Route::RemoveRecord(1), headers).is_err() && guard.admit(Route::ListRecords, headers).is_err());
    assert!(guard.admit(Route::Live, headers).is_ok());
}

/// The first line as a pattern of the second one: as the slow way has it, which tries everything.
fn pattern(text: &str) {
    fn slowly(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            (['*', rest @ ..], _) => (0..=text.len()).any(|from| slowly(rest, &text[from..])),
            ([one, pattern @ ..], [other, text @ ..]) => one == other && slowly(pattern, text),
            (pattern, text) => pattern.is_empty() && text.is_empty(),
        }
    }
    let (first, second) = text.split_once('\n').unwrap_or((text, text));
    let Ok(pattern) = Pattern::parse(first) else { return };
    assert_eq!(pattern.as_str(), first);
    let (slow, chars): (Vec<_>, Vec<_>) = (first.chars().collect(), second.chars().collect());
    // It takes very long where there are many stars.
    if slow.iter().filter(|c| **c == '*').count() <= 3 && chars.len() <= 60 {
        assert_eq!(pattern.matches(second), slowly(&slow, &chars), "{text:?}");
    }
}
