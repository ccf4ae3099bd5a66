//! Settings from flags and environment variables. A flag overrides its variable, and all errors are reported at once.

mod limits;
mod nearest;
mod settings;
mod token;

use std::{
    ffi::OsString,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use chrono::Utc;
pub use limits::Limits;
use settings::Settings;
pub use settings::unknown_variables;
pub use token::TokenRequest;
use tokio_postgres::config::Host;
use tracing::level_filters::LevelFilter;

use crate::auth::hosts::AllowedHosts;
use crate::database::{Endpoint, PoolLimits};

/// The output of `deploylog --help`.
pub const HELP: &str = include_str!("config/help.txt");

#[derive(Debug)]
pub enum Invocation {
    /// Print the help or the version.
    Print(&'static str),
    /// Check the service that listens on this address.
    Healthcheck(SocketAddr),
    Run(Command, Box<Config>),
}

/// A command that needs the configuration.
#[derive(Debug)]
pub enum Command {
    Serve,
    Migrate,
    Token(TokenRequest),
    /// To a file, or to standard output (`-`).
    Backup(String),
    /// From a file, or from standard input (`-`).
    Restore(String),
}

#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Clients have full access on any address until the first token is created.
    pub is_open: bool,
    /// Besides addresses and loopback names.
    pub allowed_hosts: AllowedHosts,
    /// Reads need no token.
    pub public_reads: bool,
    pub database: Database,
    /// Older records are deleted. `None` keeps them indefinitely.
    pub keep_days: Option<u32>,
    pub pool: PoolLimits,
    pub limits: Limits,
    /// JSON lines instead of text.
    pub is_log_json: bool,
    pub log_level: LevelFilter,
}

#[derive(Clone, Debug)]
pub enum Database {
    /// The PostgreSQL that `DATABASE_URL` names.
    External(Box<Endpoint>),
    /// A private PostgreSQL in this directory.
    Embedded(PathBuf),
}

impl Invocation {
    /// Reads the command line (without the program's name) and the environment. Fails with all errors.
    pub fn read(
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl Fn(&str) -> Option<OsString>,
        is_root: impl Fn() -> bool,
    ) -> Result<Self, Vec<String>> {
        let mut settings = Settings::read(arguments, &environment);
        let words = std::mem::take(&mut settings.words);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let invocation = match words.as_slice() {
            ["--help"] => return Ok(Self::Print(HELP)),
            ["--version"] => return Ok(Self::Print(concat!("deploylog ", env!("CARGO_PKG_VERSION"), "\n"))),
            ["healthcheck"] => listen(&mut settings).map(Self::Healthcheck),
            words => {
                let command = command(words, &mut settings);
                let config = config(&mut settings, is_root);
                command.zip(config).map(|(command, config)| Self::Run(command, Box::new(config)))
            }
        };
        invocation.filter(|_| settings.errors.is_empty()).ok_or(settings.errors)
    }
}

fn command(words: &[&str], settings: &mut Settings) -> Option<Command> {
    let error = match words {
        [] => return Some(Command::Serve),
        ["migrate"] => return Some(Command::Migrate),
        ["token", request @ ..] => return token::request(request, settings, Utc::now()).map(Command::Token),
        ["backup", file] => return Some(Command::Backup((*file).to_owned())),
        ["restore", file] => return Some(Command::Restore((*file).to_owned())),
        [command @ ("backup" | "restore"), ..] => format!("{command} needs exactly one file name, or -"),
        ["load", ..] => "load must be the first argument and has its own flags: see deploylog load --help".to_owned(),
        [command @ ("migrate" | "healthcheck"), argument, ..] => {
            format!("{command} does not take the argument {argument:?}")
        }
        [command @ ("serve" | "start" | "run"), ..] => {
            format!("{command} is not a command: leave it out, because deploylog without a command runs the service")
        }
        [other, ..] => format!("{other} is not a command: use migrate, backup, restore, healthcheck, token or load"),
    };
    settings.errors.push(error);
    None
}

/// Reads every setting, so that all errors are found. `None` only if the database is not known.
fn config(settings: &mut Settings, is_root: impl Fn() -> bool) -> Option<Config> {
    let database = database(settings, is_root);
    let connections = settings.number("max-connections", "a number", 1..=1_000_000)?;
    Some(Config {
        listen: listen(settings)?,
        is_open: settings.switch("open")?,
        allowed_hosts: settings
            .get("allow-host", "host names such as deploylog.example.com,ci, or *", AllowedHosts::parse)
            .unwrap_or_default(),
        public_reads: settings.switch("public-reads")?,
        keep_days: settings.number("keep-days", "a number of days", 1..=36_500),
        pool: PoolLimits {
            size: settings.number("pool-size", "a number", 5..=1_000)?,
            wait: settings.seconds("pool-timeout")?,
            connect: settings.seconds("connect-timeout")?,
            statement: settings.seconds("statement-timeout")?,
        },
        limits: Limits {
            connections,
            connections_per_address: settings
                .number("max-connections-per-address", "a number", 1..=1_000_000)
                .unwrap_or(limits::default_per_address(connections)),
            event_subscribers: settings
                .number("max-event-readers", "a number", 1..=1_000_000)
                .unwrap_or(limits::default_event_subscribers(connections)),
            header: settings.seconds("header-timeout")?,
            body: settings.seconds("body-timeout")?,
            body_memory: settings.number("max-body-memory", "a number of MiB", 16..=1_000_000)?,
            write: settings.seconds("write-timeout")?,
        },
        is_log_json: settings.get("log-format", "text or json", |value| match value {
            "text" => Some(false),
            "json" => Some(true),
            _ => None,
        })?,
        log_level: settings.get("log-level", "off, error, warn, info, debug or trace", |value| value.parse().ok())?,
        database: database?,
    })
}

fn listen(settings: &mut Settings) -> Option<SocketAddr> {
    settings.get("listen", "an address such as 127.0.0.1:5000 or localhost:5000", |value| {
        let local = |port: &str| Some((Ipv4Addr::LOCALHOST, port.parse().ok()?).into());
        value.parse().ok().or_else(|| local(value.strip_prefix("localhost:")?))
    })
}

fn database(settings: &mut Settings, is_root: impl Fn() -> bool) -> Option<Database> {
    let database = match settings.optional("database-url") {
        Some(url) => {
            Endpoint::parse(&url, &settings.environment).map(|endpoint| Database::External(Box::new(endpoint)))
        }
        None => data_dir(settings, is_root)
            .map(Database::Embedded)
            .ok_or_else(|| "DEPLOYLOG_DATA_DIR must be set if HOME is not set".to_owned()),
    };
    database.map_err(|error| settings.errors.push(error)).ok()
}

fn data_dir(settings: &mut Settings, is_root: impl Fn() -> bool) -> Option<PathBuf> {
    if let Some(dir) = settings.optional("data-dir") {
        return Some(dir.into());
    }
    if is_root() {
        return Some("/var/lib/deploylog".into());
    }
    let set = |name| (settings.environment)(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    data.map(|data| data.join("deploylog"))
}

impl fmt::Display for Database {
    /// Never shows the password.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let config = match self {
            Self::Embedded(dir) => return write!(f, "a private PostgreSQL in {}", dir.display()),
            Self::External(endpoint) => &endpoint.config,
        };
        let ports = config.get_ports();
        let hosts = config.get_hosts().iter().enumerate().map(|(index, host)| match host {
            // A single port counts for all hosts.
            Host::Tcp(name) => format!("{name}:{}", ports.get(index).or(ports.first()).unwrap_or(&5432)),
            Host::Unix(path) => path.display().to_string(),
        });
        let hosts: Vec<_> = hosts.collect();
        let name = config.get_dbname().or(config.get_user()).unwrap_or_default();
        write!(f, "the database {name} at {}", hosts.join(", "))
    }
}

#[cfg(test)]
mod tests;
