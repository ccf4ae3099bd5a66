//! Settings, from flags and environment. A flag wins over its variable; every mistake is reported at once.

mod help;
mod limits;
mod settings;
mod token;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use chrono::Utc;
pub use help::HELP;
pub use limits::Limits;
use settings::Settings;
pub use token::TokenRequest;

use crate::database::{Endpoint, PoolLimits};

/// What a process was asked to do.
#[derive(Debug)]
pub enum Invocation {
    /// Serve.
    Serve(Config),
    /// Bring the schema up to date, and end.
    Migrate(Config),
    /// Make, list or revoke tokens.
    Token(Config, TokenRequest),
    /// Write everything to a file; to standard output where it is `-`.
    Backup(Config, String),
    /// Read everything from one; from standard input where it is `-`.
    Restore(Config, String),
    /// Ask the service that listens there whether it is ready.
    Healthcheck(SocketAddr),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What is left open, to whoever reaches it.
    pub open: Open,
    /// Which database.
    pub database: Database,
    /// For how many days records are kept; none: for ever.
    pub keep_days: Option<u32>,
    /// How its connections are used.
    pub pool: PoolLimits,
    /// What clients may take.
    pub limits: Limits,
    /// How logs are written.
    pub log: Log,
}

/// What needs no token.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// Everything, on any address, until the first token is made.
    pub everything: bool,
    /// Whatever only reads.
    pub reads: bool,
}

/// Which database.
#[derive(Clone, Debug)]
pub enum Database {
    /// A PostgreSQL of the user's own.
    External(Box<Endpoint>),
    /// A private one in this directory.
    Embedded(PathBuf),
}

/// How logs are written.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// As JSON lines; else as text.
    pub json: bool,
    /// The least important level that is written.
    pub level: tracing::level_filters::LevelFilter,
}

impl Invocation {
    /// Reads the command line (without the program's name) and the environment. Fails with all mistakes.
    pub fn read(
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl Fn(&str) -> Option<OsString>,
        is_root: impl Fn() -> bool,
    ) -> Result<Self, Vec<String>> {
        let mut settings = Settings::read(arguments, &environment);
        let words = std::mem::take(&mut settings.words);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let invocation = match words.as_slice() {
            ["--help"] => return Ok(Self::Help),
            ["--version"] => return Ok(Self::Version),
            [] => config(&mut settings, &environment, is_root).map(Self::Serve),
            ["migrate"] => config(&mut settings, &environment, is_root).map(Self::Migrate),
            ["healthcheck"] => listen(&mut settings).map(Self::Healthcheck),
            ["token", request @ ..] => {
                let request = token::request(request, &mut settings, Utc::now());
                let config = config(&mut settings, &environment, is_root);
                config.zip(request).map(|(config, request)| Self::Token(config, request))
            }
            [command @ ("backup" | "restore"), file] => {
                let invocation = if *command == "backup" { Self::Backup } else { Self::Restore };
                let file = (*file).to_owned();
                config(&mut settings, &environment, is_root).map(|config| invocation(config, file))
            }
            [command @ ("backup" | "restore"), ..] => {
                config(&mut settings, &environment, is_root);
                settings.mistakes.push(format!("{command} takes the name of one file, or -"));
                None
            }
            ["load", ..] => {
                settings
                    .mistakes
                    .push("load has flags of its own and comes first: see deploylog load --help".to_owned());
                None
            }
            [known @ ("migrate" | "healthcheck"), other, ..] => {
                settings.mistakes.push(format!("{known} takes no {other:?}"));
                None
            }
            [other, ..] => {
                // What else is wrong is told, too.
                config(&mut settings, &environment, is_root);
                settings.mistakes.push(format!(
                    "{other} is no command: there are migrate, backup, restore, healthcheck, token and load"
                ));
                None
            }
        };
        invocation.filter(|_| settings.mistakes.is_empty()).ok_or(settings.mistakes)
    }
}

/// Reads every setting before it gives up on any.
fn config(
    settings: &mut Settings,
    environment: &impl Fn(&str) -> Option<OsString>,
    is_root: impl Fn() -> bool,
) -> Option<Config> {
    let listen = listen(settings);
    let everything = settings.switch("open");
    let reads = settings.switch("public-reads");
    let database = database(settings, environment, is_root);
    let keep_days = settings.get("keep-days", "a number of days from 1 to 36500", |value| match value {
        "" => Some(None),
        days => days.parse().ok().filter(|days| (1..=36_500).contains(days)).map(Some),
    });
    let size = settings.get("pool-size", "a number from 3 to 1000", |v| number(v, 3, 1000));
    let wait = settings.seconds("pool-timeout");
    let connect = settings.seconds("connect-timeout");
    let statement = settings.seconds("statement-timeout");
    let connections = settings.get("max-connections", "a number from 1 to 1000000", |v| number(v, 1, 1_000_000));
    let share = |settings: &mut Settings, flag, of: fn(usize) -> usize| {
        settings.get(flag, "a number from 1 to 1000000", |value| match value {
            "" => Some(connections.map_or(1, of)),
            value => number(value, 1, 1_000_000),
        })
    };
    let connections_per_address = share(settings, "max-connections-per-address", limits::of_an_address);
    let event_readers = share(settings, "max-event-readers", limits::of_event_readers);
    let header = settings.seconds("header-timeout");
    let body = settings.seconds("body-timeout");
    let body_memory =
        settings.get("max-body-memory", "a number of MiB from 16 to 1000000", |v| number(v, 16, 1_000_000));
    let write = settings.seconds("write-timeout");
    let json = settings.get("log-format", "text or json", |value| match value {
        "text" => Some(false),
        "json" => Some(true),
        _ => None,
    });
    let level = settings.get("log-level", "off, error, warn, info, debug or trace", |value| value.parse().ok());
    Some(Config {
        listen: listen?,
        open: Open { everything: everything?, reads: reads? },
        database: database?,
        keep_days: keep_days?,
        pool: PoolLimits { size: size?, wait: wait?, connect: connect?, statement: statement? },
        limits: Limits {
            connections: connections?,
            connections_per_address: connections_per_address?,
            event_readers: event_readers?,
            header: header?,
            body: body?,
            body_memory: body_memory?,
            write: write?,
        },
        log: Log { json: json?, level: level? },
    })
}

fn listen(settings: &mut Settings) -> Option<SocketAddr> {
    settings.get("listen", "an address and port such as 127.0.0.1:5000", |value| value.parse().ok())
}

fn number(text: &str, least: usize, most: usize) -> Option<usize> {
    text.parse().ok().filter(|number| (least..=most).contains(number))
}

fn database(
    settings: &mut Settings,
    environment: &impl Fn(&str) -> Option<OsString>,
    is_root: impl Fn() -> bool,
) -> Option<Database> {
    let Some(url) = settings.optional("database-url") else {
        return data_dir(settings, environment, is_root).map(Database::Embedded);
    };
    let endpoint = Endpoint::parse(&url, environment).map_err(|sentence| settings.mistakes.push(sentence)).ok()?;
    Some(Database::External(Box::new(endpoint)))
}

fn data_dir(
    settings: &mut Settings,
    environment: &impl Fn(&str) -> Option<OsString>,
    is_root: impl Fn() -> bool,
) -> Option<PathBuf> {
    let set = |name| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = settings.optional("data-dir") {
        return Some(dir.into());
    }
    if is_root() {
        return Some("/var/lib/deploylog".into());
    }
    let home = set("HOME").map(|home| home.join(".local/share"));
    let dir = set("XDG_DATA_HOME").or(home).map(|data| data.join("deploylog"));
    if dir.is_none() {
        settings.mistakes.push("DEPLOYLOG_DATA_DIR must be set where HOME is not".to_owned());
    }
    dir
}

impl std::fmt::Display for Database {
    /// Where it is; never its password.
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let config = match self {
            Self::Embedded(dir) => return write!(f, "a private PostgreSQL in {}", dir.display()),
            Self::External(endpoint) => &endpoint.config,
        };
        let port = |index: usize| match config.get_ports() {
            [] => 5432,
            [one] => *one,
            ports => ports.get(index).copied().unwrap_or(5432),
        };
        let hosts = config.get_hosts().iter().enumerate().map(|(index, host)| match host {
            tokio_postgres::config::Host::Tcp(name) => format!("{name}:{}", port(index)),
            tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
        });
        let hosts: Vec<_> = hosts.collect();
        let name = config.get_dbname().or(config.get_user()).unwrap_or_default();
        write!(f, "the database {name} at {}", hosts.join(", "))
    }
}

#[cfg(test)]
mod tests;
