//! The fields that a sender sets, validated as a whole.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use super::{Cell, Draft, FieldError, Given, Phase, Record, seconds};

/// The sender's fields and the phase derived from them. A moment that was left out is stamped when the record is
/// written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    pub component: String,
    pub version: String,
    pub owner: String,
    pub status: String,
    pub phase: Phase,
    pub environment: Option<String>,
    pub run: Option<String>,
    pub stage: Option<String>,
    pub url: Option<String>,
    pub commit: Option<String>,
    pub committed_at: Option<DateTime<Utc>>,
    pub unplanned: Option<bool>,
    /// `waited_seconds`. Only if the record stops the clock.
    pub waited_ms: Option<i64>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl NewRecord {
    /// The names of the fields, in the order of [`NewRecord::cells`].
    pub const COLUMNS: [&str; 14] = [
        "component",
        "version",
        "owner",
        "status",
        "environment",
        "run",
        "stage",
        "url",
        "commit",
        "committed_at",
        "unplanned",
        "waited_seconds",
        "started_at",
        "finished_at",
    ];

    /// The fields with texts of any size.
    pub const TEXTS: &'static [&'static str] = Self::COLUMNS.split_at(9).0;

    pub fn cells(&self) -> [Cell<'_>; 14] {
        fn optional(text: Option<&String>) -> Cell<'_> {
            text.map_or(Cell::Empty, |text| Cell::Text(text))
        }
        let time = |time: Option<_>| time.map_or(Cell::Empty, Cell::Time);
        [
            Cell::Text(&self.component),
            Cell::Text(&self.version),
            Cell::Text(&self.owner),
            Cell::Text(&self.status),
            optional(self.environment.as_ref()),
            optional(self.run.as_ref()),
            optional(self.stage.as_ref()),
            optional(self.url.as_ref()),
            optional(self.commit.as_ref()),
            time(self.committed_at),
            self.unplanned.map_or(Cell::Empty, Cell::Bool),
            self.waited_ms.map_or(Cell::Empty, Cell::Millis),
            time(self.started_at),
            time(self.finished_at),
        ]
    }

    /// Checks a draft as a whole. Fails with all errors.
    pub fn from_draft(draft: Draft, now: DateTime<Utc>) -> Result<Self, Vec<FieldError>> {
        Self::overlay(None, draft, now)
    }

    /// Checks a draft together with the fields of `base` that it does not name. Times are those of the draft alone.
    pub(super) fn overlay(base: Option<&Self>, draft: Draft, now: DateTime<Utc>) -> Result<Self, Vec<FieldError>> {
        let mut errors = draft.errors;
        let text = |given: Given<String>, field: fn(&Self) -> Option<&String>| given.or(base.and_then(field).cloned());
        let mut required = |name: &'static str, given, field: fn(&Self) -> Option<&String>| {
            let value = text(given, field);
            if value.is_none() && !errors.iter().any(|error| error.field == name) {
                errors.push(FieldError::new(name, "is missing"));
            }
            value.unwrap_or_default()
        };
        let component = required("component", draft.component, |base| Some(&base.component));
        let version = required("version", draft.version, |base| Some(&base.version));
        let owner = required("owner", draft.owner, |base| Some(&base.owner));
        let status = required("status", draft.status, |base| Some(&base.status));
        let phase = Phase::of_status(&status);
        let is_waited_given = matches!(draft.waited_ms, Given::Value(_));
        if is_waited_given && !phase.stops() && !status.is_empty() {
            errors.push(FieldError::new("waited_seconds", "can only be combined with a status that stops the clock"));
        }
        let waited_ms = draft.waited_ms.or(base.and_then(|base| base.waited_ms));
        let record = Self {
            component,
            version,
            owner,
            phase,
            status,
            environment: text(draft.environment, |base| base.environment.as_ref()),
            run: text(draft.run, |base| base.run.as_ref()),
            stage: text(draft.stage, |base| base.stage.as_ref()),
            url: text(draft.url, |base| base.url.as_ref()),
            commit: text(draft.commit, |base| base.commit.as_ref()),
            committed_at: draft.committed_at.or(base.and_then(|base| base.committed_at)),
            unplanned: draft.unplanned.or(base.and_then(|base| base.unplanned)),
            waited_ms: waited_ms.filter(|_| phase.stops()),
            started_at: draft.started_at.value(),
            finished_at: draft.finished_at.value(),
        };
        record.check_times(now, &mut errors);
        if errors.is_empty() { Ok(record) } else { Err(errors) }
    }

    fn check_times(&self, now: DateTime<Utc>, errors: &mut Vec<FieldError>) {
        if self.phase == Phase::Started && self.finished_at.is_some() {
            errors.push(FieldError::new("finished_at", "cannot be combined with a status that starts the clock"));
        }
        let (field, moment) = match self.phase {
            Phase::Started => ("started_at", self.started_at),
            phase if phase.stops() => ("finished_at", self.finished_at),
            _ => return,
        };
        if moment.is_some_and(|moment| moment > now + TimeDelta::days(1)) {
            errors.push(FieldError::new(field, "is more than a day in the future"));
        }
    }

    pub fn waited_seconds(&self) -> Option<f64> {
        self.waited_ms.map(seconds)
    }

    /// Identifies what was sent, after parsing. It is stored with an idempotency key: its input must not change.
    pub fn content_digest(&self) -> [u8; 16] {
        let [
            component,
            version,
            owner,
            status,
            environment,
            run,
            stage,
            url,
            commit,
            committed,
            unplanned,
            _,
            start,
            finish,
        ] = self.cells();
        let texts = [component, version, owner, status, environment, run, stage, url, commit];
        let mut digest = Sha256::new();
        let mut add = |value: Option<&[u8]>| {
            digest.update([u8::from(value.is_some())]);
            let value = value.unwrap_or_default();
            digest.update(value.len().to_be_bytes());
            digest.update(value);
        };
        for cell in texts.into_iter().chain([committed, start, finish, unplanned]) {
            match cell {
                Cell::Text(text) => add(Some(text.as_bytes())),
                Cell::Time(time) => add(Some(&time.timestamp_micros().to_be_bytes())),
                Cell::Bool(value) => add(Some(&[u8::from(value)])),
                _ => add(None),
            }
        }
        // Nothing without the field, which older digests do not contain.
        if let Some(waited) = self.waited_ms {
            add(Some(&waited.to_be_bytes()));
        }
        short(digest)
    }

    /// Identifies the deploy: component, environment, run and stage, and without a run also the version. No name
    /// contains a control character, so the separator is unambiguous. The schema's `deploy_of` computes the same.
    pub fn deploy_digest(&self) -> [u8; 16] {
        let version = if self.run.is_none() { Some(&self.version) } else { None };
        let parts = [Some(&self.component), self.environment.as_ref(), self.run.as_ref(), self.stage.as_ref(), version];
        let mut digest = Sha256::new();
        for (index, part) in parts.into_iter().enumerate() {
            if index > 0 {
                digest.update([0x1f]);
            }
            digest.update(part.map(String::as_bytes).unwrap_or_default());
        }
        short(digest)
    }

    /// The names of the fields that differ.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let cells = Self::COLUMNS.into_iter().zip(self.cells().into_iter().zip(other.cells()));
        cells.filter(|(_, (one, other))| one != other).map(|(name, _)| name).collect()
    }
}

impl Record {
    /// The names of the fields in which a delivery differs from this record. A stamped moment does not differ from none.
    pub fn differences(&self, sent: &NewRecord) -> Vec<&'static str> {
        let unless_stamped = |own: Option<DateTime<Utc>>, sent: Option<DateTime<Utc>>| {
            own.filter(|own| sent.is_some() || *own != self.recorded_at)
        };
        sent.differences(&NewRecord {
            started_at: unless_stamped(self.own_start(), sent.started_at),
            finished_at: unless_stamped(self.fields.finished_at, sent.finished_at),
            ..self.fields.clone()
        })
    }
}

fn short(digest: Sha256) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&digest.finalize()[..16]);
    short
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::{Draft, NewRecord};
    use crate::domain::record::Origin;

    #[test]
    fn the_content_digest_is_the_one_that_is_stored() {
        let plain = r#"{"component":"web","version":"1.2","owner":"ana","status":"deployed"}"#;
        let full = r#"{"component":"web","version":"1.2","owner":"ana","status":"deployed","environment":"production",
            "stage":"Build","commit":"abc123","committed_at":"2026-09-21T14:13:20Z","unplanned":true,
            "finished_at":"1969-12-31T23:59:59.999999Z"}"#;
        for (json, digest) in [(plain, "3c6546b12c7724aac5cef9dcf8b3a493"), (full, "250783a664c97c1a65bf48d6f8e9c763")]
        {
            let draft = Draft::parse(json.as_bytes(), Origin::Post).unwrap();
            let record = NewRecord::from_draft(draft, DateTime::UNIX_EPOCH).unwrap();
            assert_eq!(record.content_digest().map(|byte| format!("{byte:02x}")).concat(), digest);
        }
    }
}
