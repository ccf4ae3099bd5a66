//! `deploylog token`: creates, lists and revokes API tokens.

use std::io::{self, Write as _};

use chrono::{DateTime, SecondsFormat, Utc};

use super::database::CommandDatabase;
use super::result::{CommandError, print};
use crate::config::{Config, TokenRequest};
use crate::domain::caller::Grant;
use crate::domain::token::{self, StoredToken, Token, TokenDigest};
use crate::embedded::Access;
use crate::log::escaped;
use crate::store::Tokens;

pub async fn run(config: &Config, request: TokenRequest) -> Result<(), CommandError> {
    // A token can be created before the first start of the service.
    let access = if matches!(request, TokenRequest::Create(_)) { Access::Create } else { Access::Existing };
    CommandDatabase::with(config, access, async |database| {
        if database.is_new() {
            // Also without a log: the directory can be mistyped.
            let _ = writeln!(io::stderr(), "deploylog: created {}", config.database);
        }
        database.migrate(&|_| ()).await.map_err(CommandError::no_database)?;
        let tokens = Tokens::new(&database.endpoint, config.pool).map_err(CommandError::no_database)?;
        match request {
            TokenRequest::Create(grant) => create(&tokens, grant).await,
            TokenRequest::List => list(&tokens).await,
            TokenRequest::Revoke(name) => revoke(&tokens, &name).await,
        }
    })
    .await
}

async fn list(tokens: &Tokens) -> Result<(), CommandError> {
    print(&table(&tokens.all().await.map_err(CommandError::no_database)?, Utc::now()));
    Ok(())
}

async fn revoke(tokens: &Tokens, name: &str) -> Result<(), CommandError> {
    let end = match tokens.revoke(name).await.map_err(CommandError::no_database)? {
        Some(true) => "is revoked: every process rejects it within 5 seconds",
        Some(false) => "was already revoked",
        None => return Err(CommandError::failed(format!("there is no token {name}"))),
    };
    print(&format!("{} {end}\n", escaped(name)));
    Ok(())
}

async fn create(tokens: &Tokens, grant: Grant) -> Result<(), CommandError> {
    let secret = token::generate().map_err(|error| CommandError::failed(error.to_string()))?;
    let digest = TokenDigest::of(secret.as_bytes()).ok_or_else(|| CommandError::failed("the token is malformed"))?;
    let token = Token { grant, digest };
    let is_new = tokens.add(&token).await.map_err(CommandError::no_database)?;
    let name = token.grant.name;
    if !is_new {
        let message = format!("the token name {name} is already used: choose another name, also for a revoked token");
        return Err(CommandError::failed(message));
    }
    // Standard output contains only the token, so that a script can store it.
    let _ = writeln!(io::stderr(), "Store this token now. It cannot be shown again.");
    let mut out = io::stdout();
    let Err(unwritten) = out.write_all((secret + "\n").as_bytes()).and_then(|()| out.flush()) else {
        return Ok(());
    };
    let revoked = match tokens.revoke(&name).await {
        Ok(_) => "it is revoked: create one with another name".to_owned(),
        Err(error) => format!("it could not be revoked: {error}"),
    };
    Err(CommandError::failed(format!("the token {name} could not be printed ({unwritten}), and {revoked}")))
}

/// One line for each token, with aligned columns.
fn table(tokens: &[StoredToken], now: DateTime<Utc>) -> String {
    let head = ["name", "scope", "component", "created", "expires", "last used", "state"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(tokens.iter().map(|token| row(token, now))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 7] = std::array::from_fn(width);
    let lines = rows.iter().map(|row| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    });
    lines.collect()
}

fn row(stored: &StoredToken, now: DateTime<Utc>) -> [String; 7] {
    let StoredToken { token: Token { grant, .. }, created_at, last_used_at, revoked_at } = stored;
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let never = || "never".to_owned();
    let state = match revoked_at {
        Some(_) => "revoked",
        None if grant.has_expired(now) => "expired",
        None => "active",
    };
    [
        escaped(&grant.name),
        grant.scope.name().to_owned(),
        grant.component.as_ref().map_or("*".to_owned(), |pattern| escaped(pattern.as_str())),
        time(*created_at),
        grant.expires_at.map_or_else(never, time),
        last_used_at.map_or_else(never, time),
        state.to_owned(),
    ]
}
