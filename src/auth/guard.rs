//! What is known of tokens at this moment, and who passes.

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
};
use tokio::{sync::watch, time::sleep};

use super::{Caller, Refusal, Registered, Scope, Token, needed, secret::Digest};
use crate::route::Route;

/// The clock may be set: an end that is far is looked at again.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Lets calls pass, by what it has learned of tokens last.
pub struct Guard {
    known: watch::Sender<Known>,
    /// Whether anybody may read.
    has_public_reads: bool,
}

/// The tokens that count.
#[derive(Default)]
struct Known {
    /// Whether a token is needed: from the first one on, also when all are revoked.
    is_closed: bool,
    entries: Vec<Arc<Entry>>,
}

/// A token that counts, and whether it was used since somebody asked.
#[derive(Debug)]
pub(super) struct Entry {
    pub token: Token,
    was_used: AtomicBool,
}

impl Guard {
    /// One that knows these.
    #[must_use]
    pub fn new(tokens: Vec<Registered>, has_public_reads: bool) -> Self {
        let guard = Self { known: watch::Sender::default(), has_public_reads };
        guard.learn(tokens);
        guard
    }

    /// Whether calls need a token: one was made, once.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.known.borrow().is_closed
    }

    /// Takes over all tokens as they are now.
    pub fn learn(&self, tokens: Vec<Registered>) {
        self.known.send_if_modified(|known| {
            // A standby that took over may know less than was known before: that opens nothing.
            let is_closed = known.is_closed || !tokens.is_empty();
            let standing = tokens.into_iter().filter(|registered| registered.revoked_at.is_none());
            let standing: Vec<Token> = standing.map(|registered| registered.token).collect();
            let is_same = known.is_closed == is_closed && known.entries.iter().map(|entry| &entry.token).eq(&standing);
            if is_same {
                return false;
            }
            // One that stays keeps its entry, and so what was noted of its use.
            let entries = standing.into_iter().map(|token| {
                let kept = known.entries.iter().find(|entry| entry.token == token).cloned();
                kept.unwrap_or_else(|| Arc::new(Entry { token, was_used: AtomicBool::new(false) }))
            });
            *known = Known { is_closed, entries: entries.collect() };
            true
        });
    }

    /// Who asks with these headers, where that one may do what it asks.
    pub fn admit(&self, route: Route, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let Some(needed) = needed(route).filter(|scope| !self.is_public(*scope)) else { return Ok(Caller::default()) };
        let known = self.known.borrow();
        if !known.is_closed {
            return Ok(Caller::default());
        }
        let digest = Digest::of(bearer(headers)?).ok_or(Refusal::Unknown)?;
        let entry = known.find(digest).ok_or(Refusal::Unknown)?;
        let grant = &entry.token.grant;
        if grant.has_expired(Utc::now()) {
            return Err(Refusal::Expired);
        }
        // Looked at first: what many threads write to all the time slows them down.
        if !entry.was_used.load(Ordering::Relaxed) {
            entry.was_used.store(true, Ordering::Relaxed);
        }
        if !grant.scope.covers(needed) {
            return Err(Refusal::Scope { name: grant.name.clone(), has: grant.scope, needed });
        }
        Ok(Caller(Some(entry.clone())))
    }

    /// Resolves when one who was let in would no longer be: for what takes long.
    pub fn until_refused(&self, route: Route, caller: &Caller) -> impl Future<Output = ()> + Send + 'static {
        let (mut changes, caller) = (self.known.subscribe(), caller.clone());
        let is_for_anybody = needed(route).is_none_or(|scope| self.is_public(scope));
        async move {
            if is_for_anybody {
                pending::<()>().await;
            }
            while changes.borrow_and_update().admits(&caller, Utc::now()) {
                let end = caller.0.as_ref().and_then(|entry| entry.token.grant.expires_at);
                let left = end.map(|end| (end - Utc::now()).to_std().unwrap_or_default().min(LONGEST_SLEEP));
                tokio::select! {
                    learned = changes.changed() => if learned.is_err() { return },
                    () = sleep(left.unwrap_or_default()), if left.is_some() => {}
                }
            }
        }
    }

    /// The names of the tokens that were used since this was last asked.
    #[must_use]
    pub fn take_used(&self) -> Vec<String> {
        let known = self.known.borrow();
        let used = known.entries.iter().filter(|entry| entry.was_used.swap(false, Ordering::Relaxed));
        used.map(|entry| entry.token.grant.name.clone()).collect()
    }

    /// Takes these back, as used by now.
    pub fn note_used(&self, names: &[String]) {
        for entry in self.known.borrow().entries.iter().filter(|entry| names.contains(&entry.token.grant.name)) {
            entry.was_used.store(true, Ordering::Relaxed);
        }
    }

    fn is_public(&self, needed: Scope) -> bool {
        self.has_public_reads && needed == Scope::Read
    }
}

impl Known {
    /// Looks at all of them, wherever it is found: the time tells nothing.
    fn find(&self, digest: Digest) -> Option<&Arc<Entry>> {
        let mut found = None;
        for entry in &self.entries {
            if entry.token.digest == digest {
                found = Some(entry);
            }
        }
        found
    }

    /// Whether one who was let in would still be.
    fn admits(&self, caller: &Caller, now: DateTime<Utc>) -> bool {
        match &caller.0 {
            None => !self.is_closed,
            Some(entry) => {
                !entry.token.grant.has_expired(now) && self.entries.iter().any(|known| Arc::ptr_eq(known, entry))
            }
        }
    }
}

/// What is sent as `Authorization: Bearer …`.
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
