//! The query string. A parameter that is unknown, repeated or invalid is an error that names it.

use std::{borrow::Cow, collections::HashSet};

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;

use crate::domain::filter::Filter;
use crate::domain::record::{FieldError, Phase, is_blank, parse_time, text};
use crate::error::Error;

/// Parameters not taken yet, and the errors found so far.
pub struct Query {
    parameters: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl Query {
    /// Splits and decodes the part of a target after `?`.
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

    /// Takes a parameter and converts its value. The error of `convert` continues a sentence that begins with the name.
    pub fn take<T>(&mut self, name: &'static str, convert: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let index = self.parameters.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.parameters.swap_remove(index);
        let result = if is_blank(&value) { Err("is empty".to_owned()) } else { convert(&value) };
        result.map_err(|reason| self.refuse(name.to_owned(), reason)).ok()
    }

    pub fn text(&mut self, name: &'static str, max_characters: usize) -> Option<String> {
        self.take(name, |value| text(value, max_characters).map(str::to_owned).map_err(Into::into))
    }

    pub fn time(&mut self, name: &'static str) -> Option<DateTime<Utc>> {
        self.take(name, |value| {
            let rule = "must be an RFC 3339 time such as 2026-11-24T07:30:00Z (write + as %2B)";
            parse_time(value).ok_or_else(|| rule.to_owned())
        })
    }

    /// Takes the fields of a record, `since` and `until`.
    pub fn filter(&mut self) -> Filter {
        Filter {
            component: self.text("component", 200),
            version: self.text("version", 200),
            owner: self.text("owner", 200),
            status: self.text("status", 200),
            phase: self.take("phase", |name| {
                let rule = "must be started, succeeded, failed, aborted, finished, skipped or noted";
                Phase::named(name).ok_or_else(|| rule.to_owned())
            }),
            environment: self.text("environment", 200),
            run: self.text("run", 1_000),
            stage: self.text("stage", 1_000),
            since: self.time("since"),
            until: self.time("until"),
        }
    }

    /// Fails if a parameter was invalid or is left.
    pub fn finish(&mut self) -> Result<(), Error> {
        let unknown =
            self.parameters.drain(..).map(|(name, _)| FieldError::new(name, "is not a parameter of this call"));
        self.errors.extend(unknown);
        if self.errors.is_empty() { Ok(()) } else { Err(Error::Fields(std::mem::take(&mut self.errors))) }
    }

    /// Adds an error.
    pub fn refuse(&mut self, name: String, reason: impl Into<Cow<'static, str>>) {
        self.errors.push(FieldError::new(name, reason));
    }
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(&text.replace('+', " ")).decode_utf8().ok().map(Into::into)
}
