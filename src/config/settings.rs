//! Named settings, each by flag or variable or default.

use std::{collections::HashMap, ffi::OsString, time::Duration};

/// Flag, variable, default (empty: none).
const KNOWN: [(&str, &str, &str); 15] = [
    ("listen", "DEPLOYLOG_LISTEN", "127.0.0.1:5000"),
    ("database-url", "DATABASE_URL", ""),
    ("data-dir", "DEPLOYLOG_DATA_DIR", ""),
    ("pool-size", "DEPLOYLOG_POOL_SIZE", "10"),
    ("pool-timeout", "DEPLOYLOG_POOL_TIMEOUT", "2"),
    ("connect-timeout", "DEPLOYLOG_CONNECT_TIMEOUT", "2"),
    ("statement-timeout", "DEPLOYLOG_STATEMENT_TIMEOUT", "5"),
    ("max-connections", "DEPLOYLOG_MAX_CONNECTIONS", "10000"),
    ("max-connections-per-address", "DEPLOYLOG_MAX_CONNECTIONS_PER_ADDRESS", ""),
    ("max-event-readers", "DEPLOYLOG_MAX_EVENT_READERS", ""),
    ("header-timeout", "DEPLOYLOG_HEADER_TIMEOUT", "30"),
    ("body-timeout", "DEPLOYLOG_BODY_TIMEOUT", "30"),
    ("write-timeout", "DEPLOYLOG_WRITE_TIMEOUT", "30"),
    ("log-format", "DEPLOYLOG_LOG_FORMAT", "text"),
    ("log-level", "DEPLOYLOG_LOG_LEVEL", "info"),
];

/// The settings' texts, and all mistakes so far.
pub struct Settings {
    values: HashMap<&'static str, String>,
    pub mistakes: Vec<String>,
}

impl Settings {
    /// The command, where there is one, and the settings.
    pub fn read(
        arguments: impl IntoIterator<Item = OsString>,
        environment: &impl Fn(&str) -> Option<OsString>,
    ) -> (Option<String>, Self) {
        let mut settings = Self { values: HashMap::new(), mistakes: Vec::new() };
        for (flag, variable, _) in KNOWN {
            if let Some(value) = settings.variable(variable, environment) {
                settings.values.insert(flag, value);
            }
        }
        settings.read_secret_file(environment);
        let command = settings.read_flags(lexopt::Parser::from_args(arguments));
        (command, settings)
    }

    /// A variable that is set to nothing, as compose files do, is not set.
    fn variable(&mut self, name: &str, environment: &impl Fn(&str) -> Option<OsString>) -> Option<String> {
        let value = environment(name).filter(|value| !value.is_empty())?;
        let value = value.into_string();
        if value.is_err() {
            self.mistakes.push(format!("{name} is not UTF-8"));
        }
        value.ok()
    }

    fn read_secret_file(&mut self, environment: &impl Fn(&str) -> Option<OsString>) {
        let Some(path) = self.variable("DATABASE_URL_FILE", environment) else { return };
        if self.values.contains_key("database-url") {
            self.mistakes.push("DATABASE_URL and DATABASE_URL_FILE are both set".to_owned());
            return;
        }
        match std::fs::read_to_string(&path) {
            Ok(secret) if secret.trim().is_empty() => self.mistakes.push(format!("DATABASE_URL_FILE is empty: {path}")),
            Ok(secret) => drop(self.values.insert("database-url", secret.trim_end_matches(['\r', '\n']).to_owned())),
            Err(error) => self.mistakes.push(format!("DATABASE_URL_FILE cannot be read: {path}: {error}")),
        }
    }

    fn read_flags(&mut self, mut parser: lexopt::Parser) -> Option<String> {
        use lexopt::Arg::{Long, Short, Value};
        let mut command = None;
        loop {
            match parser.next() {
                Ok(None) => return command,
                Ok(Some(Short('h') | Long("help"))) => return Some("--help".to_owned()),
                Ok(Some(Short('V') | Long("version"))) => return Some("--version".to_owned()),
                Ok(Some(Long(name))) => {
                    let Some((flag, ..)) = KNOWN.iter().find(|(flag, ..)| *flag == name) else {
                        self.mistakes.push(format!("--{name} is no flag: see deploylog --help"));
                        // Its value, if it has one, is no command.
                        let _ = parser.optional_value();
                        continue;
                    };
                    match parser.value().map(OsString::into_string) {
                        Ok(Ok(value)) => drop(self.values.insert(flag, value)),
                        Ok(Err(_)) => self.mistakes.push(format!("--{flag} is not UTF-8")),
                        Err(_) => self.mistakes.push(format!("--{flag} needs a value")),
                    }
                }
                Ok(Some(Value(word))) if command.is_none() => command = Some(word.to_string_lossy().into_owned()),
                Ok(Some(argument)) => self.mistakes.push(format!("{}", argument.unexpected())),
                Err(error) => self.mistakes.push(error.to_string()),
            }
        }
    }

    /// A setting that may be left out.
    pub fn optional(&mut self, flag: &'static str) -> Option<String> {
        self.values.get(flag).filter(|value| !value.is_empty()).cloned()
    }

    /// A setting as something else; `wanted` says what it must be.
    pub fn get<T>(&mut self, flag: &'static str, wanted: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (_, variable, default) = KNOWN.iter().find(|(known, ..)| *known == flag)?;
        let value = self.values.get(flag).map_or(*default, String::as_str);
        let result = read(value);
        if result.is_none() {
            self.mistakes.push(format!("{variable} (--{flag}) must be {wanted}, not {value:?}"));
        }
        result
    }

    /// A time in seconds.
    pub fn seconds(&mut self, flag: &'static str) -> Option<Duration> {
        self.get(flag, "a number of seconds from 0.01 to 86400", |value| {
            let seconds = value.parse().ok().filter(|seconds| (0.01..=86_400.0).contains(seconds))?;
            Some(Duration::from_secs_f64(seconds))
        })
    }
}
