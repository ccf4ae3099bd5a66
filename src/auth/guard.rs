//! Admits calls by the tokens that are valid now.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use hyper::{
    HeaderMap,
    header::{self, HeaderValue},
    http::request::Parts,
};
use tokio::{sync::watch, time::sleep};

use super::hosts::AllowedHosts;
use super::needed_scope;
use crate::domain::caller::{Caller, Grant, Refusal, Scope};
use crate::domain::token::{StoredToken, Token, TokenDigest};
use crate::route::Route;

/// The system's clock can be set, so a distant expiry is checked again after this time.
const MAX_SLEEP: Duration = Duration::from_secs(60);

pub struct Guard {
    valid: watch::Sender<ValidTokens>,
    /// Reads need no token.
    has_public_reads: bool,
    hosts: AllowedHosts,
}

#[derive(Default)]
struct ValidTokens {
    /// Whether calls need a token: since the first one was created, even if all are revoked.
    is_required: bool,
    tokens: Vec<Arc<ValidToken>>,
}

#[derive(Debug)]
struct ValidToken {
    grant: Arc<Grant>,
    digest: TokenDigest,
    /// Since the last [`Guard::take_used`].
    was_used: AtomicBool,
}

impl Guard {
    pub fn new(tokens: Vec<StoredToken>, has_public_reads: bool, hosts: AllowedHosts) -> Self {
        let guard = Self { valid: watch::Sender::default(), has_public_reads, hosts };
        guard.update(tokens);
        guard
    }

    /// Whether calls need a token.
    pub fn requires_tokens(&self) -> bool {
        self.valid.borrow().is_required
    }

    /// Replaces the known tokens by all that are stored.
    pub fn update(&self, stored: Vec<StoredToken>) {
        self.valid.send_if_modified(|valid| {
            // A promoted standby may have lost tokens: that must not open the service.
            let is_required = valid.is_required || !stored.is_empty();
            let active = stored.into_iter().filter(|stored| stored.revoked_at.is_none());
            // A token that stays keeps its entry, which callers hold and which knows whether it was used.
            let tokens: Vec<_> = active
                .map(|StoredToken { token: Token { grant, digest }, .. }| {
                    let known = valid.tokens.iter().find(|known| *known.grant == grant && known.digest == digest);
                    let new = || Arc::new(ValidToken { grant: Arc::new(grant), digest, was_used: false.into() });
                    known.cloned().unwrap_or_else(new)
                })
                .collect();
            let is_changed = valid.is_required != is_required
                || valid.tokens.len() != tokens.len()
                || valid.tokens.iter().zip(&tokens).any(|(old, new)| !Arc::ptr_eq(old, new));
            *valid = ValidTokens { is_required, tokens };
            is_changed
        });
    }

    /// Refuses what a hostile page in a user's browser can send: a write from a foreign origin and, while no token exists, a
    /// request to a foreign host.
    pub fn check_hosts(&self, route: Route, head: &Parts) -> Result<(), Refusal> {
        if !head.method.is_safe() {
            self.hosts.check_origin(head)?;
        }
        if self.requires_tokens() || matches!(route, Route::Live | Route::Ready | Route::Metrics) {
            return Ok(());
        }
        self.hosts.check_host(head)
    }

    /// Identifies the caller by the request's headers. Fails if the call is not allowed.
    pub fn admit(&self, route: Route, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let Some(needed) = self.needed_scope(route) else { return Ok(Caller::default()) };
        let valid = self.valid.borrow();
        if !valid.is_required {
            return Ok(Caller::default());
        }
        let digest = TokenDigest::of(bearer(headers)?).ok_or(Refusal::Unknown)?;
        let token = valid.find(digest).ok_or(Refusal::Unknown)?;
        if token.grant.has_expired(Utc::now()) {
            return Err(Refusal::Expired);
        }
        // Checked first: a cache line that many threads write to slows all of them down.
        if !token.was_used.load(Ordering::Relaxed) {
            token.was_used.store(true, Ordering::Relaxed);
        }
        let has = token.grant.scope;
        if !has.covers(needed) {
            return Err(Refusal::Scope { name: token.grant.name.clone(), has, needed });
        }
        Ok(Caller::bearer(token.grant.clone()))
    }

    /// Resolves when the call would no longer be admitted. Long answers end then.
    pub fn until_refused(&self, route: Route, caller: &Caller) -> impl Future<Output = ()> + Send + 'static {
        let (mut updates, caller) = (self.valid.subscribe(), caller.clone());
        let needs_token = self.needed_scope(route).is_some();
        async move {
            if !needs_token {
                pending::<()>().await;
            }
            while updates.borrow_and_update().admits(&caller, Utc::now()) {
                let end = caller.grant().and_then(|grant| grant.expires_at);
                let left = end.map(|end| (end - Utc::now()).to_std().unwrap_or_default().min(MAX_SLEEP));
                tokio::select! {
                    changed = updates.changed() => if changed.is_err() { return },
                    () = sleep(left.unwrap_or_default()), if left.is_some() => {}
                }
            }
        }
    }

    /// The names of the tokens that were used since the last call of this function.
    pub fn take_used(&self) -> Vec<String> {
        let valid = self.valid.borrow();
        let used = valid.tokens.iter().filter(|token| token.was_used.swap(false, Ordering::Relaxed));
        used.map(|token| token.grant.name.clone()).collect()
    }

    /// Marks tokens as used again, if their use could not be stored.
    pub fn mark_used(&self, names: &[String]) {
        for token in self.valid.borrow().tokens.iter().filter(|token| names.contains(&token.grant.name)) {
            token.was_used.store(true, Ordering::Relaxed);
        }
    }

    /// The scope that a call needs while tokens are required.
    fn needed_scope(&self, route: Route) -> Option<Scope> {
        needed_scope(route).filter(|scope| !(self.has_public_reads && *scope == Scope::Read))
    }
}

impl ValidTokens {
    /// Compares with every token, so that timing does not reveal which one matches.
    fn find(&self, digest: TokenDigest) -> Option<&ValidToken> {
        self.tokens.iter().fold(None, |found, token| if token.digest == digest { Some(token.as_ref()) } else { found })
    }

    /// Whether an admitted caller would still be admitted.
    fn admits(&self, caller: &Caller, now: DateTime<Utc>) -> bool {
        match caller.grant() {
            None => !self.is_required,
            Some(grant) => !grant.has_expired(now) && self.tokens.iter().any(|token| Arc::ptr_eq(&token.grant, grant)),
        }
    }
}

/// The token of `Authorization: Bearer TOKEN`.
fn bearer(headers: &HeaderMap) -> Result<&[u8], Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(Refusal::Missing),
        (Some(value), None) => HeaderValue::as_bytes(value),
        (Some(_), Some(_)) => return Err(Refusal::Malformed),
    };
    let space = value.iter().position(|byte| *byte == b' ').ok_or(Refusal::Malformed)?;
    let (scheme, token) = (&value[..space], value[space..].trim_ascii_start());
    let is_one_word = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
    if scheme.eq_ignore_ascii_case(b"bearer") && is_one_word { Ok(token) } else { Err(Refusal::Malformed) }
}
