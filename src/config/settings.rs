//! Named settings, each by flag or variable or default.

use std::{collections::HashMap, ffi::OsString, time::Duration};

/// Flag, variable, default (empty: none).
const KNOWN: &[(&str, &str, &str)] = &[
    ("listen", "DEPLOYLOG_LISTEN", "127.0.0.1:5000"),
    ("open", "DEPLOYLOG_OPEN", "false"),
    ("public-reads", "DEPLOYLOG_PUBLIC_READS", "false"),
    ("database-url", "DATABASE_URL", ""),
    ("data-dir", "DEPLOYLOG_DATA_DIR", ""),
    ("keep-days", "DEPLOYLOG_KEEP_DAYS", ""),
    ("pool-size", "DEPLOYLOG_POOL_SIZE", "10"),
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
/// Those whose flag alone says yes.
const SWITCHES: [&str; 2] = ["open", "public-reads"];
/// What else a command takes: flags without a variable.
const OF_COMMANDS: [(&str, &[&str]); 1] = [("token", &["scope", "component", "expires"])];

/// The settings' texts, and all mistakes so far.
pub struct Settings {
    values: HashMap<&'static str, String>,
    /// What is no flag: the command, where there is one, and what it is about.
    pub words: Vec<String>,
    pub mistakes: Vec<String>,
}

impl Settings {
    /// Reads all of them.
    pub fn read(
        arguments: impl IntoIterator<Item = OsString>,
        environment: &impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        let mut settings = Self { values: HashMap::new(), words: Vec::new(), mistakes: Vec::new() };
        for &(flag, variable, _) in KNOWN {
            if let Some(value) = settings.variable(variable, environment) {
                settings.values.insert(flag, value);
            }
        }
        settings.read_secret_file(environment);
        settings.read_flags(lexopt::Parser::from_args(arguments));
        settings
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
                    Err(word) => self.mistakes.push(format!("{} is not UTF-8", word.to_string_lossy())),
                },
                Ok(Some(argument)) => self.mistakes.push(format!("{}", argument.unexpected())),
                Err(error) => self.mistakes.push(error.to_string()),
            }
        }
    }

    fn read_flag(&mut self, name: &str, parser: &mut lexopt::Parser) {
        let command = self.words.first().map(String::as_str);
        let of_command = OF_COMMANDS.iter().filter(|(known, _)| command == Some(known)).flat_map(|(_, flags)| *flags);
        let mut known = KNOWN.iter().map(|(flag, ..)| flag).chain(of_command);
        let Some(flag) = known.find(|flag| **flag == name) else {
            self.mistakes.push(format!("--{name} is no flag: see deploylog --help"));
            // Its value, if it has one, is no command.
            let _ = parser.optional_value();
            return;
        };
        if SWITCHES.contains(flag) {
            self.values.insert(flag, "true".to_owned());
            return;
        }
        match parser.value().map(OsString::into_string) {
            Ok(Ok(value)) => drop(self.values.insert(flag, value)),
            Ok(Err(_)) => self.mistakes.push(format!("--{flag} is not UTF-8")),
            Err(_) => self.mistakes.push(format!("--{flag} needs a value")),
        }
    }

    /// What was given, be it nothing.
    pub fn given(&self, flag: &'static str) -> Option<String> {
        self.values.get(flag).cloned()
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

    /// Yes or no.
    pub fn switch(&mut self, flag: &'static str) -> Option<bool> {
        self.get(flag, "true or false", |value| value.parse().ok())
    }
}
