//! Access control by API tokens. No I/O.
//!
//! - [`guard`]: the valid tokens, and whether they admit a call.
//! - [`secret`]: new tokens and their digests.

pub mod guard;
pub mod secret;

use chrono::{DateTime, Utc};

use self::secret::TokenDigest;
use crate::{
    domain::caller::{Grant, Scope},
    route::Route,
};

/// The scope that a call needs. `None` means that the call needs no token.
pub fn needed_scope(route: Route) -> Option<Scope> {
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

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub grant: Grant,
    pub digest: TokenDigest,
}

/// A token as it is stored.
#[derive(Clone, Debug)]
pub struct StoredToken {
    pub token: Token,
    pub created_at: DateTime<Utc>,
    /// To within a few seconds.
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
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
}

impl Refusal {
    /// The public message. It never contains a token.
    pub fn sentence(&self) -> String {
        match self {
            Self::Missing => "this call needs a token: send Authorization: Bearer TOKEN".to_owned(),
            Self::Malformed => "send exactly one Authorization header of the form Bearer TOKEN".to_owned(),
            Self::Unknown => "the token is unknown or revoked".to_owned(),
            Self::Expired => "the token has expired".to_owned(),
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
