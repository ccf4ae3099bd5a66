//! What the service does until it is ready, as `/readyz` says it.

use std::sync::{Mutex, PoisonError};

use crate::error::Error;

/// The step that is under way.
pub struct Startup(Mutex<String>);

impl Startup {
    /// Begins with the wait for the database.
    #[must_use]
    pub fn new() -> Self {
        Self(Mutex::new("waiting for the database".to_owned()))
    }

    /// Names the step that begins.
    pub fn begin(&self, step: impl Into<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = step.into();
    }

    /// What a request is answered meanwhile.
    #[must_use]
    pub fn error(&self) -> Error {
        Error::Starting(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Default for Startup {
    fn default() -> Self {
        Self::new()
    }
}
