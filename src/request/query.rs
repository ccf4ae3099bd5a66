//! The query string: every parameter known, and given once.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;

use crate::{
    domain::record::{FieldError, parse_time, text},
    error::Error,
};

/// Parameters that are taken out one by one; what is left at the end is an error, as is all that was wrong on the way.
pub struct Query {
    parameters: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl Query {
    /// Splits and decodes the part of a target behind its `?`.
    #[must_use]
    pub fn parse(query: Option<&str>) -> Self {
        let mut parsed = Self { parameters: Vec::new(), errors: Vec::new() };
        let mut seen = HashSet::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decode(name), decode(value)) {
                (Some(name), _) if !seen.insert(name.clone()) => {
                    parsed.refuse(name, "is given twice");
                }
                (Some(name), Some(value)) => parsed.parameters.push((name, value)),
                (Some(name), None) => parsed.refuse(name, "is not UTF-8"),
                (None, _) => parsed.refuse(name.to_owned(), "is not UTF-8"),
            }
        }
        parsed
    }

    /// Takes a parameter out and reads it; a failure names it and goes on with `reason`.
    pub fn take<T>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let index = self.parameters.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.parameters.swap_remove(index);
        let result = if value.trim().is_empty() { Err("is empty".to_owned()) } else { read(&value) };
        result.map_err(|reason| self.refuse(name.to_owned(), reason)).ok()
    }

    /// A text of at most `limit` characters.
    pub fn text(&mut self, name: &'static str, limit: usize) -> Option<String> {
        self.take(name, |value| text(value, limit).map(str::to_owned).map_err(Into::into))
    }

    /// An RFC 3339 time.
    pub fn time(&mut self, name: &'static str) -> Option<DateTime<Utc>> {
        self.take(name, |value| {
            let rule = "must be an RFC 3339 time such as 2026-11-24T07:30:00Z (in a query + is written %2B)";
            parse_time(value).ok_or_else(|| rule.to_owned())
        })
    }

    /// Fails where anything was wrong, or is left.
    pub fn finish(mut self) -> Result<(), Error> {
        let unknown = self.parameters.into_iter().map(|(name, _)| FieldError::new(name, "is not a parameter here"));
        self.errors.extend(unknown);
        if self.errors.is_empty() { Ok(()) } else { Err(Error::Fields(self.errors)) }
    }

    /// Notes that a parameter cannot be as it is, for what shows only beside others.
    pub fn refuse(&mut self, name: String, reason: impl Into<std::borrow::Cow<'static, str>>) {
        self.errors.push(FieldError::new(name, reason));
    }
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(&text.replace('+', " ")).decode_utf8().ok().map(Into::into)
}
