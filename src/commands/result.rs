//! The result of a command: text on standard output, or an error with an exit code.

use std::io::{self, Write as _};

use crate::database::migrate::MigrateError;
use crate::error::{Cause, Chained};

const FAILED: u8 = 1;
const BAD_SETTINGS: u8 = 64;
const NO_DATABASE: u8 = 69;

#[derive(Debug)]
pub struct CommandError {
    pub exit_code: u8,
    /// One line of standard error each.
    pub messages: Vec<String>,
}

impl CommandError {
    /// A schema that cannot be used counts as a missing database.
    pub fn failed(cause: impl Into<Cause>) -> Self {
        let cause = cause.into();
        let exit_code = if cause.is::<MigrateError>() { NO_DATABASE } else { FAILED };
        Self { exit_code, messages: vec![Chained(cause.as_ref()).to_string()] }
    }

    pub fn bad_settings(messages: Vec<String>) -> Self {
        Self { exit_code: BAD_SETTINGS, messages }
    }

    pub fn no_database(cause: impl Into<Cause>) -> Self {
        Self { exit_code: NO_DATABASE, ..Self::failed(cause) }
    }

    pub fn context(self, context: &str) -> Self {
        let messages = self.messages.iter().map(|message| format!("{context}: {message}")).collect();
        Self { messages, ..self }
    }
}

/// Writes to standard output. A closed pipe is not an error.
pub fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}
