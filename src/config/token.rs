//! The arguments of `deploylog token`.

use chrono::{DateTime, Days, Utc};

use super::settings::{Settings, TOKEN_FLAGS};
use crate::domain::{
    caller::{Grant, Scope},
    pattern::Pattern,
    record::{is_blank, parse_time, text},
};

const MAX_NAME_CHARACTERS: usize = 100;
/// A hundred years.
const MAX_DAYS: u64 = 36_525;

#[derive(Debug)]
pub enum TokenRequest {
    Create(Grant),
    List,
    /// The token with this name.
    Revoke(String),
}

/// Reads the words after `token` and their flags.
pub fn request(words: &[&str], settings: &mut Settings, now: DateTime<Utc>) -> Option<TokenRequest> {
    let request = match words {
        ["create", name] => return create(name, settings, now).map(TokenRequest::Create),
        ["list"] => TokenRequest::List,
        ["revoke", name] => TokenRequest::Revoke((*name).to_owned()),
        _ => {
            let forms = "token create NAME --scope SCOPE, token list or token revoke NAME";
            settings.errors.push(format!("incomplete or unknown token command: use {forms}"));
            return None;
        }
    };
    for flag in TOKEN_FLAGS.into_iter().filter(|flag| settings.given(flag).is_some()).collect::<Vec<_>>() {
        settings.errors.push(format!("--{flag} is a flag of token create, not of token {}", words[0]));
    }
    Some(request)
}

fn create(name: &str, settings: &mut Settings, now: DateTime<Utc>) -> Option<Grant> {
    if is_blank(name) || text(name, MAX_NAME_CHARACTERS).is_err() {
        let rule = format!("1 to {MAX_NAME_CHARACTERS} characters without control characters");
        settings.errors.push(format!("the name of a token must have {rule}"));
    }
    let scope = match settings.given("scope") {
        None => Err("is missing: use read, write or admin".to_owned()),
        Some(scope) => Scope::named(&scope).ok_or_else(|| format!("must be read, write or admin, not {scope:?}")),
    };
    let scope = settings.checked("scope", scope);
    let component = settings.given("component").and_then(|pattern| {
        let pattern = match scope {
            Some(Scope::Read) => Err("limits writes, but a token with the scope read cannot write".to_owned()),
            _ => Pattern::parse(&pattern),
        };
        settings.checked("component", pattern)
    });
    let expires_at = settings.given("expires").and_then(|text| settings.checked("expires", expiry(&text, now)));
    Some(Grant { name: name.to_owned(), scope: scope?, component, expires_at })
}

/// A number of days such as `90d`, or a time.
fn expiry(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok()).filter(|days| (1..=MAX_DAYS).contains(days));
    let expiry = match days {
        Some(days) => now.checked_add_days(Days::new(days)),
        None => parse_time(text),
    };
    match expiry {
        Some(expiry) if expiry <= now => Err(format!("must be in the future, not {text}")),
        Some(expiry) => Ok(expiry),
        None => Err(format!(
            "must be a number of days such as 90d, or an RFC 3339 time such as 2026-11-24T07:30:00Z, not {text:?}"
        )),
    }
}
