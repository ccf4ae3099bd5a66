//! What a sender says: valid once it is a [`NewRecord`].

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use super::{Draft, FieldError, Given, Phase, Record};

/// What the sender sets of a record, and the phase that follows from it. A moment that was left out is stamped when
/// the record is written.
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
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl NewRecord {
    /// Checks a draft as a whole, by the clock `now`. Fails with all that is wrong.
    pub fn from_draft(draft: Draft, now: DateTime<Utc>) -> Result<Self, Vec<FieldError>> {
        let mut errors = draft.errors;
        let mut required = |field: &'static str, value: Given<String>| {
            let value = value.value();
            if value.is_none() && !errors.iter().any(|error| error.field == field) {
                errors.push(FieldError::new(field, "is missing"));
            }
            value.unwrap_or_default()
        };
        let component = required("component", draft.component);
        let version = required("version", draft.version);
        let owner = required("owner", draft.owner);
        let status = required("status", draft.status);
        let record = Self {
            component,
            version,
            owner,
            phase: Phase::of_status(&status),
            status,
            environment: draft.environment.value(),
            run: draft.run.value(),
            stage: draft.stage.value(),
            url: draft.url.value(),
            commit: draft.commit.value(),
            committed_at: draft.committed_at.value(),
            unplanned: draft.unplanned.value(),
            started_at: draft.started_at.value(),
            finished_at: draft.finished_at.value(),
        };
        record.check_times(now, &mut errors);
        if errors.is_empty() { Ok(record) } else { Err(errors) }
    }

    /// A start has no finish yet, and no moment lies more than a day ahead.
    pub(super) fn check_times(&self, now: DateTime<Utc>, errors: &mut Vec<FieldError>) {
        if self.phase == Phase::Started && self.finished_at.is_some() {
            errors.push(FieldError::new("finished_at", "does not go with a status that starts the clock"));
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

    /// Tells one content from another: what was sent, after parsing.
    #[must_use]
    pub fn content_digest(&self) -> [u8; 16] {
        let mut digest = Sha256::new();
        let mut add = |value: Option<&[u8]>| {
            digest.update([u8::from(value.is_some())]);
            let value = value.unwrap_or_default();
            digest.update(value.len().to_be_bytes());
            digest.update(value);
        };
        for text in [&self.component, &self.version, &self.owner, &self.status] {
            add(Some(text.as_bytes()));
        }
        for text in [&self.environment, &self.run, &self.stage, &self.url, &self.commit] {
            add(text.as_ref().map(String::as_bytes));
        }
        for time in [self.committed_at, self.started_at, self.finished_at] {
            add(time.map(|time| time.timestamp_micros().to_be_bytes()).as_ref().map(<[u8; 8]>::as_slice));
        }
        add(self.unplanned.map(|unplanned| [u8::from(unplanned)]).as_ref().map(<[u8; 1]>::as_slice));
        short(digest)
    }

    /// Which deploy it speaks of: of component, environment, run and stage, and where there is no run of the version
    /// too. No name holds a control character, so the separator is unambiguous. The schema's `deploy_of` is the same.
    #[must_use]
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

    /// The fields in which two contents differ.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        [
            ("component", self.component != other.component),
            ("version", self.version != other.version),
            ("owner", self.owner != other.owner),
            ("status", self.status != other.status),
            ("environment", self.environment != other.environment),
            ("run", self.run != other.run),
            ("stage", self.stage != other.stage),
            ("url", self.url != other.url),
            ("commit", self.commit != other.commit),
            ("committed_at", self.committed_at != other.committed_at),
            ("unplanned", self.unplanned != other.unplanned),
            ("started_at", self.started_at != other.started_at),
            ("finished_at", self.finished_at != other.finished_at),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }
}

impl Record {
    /// The fields in which a delivery differs from this record as it is. A moment that was stamped differs from none.
    #[must_use]
    pub fn differences(&self, sent: &NewRecord) -> Vec<&'static str> {
        let unless_stamped = |stands: Option<DateTime<Utc>>, sent: Option<DateTime<Utc>>| {
            stands.filter(|stands| sent.is_some() || *stands != self.recorded_at)
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
