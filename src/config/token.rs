//! What `deploylog token` is asked to do.

use chrono::{DateTime, Days, Utc};

use super::settings::Settings;
use crate::{
    domain::record::{parse_time, text},
    domain::{
        caller::{Grant, Scope},
        pattern::Pattern,
    },
};

const MAX_NAME_CHARACTERS: usize = 100;
/// A hundred years.
const MAX_DAYS: u64 = 36_525;

/// What is to be done about tokens.
#[derive(Debug)]
pub enum TokenRequest {
    /// Make one.
    Create(Grant),
    /// Show all of them.
    List,
    /// Revoke the one with this name.
    Revoke(String),
}

/// Reads the words behind `token`, and the flags that go with them.
pub fn request(words: &[&str], settings: &mut Settings, now: DateTime<Utc>) -> Option<TokenRequest> {
    match words {
        ["create", name] => create(name, settings, now).map(TokenRequest::Create),
        ["list"] => {
            refuse_flags("list", settings);
            Some(TokenRequest::List)
        }
        ["revoke", name] => {
            refuse_flags("revoke", settings);
            Some(TokenRequest::Revoke((*name).to_owned()))
        }
        _ => {
            let forms = "token create NAME --scope SCOPE, token list, or token revoke NAME";
            settings.mistakes.push(format!("token must be one of: {forms}"));
            None
        }
    }
}

fn create(name: &str, settings: &mut Settings, now: DateTime<Utc>) -> Option<Grant> {
    let is_name = !name.trim().is_empty() && text(name, MAX_NAME_CHARACTERS).is_ok();
    if !is_name {
        settings.mistakes.push(format!(
            "a token's name must be 1 to {MAX_NAME_CHARACTERS} characters, none of them a control character"
        ));
    }
    let scope = match settings.given("scope") {
        None => Err("is missing: read, write or admin?".to_owned()),
        Some(scope) => Scope::named(&scope).ok_or_else(|| format!("must be read, write or admin, not {scope:?}")),
    };
    let component = settings.given("component").map(|pattern| match (Pattern::parse(&pattern), &scope) {
        (Ok(_), Ok(Scope::Read)) => {
            Err("bounds what is written, and a token with the scope read writes nothing".into())
        }
        (pattern, _) => pattern,
    });
    let expires_at = settings.given("expires").map(|text| end(&text, now));
    let mut checked = |flag, mistake: Option<String>| {
        settings.mistakes.extend(mistake.map(|reason| format!("--{flag} {reason}")));
    };
    checked("scope", scope.as_ref().err().cloned());
    checked("component", component.as_ref().and_then(|component| component.as_ref().err().cloned()));
    checked("expires", expires_at.as_ref().and_then(|end| end.as_ref().err().cloned()));
    Some(Grant {
        name: is_name.then(|| name.to_owned())?,
        scope: scope.ok()?,
        component: component.transpose().ok()?,
        expires_at: expires_at.transpose().ok()?,
    })
}

/// `90d`, or a time.
fn end(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok()).filter(|days| (1..=MAX_DAYS).contains(days));
    let end = match days {
        Some(days) => now.checked_add_days(Days::new(days)),
        None => parse_time(text),
    };
    match end {
        Some(end) if end <= now => Err(format!("must lie ahead, and {text} does not")),
        Some(end) => Ok(end),
        None => Err(format!(
            "must be a number of days such as 90d, or an RFC 3339 time such as 2026-11-24T07:30:00Z, not {text:?}"
        )),
    }
}

fn refuse_flags(command: &str, settings: &mut Settings) {
    for flag in ["scope", "component", "expires"] {
        if settings.given(flag).is_some() {
            settings.mistakes.push(format!("--{flag} goes with token create, not with token {command}"));
        }
    }
}
