//! The values of settings: from a flag, else from an environment variable, else the default.

use std::{collections::HashMap, ffi::OsString, fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use super::nearest::nearest;

/// Flag, variable and default. An empty default means that the setting is optional.
const KNOWN: &[(&str, &str, &str)] = &[
    ("listen", "DEPLOYLOG_LISTEN", "127.0.0.1:5000"),
    ("open", "DEPLOYLOG_OPEN", "false"),
    ("allow-host", "DEPLOYLOG_ALLOW_HOST", ""),
    ("public-reads", "DEPLOYLOG_PUBLIC_READS", "false"),
    ("database-url", "DATABASE_URL", ""),
    ("data-dir", "DEPLOYLOG_DATA_DIR", ""),
    ("keep-days", "DEPLOYLOG_KEEP_DAYS", ""),
    ("pool-size", "DEPLOYLOG_POOL_SIZE", "12"),
    ("pool-timeout", "DEPLOYLOG_POOL_TIMEOUT", "2"),
    ("connect-timeout", "DEPLOYLOG_CONNECT_TIMEOUT", "2"),
    ("statement-timeout", "DEPLOYLOG_STATEMENT_TIMEOUT", "5"),
    ("max-connections", "DEPLOYLOG_MAX_CONNECTIONS", "10000"),
    ("max-connections-per-address", "DEPLOYLOG_MAX_CONNECTIONS_PER_ADDRESS", ""),
    ("max-event-readers", "DEPLOYLOG_MAX_EVENT_READERS", ""),
    ("max-body-memory", "DEPLOYLOG_MAX_BODY_MEMORY", "64"),
    ("header-timeout", "DEPLOYLOG_HEADER_TIMEOUT", "30"),
    ("body-timeout", "DEPLOYLOG_BODY_TIMEOUT", "30"),
    ("write-timeout", "DEPLOYLOG_WRITE_TIMEOUT", "30"),
    ("log-format", "DEPLOYLOG_LOG_FORMAT", "text"),
    ("log-level", "DEPLOYLOG_LOG_LEVEL", "info"),
];
/// Flags without a value.
const SWITCHES: [&str; 2] = ["open", "public-reads"];
/// Flags of the command `token`. They have no variables.
pub const TOKEN_FLAGS: [&str; 3] = ["scope", "component", "expires"];

/// The words that can follow an unknown flag without being its value.
const COMMANDS: [&str; 6] = ["migrate", "token", "backup", "restore", "healthcheck", "load"];
/// The prefix of the service's own variables.
const PREFIX: &str = "DEPLOYLOG_";
/// A variable of `deploylog load`.
const LOAD_TOKEN: &str = "DEPLOYLOG_TOKEN";
/// A flag with more mistakes gets no suggestion.
const MAX_MISTAKES: usize = 2;

/// A warning about the variables that look like settings and are none. Kubernetes sets such variables, for example
/// `DEPLOYLOG_SERVICE_HOST`.
pub fn unknown_variables(variables: impl Iterator<Item = String>) -> Option<String> {
    let settings = || KNOWN.iter().map(|(_, variable, _)| *variable);
    let mut unknown: Vec<_> = variables.filter(|name| name.starts_with(PREFIX)).collect();
    unknown.retain(|name| name != LOAD_TOKEN && settings().all(|known| known != name));
    unknown.sort();
    let with_nearest = |name: String| {
        let (_, known) = nearest(without_prefix(&name), settings().map(without_prefix))?;
        let setting = settings().find(|setting| without_prefix(setting) == known)?;
        Some(format!("{name} (the nearest setting is {setting})"))
    };
    let named: Vec<_> = unknown.into_iter().filter_map(with_nearest).collect();
    (!named.is_empty()).then(|| format!("variables without effect: {}", named.join(", ")))
}

pub struct Settings<'a> {
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    values: HashMap<&'static str, String>,
    /// The arguments that are not flags: the command and its arguments.
    pub words: Vec<String>,
    pub errors: Vec<String>,
}

impl<'a> Settings<'a> {
    pub fn read(
        arguments: impl IntoIterator<Item = OsString>,
        environment: &'a dyn Fn(&str) -> Option<OsString>,
    ) -> Self {
        let mut settings = Self { environment, values: HashMap::new(), words: Vec::new(), errors: Vec::new() };
        for &(flag, variable, _) in KNOWN {
            if let Some(value) = settings.variable(variable) {
                settings.values.insert(flag, value);
            }
        }
        settings.read_secret_file();
        settings.read_flags(lexopt::Parser::from_args(arguments));
        settings
    }

    /// A variable with an empty value, as in compose files, counts as not set.
    fn variable(&mut self, name: &str) -> Option<String> {
        let value = (self.environment)(name).filter(|value| !value.is_empty())?;
        let value = value.into_string();
        if value.is_err() {
            self.errors.push(format!("{name} is not UTF-8"));
        }
        value.ok()
    }

    fn read_secret_file(&mut self) {
        let Some(path) = self.variable("DATABASE_URL_FILE") else { return };
        if self.values.contains_key("database-url") {
            self.errors.push("set DATABASE_URL or DATABASE_URL_FILE, not both".to_owned());
            return;
        }
        match std::fs::read_to_string(&path) {
            Ok(secret) if secret.trim().is_empty() => self.errors.push(format!("DATABASE_URL_FILE is empty: {path}")),
            Ok(secret) => drop(self.values.insert("database-url", secret.trim_end_matches(['\r', '\n']).to_owned())),
            Err(error) => self.errors.push(format!("DATABASE_URL_FILE cannot be read: {path}: {error}")),
        }
    }

    fn read_flags(&mut self, mut parser: lexopt::Parser) {
        use lexopt::Arg::{Long, Short, Value};
        loop {
            match parser.next() {
                Ok(None) => return,
                Ok(Some(Short('h') | Long("help"))) => return self.words = vec!["--help".to_owned()],
                Ok(Some(Short('V') | Long("version"))) => return self.words = vec!["--version".to_owned()],
                Ok(Some(Long(name))) => {
                    let name = name.to_owned();
                    self.read_flag(&name, &mut parser);
                }
                Ok(Some(Value(word))) => match word.into_string() {
                    Ok(word) => self.words.push(word),
                    Err(word) => self.errors.push(format!("{} is not UTF-8", word.to_string_lossy())),
                },
                Ok(Some(argument)) => self.errors.push(format!("{}", argument.unexpected())),
                Err(error) => self.errors.push(error.to_string()),
            }
        }
    }

    fn read_flag(&mut self, name: &str, parser: &mut lexopt::Parser) {
        let is_token = self.words.first().is_some_and(|command| command == "token");
        let token_flags = TOKEN_FLAGS.into_iter().filter(|_| is_token);
        let Some(flag) = KNOWN.iter().map(|(flag, ..)| *flag).chain(token_flags).find(|flag| *flag == name) else {
            self.errors.push(unknown_flag(name));
            // The value of the flag is not an error of its own.
            if parser.optional_value().is_none()
                && let Some(mut rest) = parser.try_raw_args()
            {
                rest.next_if(|next| {
                    next.to_str().is_some_and(|next| !next.starts_with('-') && !COMMANDS.contains(&next))
                });
            }
            return;
        };
        if SWITCHES.contains(&flag) {
            self.values.insert(flag, "true".to_owned());
            return;
        }
        match parser.value().map(OsString::into_string) {
            Ok(Ok(value)) => drop(self.values.insert(flag, value)),
            Ok(Err(_)) => self.errors.push(format!("--{flag} is not UTF-8")),
            Err(_) => self.errors.push(format!("--{flag} needs a value")),
        }
    }

    /// The value of a flag or its variable, which can be empty.
    pub fn given(&self, flag: &'static str) -> Option<String> {
        self.values.get(flag).cloned()
    }

    /// The value of a setting without a default.
    pub fn optional(&self, flag: &'static str) -> Option<String> {
        self.given(flag).filter(|value| !value.is_empty())
    }

    /// Parses the value. If it is invalid, adds an error that states what is `expected`, and returns the default.
    /// `None` if an optional setting is left out.
    pub fn get<T>(&mut self, flag: &'static str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (_, variable, default) = KNOWN.iter().find(|(known, ..)| *known == flag)?;
        let value = self.values.get(flag).map_or(*default, String::as_str);
        if value.is_empty() && default.is_empty() {
            return None;
        }
        parse(value).or_else(|| {
            self.errors.push(format!("{variable} (--{flag}) must be {expected}, not {value:?}"));
            parse(default)
        })
    }

    /// A number with its `kind`, such as `a number of days`.
    pub fn number<T>(&mut self, flag: &'static str, kind: &str, range: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let expected = format!("{kind} from {} to {}", range.start(), range.end());
        self.get(flag, &expected, |value| value.parse().ok().filter(|number| range.contains(number)))
    }

    pub fn seconds(&mut self, flag: &'static str) -> Option<Duration> {
        self.number(flag, "a number of seconds", 0.01..=86_400.0).map(Duration::from_secs_f64)
    }

    pub fn switch(&mut self, flag: &'static str) -> Option<bool> {
        self.get(flag, "true or false", |value| value.parse().ok())
    }

    /// The value of a flag that is already checked. An error is reported with the others.
    pub fn checked<T>(&mut self, flag: &str, value: Result<T, String>) -> Option<T> {
        value.map_err(|reason| self.errors.push(format!("--{flag} {reason}"))).ok()
    }
}

fn without_prefix(variable: &str) -> &str {
    variable.strip_prefix(PREFIX).unwrap_or(variable)
}

fn unknown_flag(name: &str) -> String {
    let flags = KNOWN.iter().map(|(flag, ..)| *flag);
    let suggestion = match nearest(name, flags) {
        Some((mistakes, flag)) if mistakes <= MAX_MISTAKES => format!(" (did you mean --{flag}?)"),
        _ => String::new(),
    };
    format!("unknown flag --{name}{suggestion}: see deploylog --help")
}
