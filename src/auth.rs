//! Who may do what: the scopes of tokens, and which one a call needs. No I/O.
//!
//! - [`secret`]: a token as it is sent, and its digest, which is all that is kept.
//! - [`pattern`]: which components a token may write of.
//! - [`guard`]: what is known of tokens at this moment, and who passes.

pub mod guard;
pub mod pattern;
pub mod secret;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use hyper::header::HeaderValue;

use self::{guard::Entry, pattern::Pattern, secret::Digest};
use crate::{domain::record::FieldError, route::Route};

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// To read, all there is.
    Read,
    /// To record, and nothing else.
    Write,
    /// Everything.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// The scope that is written so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    fn covers(self, needed: Self) -> bool {
        self == Self::Admin || self == needed
    }
}

/// The scope that a call needs; none: it is for anybody.
#[must_use]
pub fn needed(route: Route) -> Option<Scope> {
    Some(match route {
        Route::ListRecords
        | Route::ReadRecord(_)
        | Route::ListHistory(_)
        | Route::ListDeploys
        | Route::ListCurrent
        | Route::ReadDurations
        | Route::ReadDora
        | Route::ReadEvents
        | Route::Metrics => Scope::Read,
        Route::CreateRecords => Scope::Write,
        Route::ReplaceRecord(_) | Route::PatchRecord(_) | Route::RemoveRecord(_) => Scope::Admin,
        Route::Live | Route::Ready | Route::Openapi | Route::Page | Route::PageFile => return None,
    })
}

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The token's name: no other ever has the same.
    pub name: String,
    /// What it is for.
    pub scope: Scope,
    /// The components that it may write of; none: all.
    pub component: Option<Pattern>,
    /// From then on it counts no more; none: it counts until it is revoked.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Grant {
    /// Whether its time is over.
    #[must_use]
    pub fn has_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// A token: not itself, but how it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is for.
    pub grant: Grant,
    /// Of what is sent.
    pub digest: Digest,
}

/// A token as the database has it.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The token.
    pub token: Token,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to within a few seconds.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Since when it counts no more.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Who asks: the bearer of a token, or nobody in particular, where none is needed.
#[derive(Clone, Debug, Default)]
pub struct Caller(Option<Arc<Entry>>);

impl Caller {
    /// The name of the token.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.as_ref().map(|entry| entry.token.grant.name.as_str())
    }

    /// Whether this one may write of a component; else what is said of that field.
    pub fn may_write(&self, component: &str) -> Result<(), FieldError> {
        let Some(grant) = self.0.as_ref().map(|entry| &entry.token.grant) else { return Ok(()) };
        match &grant.component {
            Some(pattern) if !pattern.matches(component) => {
                let reason = format!("{component} is none that the token {} may write: {pattern}", grant.name);
                Err(FieldError::new("component", reason))
            }
            _ => Ok(()),
        }
    }
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 401: there is no token.
    Missing,
    /// 401: the header is not as it must be.
    Malformed,
    /// 401: no token that counts is like this one.
    Unknown,
    /// 401: its time is over.
    Expired,
    /// 403: it is for something else.
    Scope {
        /// The token's name.
        name: String,
        /// What it is for.
        has: Scope,
        /// What the call needs.
        needed: Scope,
    },
}

impl Refusal {
    /// Whether it is known who asks, and that one may not: 403; else 401.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Scope { .. })
    }

    /// What is said of it. Never a token.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Missing => "this needs a token: send Authorization: Bearer TOKEN".to_owned(),
            Self::Malformed => "send one Authorization header, and it must be Bearer TOKEN".to_owned(),
            Self::Unknown => "the token is not known, or it was revoked".to_owned(),
            Self::Expired => "the token has expired".to_owned(),
            Self::Scope { name, has, needed } => {
                let or_admin = if *needed == Scope::Admin { "" } else { " or admin" };
                let (has, needed) = (has.name(), needed.name());
                format!("this needs a token with the scope {needed}{or_admin}, and {name} has {has}")
            }
        }
    }

    /// The value of `WWW-Authenticate`, as RFC 6750 has it.
    #[must_use]
    pub fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Missing => r#"Bearer realm="deploylog""#,
            Self::Malformed | Self::Unknown | Self::Expired => r#"Bearer realm="deploylog", error="invalid_token""#,
            Self::Scope { needed, .. } => match needed {
                Scope::Read => r#"Bearer realm="deploylog", error="insufficient_scope", scope="read""#,
                Scope::Write => r#"Bearer realm="deploylog", error="insufficient_scope", scope="write""#,
                Scope::Admin => r#"Bearer realm="deploylog", error="insufficient_scope", scope="admin""#,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn a_scope_is_for_itself_and_admin_for_all() {
        for (has, needs) in [
            (Scope::Read, [true, false, false]),
            (Scope::Write, [false, true, false]),
            (Scope::Admin, [true, true, true]),
        ] {
            assert_eq!(Scope::ALL.map(|needed| has.covers(needed)), needs, "{has:?}");
            assert_eq!(Scope::named(has.name()), Some(has));
        }
    }
}
