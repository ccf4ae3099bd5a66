//! One JSON object as sent. Each field is checked on its own, and all errors are collected.

use std::{borrow::Cow, fmt};

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Serialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor},
};

use super::scalar::Scalar;
use super::seconds::{WAITED_RULE, is_waited, millis};
use super::text::{is_blank, text, url};
use super::time;

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The line of an NDJSON body, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Empty if the line is not a JSON object.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub field: Cow<'static, str>,
    /// Continues a sentence that begins with the name: `is missing`.
    pub reason: Cow<'static, str>,
}

impl FieldError {
    pub fn new(field: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { line: None, field: field.into(), reason: reason.into() }
    }

    pub fn in_line(self, line: usize) -> Self {
        Self { line: Some(line), ..self }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { line, field, reason } = self;
        match line {
            None => write!(f, "{field} {reason}"),
            Some(line) if field.is_empty() => write!(f, "line {line} {reason}"),
            Some(line) => write!(f, "line {line}: {field} {reason}"),
        }
    }
}

/// A field in a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Given<T> {
    #[default]
    Absent,
    /// `null`, or a text without a visible character.
    Null,
    Value(T),
}

impl<T> Given<T> {
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// The value, or `default` if the field is absent.
    pub fn or(self, default: Option<T>) -> Option<T> {
        if matches!(self, Self::Absent) { default } else { self.value() }
    }
}

/// At most this many errors are reported per object.
const MAX_ERRORS: usize = 100;

/// The call that an object belongs to. Fields that only the service sets are errors in `Post` and `Patch`. They are
/// ignored in `Put` and `Line`, so that clients can send records back as they read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Post,
    Patch,
    Put,
    /// A line of an NDJSON body.
    Line,
}

/// The fields of one object. A field with an error is absent.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub component: Given<String>,
    pub version: Given<String>,
    pub owner: Given<String>,
    pub status: Given<String>,
    pub environment: Given<String>,
    pub run: Given<String>,
    pub stage: Given<String>,
    pub url: Given<String>,
    pub commit: Given<String>,
    pub committed_at: Given<DateTime<Utc>>,
    pub unplanned: Given<bool>,
    pub waited_ms: Given<i64>,
    pub started_at: Given<DateTime<Utc>>,
    pub finished_at: Given<DateTime<Utc>>,
    pub idempotency_key: Option<String>,
    pub errors: Vec<FieldError>,
}

impl Draft {
    /// Fails only if the bytes are not a JSON object. The error continues a sentence that begins with `the body` and
    /// names the byte, counted from 1.
    pub fn parse(json: &[u8], origin: Origin) -> Result<Self, String> {
        let text =
            std::str::from_utf8(json).map_err(|error| format!("is not UTF-8 at byte {}", error.valid_up_to() + 1))?;
        let mut draft = Self::default();
        let mut reader = serde_json::Deserializer::from_str(text);
        Reader { draft: &mut draft, origin, has_start_id: false }
            .deserialize(&mut reader)
            .and_then(|()| reader.end())
            .map_err(|error| json_error(text, &error))?;
        Ok(draft)
    }
}

/// Converts the position to a byte of the text: `serde_json` counts lines, and bytes in the line.
fn json_error(text: &str, error: &serde_json::Error) -> String {
    if text.trim().is_empty() {
        return "is empty: expected JSON at byte 1".to_owned();
    }
    if error.is_data() {
        return "is not a JSON object".to_owned();
    }
    let line_start: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let message = error.to_string();
    let reason = message.split(" at line ").next().unwrap_or_default();
    format!("is not JSON: {reason} at byte {}", line_start + error.column())
}

/// Borrowed unless it contains an escape.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct Reader<'a> {
    draft: &'a mut Draft,
    origin: Origin,
    has_start_id: bool,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Vec::with_capacity(8);
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, Scalar<'de>>()? {
            if seen.contains(&name) {
                self.refuse(&name, "is given twice");
            } else {
                self.field(&name, value);
                seen.push(name);
            }
            if self.draft.errors.len() >= MAX_ERRORS {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            }
        }
        if self.has_start_id {
            self.draft.started_at = Given::Absent;
        }
        Ok(())
    }
}

impl Reader<'_> {
    fn refuse(&mut self, field: &str, reason: impl Into<Cow<'static, str>>) {
        // The sender's name of the field, as long as it helps to find it.
        self.draft.errors.push(FieldError::new(field.chars().take(100).collect::<String>(), reason));
    }

    fn field(&mut self, name: &str, value: Scalar) {
        match name {
            "component" => self.draft.component = self.text(name, value, 200),
            "version" => self.draft.version = self.text(name, value, 200),
            "owner" => self.draft.owner = self.text(name, value, 200),
            "status" => self.draft.status = self.text(name, value, 200),
            "environment" => self.draft.environment = self.text(name, value, 200),
            "run" => self.draft.run = self.text(name, value, 1_000),
            "stage" => self.draft.stage = self.text(name, value, 1_000),
            "commit" => self.draft.commit = self.text(name, value, 64),
            "url" => self.draft.url = self.read(name, value, "a string", |value| url(value).map(str::to_owned)),
            "committed_at" => self.draft.committed_at = self.time(name, value),
            "started_at" => self.draft.started_at = self.time(name, value),
            "finished_at" => self.draft.finished_at = self.time(name, value),
            "unplanned" => match value {
                Scalar::Null => self.draft.unplanned = Given::Null,
                Scalar::Bool(unplanned) => self.draft.unplanned = Given::Value(unplanned),
                _ => self.refuse(name, "must be true or false"),
            },
            "waited_seconds" => match value {
                Scalar::Null => self.draft.waited_ms = Given::Null,
                Scalar::Number(seconds) if is_waited(seconds) => self.draft.waited_ms = Given::Value(millis(seconds)),
                _ => self.refuse(name, WAITED_RULE),
            },
            "idempotency_key" if self.origin == Origin::Line => match value {
                Scalar::Null => {}
                Scalar::Text(text) => match idempotency_key(&text) {
                    Some(key) => self.draft.idempotency_key = Some(key.to_owned()),
                    None => self.refuse(name, KEY_RULE),
                },
                _ => self.refuse(name, "must be a string"),
            },
            "id" | "phase" | "duration_seconds" | "duration_missing" | "start_id" | "recorded_at" | "updated_at" => {
                if matches!(self.origin, Origin::Post | Origin::Patch) {
                    self.refuse(name, "is set by the service");
                }
                self.has_start_id |= name == "start_id" && !matches!(value, Scalar::Null);
            }
            _ => self.refuse(name, "is not a field of a record"),
        }
    }

    fn read<T>(
        &mut self,
        name: &str,
        value: Scalar,
        kind: &str,
        parse: impl FnOnce(&str) -> Result<T, Cow<'static, str>>,
    ) -> Given<T> {
        let result = match value {
            Scalar::Null => return Given::Null,
            Scalar::Text(text) if is_blank(&text) => return Given::Null,
            Scalar::Text(text) => parse(&text),
            _ => Err(format!("must be {kind}").into()),
        };
        match result {
            Ok(value) => Given::Value(value),
            Err(reason) => {
                self.refuse(name, reason);
                Given::Absent
            }
        }
    }

    fn text(&mut self, name: &str, value: Scalar, limit: usize) -> Given<String> {
        self.read(name, value, "a string", |value| text(value, limit).map(str::to_owned))
    }

    fn time(&mut self, name: &str, value: Scalar) -> Given<DateTime<Utc>> {
        const RULE: &str = "must be an RFC 3339 time such as 2026-11-24T07:30:00Z";
        self.read(name, value, "an RFC 3339 time", |value| time::parse(value).ok_or_else(|| RULE.into()))
    }
}

pub const KEY_RULE: &str = "must be 1 to 200 visible ASCII characters";

/// A valid key without the quotes around it.
pub fn idempotency_key(key: &str) -> Option<&str> {
    let bare = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key);
    ((1..=200).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_graphic())).then_some(bare)
}
