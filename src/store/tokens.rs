//! Tokens in the database.

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};
use tokio_postgres::Row;

use super::rows::{self, sql};
use crate::{
    auth::{StoredToken, Token, guard::Guard, secret::TokenDigest},
    database::{Endpoint, Plans, Pool, PoolLimits},
    domain::{
        caller::{Grant, Scope},
        pattern::Pattern,
    },
    error::{Cause, Error},
};

/// The pause between two reads of the tokens.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the use of tokens is stored.
const PAUSES_PER_USE: u32 = 3;
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
        Ok(Self(Arc::new(Pool::new(database, limits, 1, Plans::Generic, TIMEOUT)?)))
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

    /// Keeps the guard's tokens and their last uses in the database current, forever. While the database is unavailable,
    /// the tokens known before stay valid.
    pub async fn watch(self, guard: Arc<Guard>) {
        for count in 1_u32.. {
            match self.all().await {
                Ok(all) => guard.update(all),
                Err(error) => tracing::debug!(%error, "tokens cannot be read; using those known before"),
            }
            if count % PAUSES_PER_USE == 0 {
                self.store_uses(&guard).await;
            }
            sleep(PAUSE).await;
        }
    }

    /// Stores the last uses and closes the connection.
    pub async fn close(&self, guard: &Guard) {
        let _ = timeout(TIMEOUT, self.store_uses(guard)).await;
        self.0.close();
    }

    async fn store_uses(&self, guard: &Guard) {
        let used = guard.take_used();
        if used.is_empty() {
            return;
        }
        if let Err(error) = self.0.query(sql!("tokens_used"), &[&used]).await {
            tracing::debug!(error = %error.to_error(), "the use of tokens cannot be stored; retrying");
            guard.mark_used(&used);
        }
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
