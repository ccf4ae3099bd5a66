//! The caller of a request, and the permissions of tokens.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::named_enum::named_enum;
use super::pattern::Pattern;
use super::record::FieldError;

named_enum! {
    pub enum Scope {
        /// Reads everything.
        Read = "read",
        /// Records deploys, and nothing else.
        Write = "write",
        /// Reads, records, changes and deletes.
        Admin = "admin",
    }
}

impl Scope {
    pub fn covers(self, needed: Self) -> bool {
        self == Self::Admin || self == needed
    }
}

/// The rights of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The token's name. A name is never used for a second token.
    pub name: String,
    pub scope: Scope,
    /// The components that the token can write; `None` means all.
    pub component: Option<Pattern>,
    /// `None` means that the token does not expire.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Grant {
    pub fn has_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// The bearer of a token, or an anonymous client if the call needs no token.
#[derive(Clone, Debug, Default)]
pub struct Caller(Option<Arc<Grant>>);

impl Caller {
    pub fn bearer(grant: Arc<Grant>) -> Self {
        Self(Some(grant))
    }

    pub fn grant(&self) -> Option<&Arc<Grant>> {
        self.0.as_ref()
    }

    pub fn token_name(&self) -> Option<&str> {
        self.0.as_ref().map(|grant| grant.name.as_str())
    }

    /// Fails with an error for the field `component` if the token is not valid for this component.
    pub fn may_write(&self, component: &str) -> Result<(), FieldError> {
        let Some(grant) = &self.0 else { return Ok(()) };
        match &grant.component {
            Some(pattern) if !pattern.matches(component) => {
                let reason = format!("{component} does not match {pattern}, the pattern of the token {}", grant.name);
                Err(FieldError::new("component", reason))
            }
            _ => Ok(()),
        }
    }
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 401: no `Authorization` header.
    Missing,
    /// 401: not one header of the form `Bearer TOKEN`.
    Malformed,
    /// 401: no valid token has this secret.
    Unknown,
    /// 401
    Expired,
    /// 403: the token has another scope.
    Scope { name: String, has: Scope, needed: Scope },
    /// 403: no token exists, and the request names this host.
    ForeignHost(String),
    /// 403: a page of this origin sends a write.
    ForeignOrigin(String),
}

impl Refusal {
    /// The public message. It never contains a token.
    pub fn sentence(&self) -> String {
        match self {
            Self::Missing => "this call needs a token: send Authorization: Bearer TOKEN".to_owned(),
            Self::Malformed => "send exactly one Authorization header of the form Bearer TOKEN".to_owned(),
            Self::Unknown => "the token is unknown or revoked".to_owned(),
            Self::Expired => "the token has expired".to_owned(),
            Self::ForeignHost(host) => format!(
                "the host {host} is not allowed while no token exists: add it to DEPLOYLOG_ALLOW_HOST (--allow-host), \
                 create a token, or use the service's IP address"
            ),
            Self::ForeignOrigin(origin) => format!(
                "writes from the origin {origin} are not allowed: its host is neither the host of this request nor in \
                 DEPLOYLOG_ALLOW_HOST (--allow-host)"
            ),
            Self::Scope { name, has, needed } => {
                let or_admin = if *needed == Scope::Admin { "" } else { " or admin" };
                let (has, needed) = (has.name(), needed.name());
                format!(
                    "this call needs a token with the scope {needed}{or_admin}; the token {name} has the scope {has}"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn a_scope_covers_itself_and_admin_covers_all() {
        for (has, needs) in [
            (Scope::Read, [true, false, false]),
            (Scope::Write, [false, true, false]),
            (Scope::Admin, [true, true, true]),
        ] {
            assert_eq!(Scope::ALL.map(|needed| has.covers(needed)), needs, "{has:?}");
        }
    }
}
