//! `deploylog token`.

use std::io::{self, Write as _};

use chrono::{DateTime, SecondsFormat, Utc};

use super::{
    FAILED, Failure, NO_DATABASE,
    database::{self, Opened},
    say,
};
use crate::{
    auth::{
        StoredToken, Token,
        secret::{self, TokenDigest},
    },
    config::{Config, TokenRequest},
    domain::caller::Grant,
    error::Error,
    log::{self, escaped},
    store::Tokens,
};

/// Brings the schema up to date, so that there can be a token before the service's first start, and does what was asked.
pub async fn run(config: Config, request: TokenRequest) -> Result<(), Failure> {
    log::to_stderr(config.log);
    let database = Opened::open(&config).await?;
    let result = carry_out(&config, &database, request).await;
    database.close().await;
    result
}

async fn carry_out(config: &Config, database: &Opened, request: TokenRequest) -> Result<(), Failure> {
    database::migrate(&database.endpoint, &|_| ()).await?;
    let tokens = Tokens::new(&database.endpoint, config.pool).map_err(|error| failed(&error))?;
    match request {
        TokenRequest::Create(grant) => create(&tokens, grant).await,
        TokenRequest::List => {
            say(&table(&tokens.all().await.map_err(|error| failed(&error))?, Utc::now()));
            Ok(())
        }
        TokenRequest::Revoke(name) => revoke(&tokens, &name).await,
    }
}

async fn create(tokens: &Tokens, grant: Grant) -> Result<(), Failure> {
    let secret =
        secret::generate().map_err(|error| Failure::new(FAILED, format!("no randomness is to be had: {error}")))?;
    let digest =
        TokenDigest::of(secret.as_bytes()).ok_or_else(|| Failure::new(FAILED, "a token is not as it must be"))?;
    let token = Token { grant, digest };
    if !tokens.add(&token).await.map_err(|error| failed(&error))? {
        let name = token.grant.name;
        let sentence = format!("there is a token {name} already, or there was: a name is given once");
        return Err(Failure::new(FAILED, sentence));
    }
    // Standard output has the token alone, for whoever keeps it.
    let _ = writeln!(io::stderr(), "This is the token. It is shown this once: keep it where it is needed.");
    let mut out = io::stdout();
    let Err(unwritten) = out.write_all((secret + "\n").as_bytes()).and_then(|()| out.flush()) else {
        return Ok(());
    };
    // Nobody knows it, or half the world does.
    let name = token.grant.name;
    let outcome = match tokens.revoke(&name).await {
        Ok(_) => "is revoked: make one of another name".to_owned(),
        Err(error) => format!("is not revoked either: {error}"),
    };
    Err(Failure::new(FAILED, format!("the token {name} could not be written ({unwritten}) and {outcome}")))
}

async fn revoke(tokens: &Tokens, name: &str) -> Result<(), Failure> {
    match tokens.revoke(name).await.map_err(|error| failed(&error))? {
        Some(true) => say(&format!("{} is revoked: within 5 seconds no service takes it any more\n", escaped(name))),
        Some(false) => say(&format!("{} was revoked before\n", escaped(name))),
        None => return Err(Failure::new(FAILED, format!("there is no token {name}"))),
    }
    Ok(())
}

fn failed(error: &Error) -> Failure {
    Failure::new(NO_DATABASE, error.to_string())
}

/// One line each, the columns below each other.
fn table(tokens: &[StoredToken], now: DateTime<Utc>) -> String {
    let head = ["name", "scope", "component", "created", "expires", "last used", "state"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(tokens.iter().map(|token| row(token, now))).collect();
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let lines = rows.iter().map(|row| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    });
    lines.collect()
}

fn row(registered: &StoredToken, now: DateTime<Utc>) -> [String; 7] {
    let StoredToken { token: Token { grant, .. }, created_at, last_used_at, revoked_at } = registered;
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let never = || "never".to_owned();
    let state = match revoked_at {
        Some(_) => "revoked",
        None if grant.has_expired(now) => "expired",
        None => "active",
    };
    [
        escaped(&grant.name).into_owned(),
        grant.scope.name().to_owned(),
        grant.component.as_ref().map_or("*".to_owned(), |pattern| escaped(pattern.as_str()).into_owned()),
        time(*created_at),
        grant.expires_at.map_or_else(never, time),
        last_used_at.map_or_else(never, time),
        state.to_owned(),
    ]
}
