//! The tokens, as the database has them.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_postgres::{Row, types::ToSql};

use super::rows::column;
use crate::{
    auth::{StoredToken, Token, guard::Guard, secret::TokenDigest},
    database::PoolLimits,
    database::{Endpoint, Plans, Pool},
    domain::{
        caller::{Grant, Scope},
        pattern::Pattern,
    },
    error::{Cause, Error},
};

/// How often what is known is learned anew.
const TICK: Duration = Duration::from_secs(1);
/// How many ticks pass between two notes of which were used.
const TICKS_A_NOTE: u32 = 3;
/// For each step on the way to an answer: a connection that died is given up, and what it should have told is there by
/// another, within the five seconds in which a revocation holds everywhere.
const PATIENCE: Duration = Duration::from_secs(1);

/// The tokens. They have a connection of their own, so that no request stands in the way of a revocation.
#[derive(Clone)]
pub struct Tokens(Arc<Pool>);

impl Tokens {
    /// Opens no connection yet. The schema must be there when one is used.
    pub fn new(database: &Endpoint, limits: PoolLimits) -> Result<Self, Error> {
        let limits = PoolLimits {
            size: 1,
            wait: limits.wait.min(PATIENCE),
            connect: limits.connect.min(PATIENCE),
            statement: limits.statement.min(PATIENCE),
        };
        Ok(Self(Arc::new(Pool::new(database, limits, 1, Plans::Generic, PATIENCE)?)))
    }

    /// All of them, in the order in which they were made.
    pub async fn all(&self) -> Result<Vec<StoredToken>, Error> {
        let rows = self.0.read(include_str!("../../sql/tokens_all.sql"), &[]).await?;
        rows.iter().map(registered).collect::<Result<_, _>>().map_err(Error::Internal)
    }

    /// Makes a token known. Answers whether its name was free.
    pub async fn add(&self, token: &Token) -> Result<bool, Error> {
        let Token { grant: Grant { name, scope, component, expires_at }, digest } = token;
        let component = component.as_ref().map(Pattern::as_str);
        let parameters: [&(dyn ToSql + Sync); 5] = [name, &scope.name(), &component, &digest.0.as_slice(), expires_at];
        let rows = self.0.query(include_str!("../../sql/token_insert.sql"), &parameters).await?;
        Ok(!rows.is_empty())
    }

    /// Revokes a token. Answers whether it had not been revoked before; nothing where there is none.
    pub async fn revoke(&self, name: &str) -> Result<Option<bool>, Error> {
        let rows = self.0.query(include_str!("../../sql/token_revoke.sql"), &[&name]).await?;
        rows.first().map(|row| column(row, 0)).transpose().map_err(Error::Internal)
    }

    /// Notes the last uses and closes the connection.
    pub async fn close(&self, guard: &Guard) {
        let _ = timeout(PATIENCE, self.note_uses(guard)).await;
        self.0.close();
    }

    /// Lets the database know which were used of late.
    async fn note_uses(&self, guard: &Guard) {
        let used = guard.take_used();
        if used.is_empty() {
            return;
        }
        if let Err(failure) = self.0.query(include_str!("../../sql/tokens_used.sql"), &[&used]).await {
            tracing::debug!(error = %failure.to_error(), "the use of tokens is noted later");
            guard.mark_used(&used);
        }
    }
}

/// Lets the guard know of every token, and the database of every use, for ever. While the database is away, what was
/// known counts on.
pub async fn watch_tokens(tokens: Tokens, guard: Arc<Guard>) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for ticks in 1_u32.. {
        tick.tick().await;
        match tokens.all().await {
            Ok(all) => guard.update(all),
            Err(error) => tracing::debug!(%error, "the tokens are those that were known before"),
        }
        if ticks % TICKS_A_NOTE == 0 {
            tokens.note_uses(&guard).await;
        }
    }
}

fn registered(row: &Row) -> Result<StoredToken, Cause> {
    let scope: &str = column(row, 1)?;
    let component: Option<&str> = column(row, 2)?;
    let digest: &[u8] = column(row, 3)?;
    Ok(StoredToken {
        token: Token {
            grant: Grant {
                name: column(row, 0)?,
                scope: Scope::named(scope).ok_or_else(|| format!("unknown scope {scope}"))?,
                component: component.map(Pattern::parse).transpose()?,
                expires_at: column(row, 4)?,
            },
            digest: TokenDigest(digest.try_into()?),
        },
        created_at: column(row, 5)?,
        last_used_at: column(row, 6)?,
        revoked_at: column(row, 7)?,
    })
}
