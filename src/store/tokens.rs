//! Tokens in the database.

use std::{sync::Arc, time::Duration};

use tokio_postgres::Row;

use super::rows::{self, sql};
use crate::database::{Endpoint, Pool, PoolLimits};
use crate::domain::caller::{Grant, Scope};
use crate::domain::pattern::Pattern;
use crate::domain::token::{StoredToken, Token, TokenDigest};
use crate::error::{Cause, Error};

/// For each step of a query. A revocation must hold everywhere within five seconds, also if a connection dies: it is
/// given up after this time and another one is opened.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The tokens. They have their own connection, so that requests do not delay a revocation.
#[derive(Clone)]
pub struct Tokens(Arc<Pool>);

impl Tokens {
    /// Opens no connection yet. The schema must exist before the first query.
    pub fn new(database: &Endpoint, limits: PoolLimits) -> Result<Self, Error> {
        let limits = PoolLimits {
            size: 1,
            wait: limits.wait.min(TIMEOUT),
            connect: limits.connect.min(TIMEOUT),
            statement: limits.statement.min(TIMEOUT),
        };
        Ok(Self(Arc::new(Pool::new(database, limits, 1, TIMEOUT)?)))
    }

    /// All tokens in the order of their creation, also those that are revoked.
    pub async fn all(&self) -> Result<Vec<StoredToken>, Error> {
        Ok(rows::all(&self.0.read(sql!("tokens_all"), &[]).await?, stored_token)?)
    }

    /// Stores a new token. Returns false if its name was used before.
    pub async fn add(&self, token: &Token) -> Result<bool, Error> {
        let Token { grant: Grant { name, scope, component, expires_at }, digest } = token;
        let (component, digest) = (component.as_ref().map(Pattern::as_str), digest.0.as_slice());
        let sql = sql!("token_insert");
        let rows = self.0.query(sql, &[name, &scope.name(), &component, &digest, expires_at]).await?;
        Ok(!rows.is_empty())
    }

    /// Revokes a token. Returns false if it was revoked before, and `None` if it does not exist.
    pub async fn revoke(&self, name: &str) -> Result<Option<bool>, Error> {
        let rows = self.0.query(sql!("token_revoke"), &[&name]).await?;
        Ok(rows::value(&rows)?)
    }

    /// Stores that tokens were used just now.
    pub async fn store_use(&self, names: &[String]) -> Result<(), Error> {
        self.0.query(sql!("tokens_used"), &[&names]).await?;
        Ok(())
    }

    pub fn close(&self) {
        self.0.close();
    }
}

fn stored_token(row: &Row) -> Result<StoredToken, Cause> {
    let scope = row.try_get("scope")?;
    let component: Option<&str> = row.try_get("component")?;
    let digest: &[u8] = row.try_get("digest")?;
    Ok(StoredToken {
        token: Token {
            grant: Grant {
                name: row.try_get("name")?,
                scope: Scope::named(scope).ok_or_else(|| format!("unknown scope {scope}"))?,
                component: component.map(Pattern::parse).transpose()?,
                expires_at: row.try_get("expires_at")?,
            },
            digest: TokenDigest(digest.try_into()?),
        },
        created_at: row.try_get("created_at")?,
        last_used_at: row.try_get("last_used_at")?,
        revoked_at: row.try_get("revoked_at")?,
    })
}
