//! What PUT and PATCH make of a record that stands.

use chrono::{DateTime, Utc};

use super::{Draft, FieldError, Given, NewRecord, Phase, Record};

impl Record {
    /// What a PUT of `draft` leaves: all that the sender sets, with the own times that the draft does not name.
    pub fn replaced(&self, mut draft: Draft, now: DateTime<Utc>) -> Result<NewRecord, Vec<FieldError>> {
        // Here null is the same as left out.
        for time in [&mut draft.started_at, &mut draft.finished_at] {
            if *time == Given::Null {
                *time = Given::Absent;
            }
        }
        self.with_times(draft, now)
    }

    /// What a PATCH of `draft` leaves: the fields it gives changed, those it gives as null unset.
    pub fn patched(&self, mut draft: Draft, now: DateTime<Utc>) -> Result<NewRecord, Vec<FieldError>> {
        let fields = self.fields.clone();
        let keep = |given: &mut Given<String>, kept: Option<String>| {
            if let (Given::Absent, Some(kept)) = (&given, kept) {
                *given = Given::Value(kept);
            }
        };
        keep(&mut draft.component, Some(fields.component));
        keep(&mut draft.version, Some(fields.version));
        keep(&mut draft.owner, Some(fields.owner));
        keep(&mut draft.status, Some(fields.status));
        keep(&mut draft.environment, fields.environment);
        keep(&mut draft.run, fields.run);
        keep(&mut draft.stage, fields.stage);
        keep(&mut draft.url, fields.url);
        keep(&mut draft.commit, fields.commit);
        draft.committed_at = draft.committed_at.or(fields.committed_at).into();
        draft.unplanned = draft.unplanned.or(fields.unplanned).into();
        self.with_times(draft, now)
    }

    /// The times that a changed record has of its own: those named, else those it had. One that becomes a start
    /// drops its finish, and keeps its own start only where it had a clock. A moment that is left open here is stamped when the change is written.
    fn with_times(&self, mut draft: Draft, now: DateTime<Utc>) -> Result<NewRecord, Vec<FieldError>> {
        let phase = match &draft.status {
            Given::Value(status) => Phase::of_status(status),
            Given::Absent | Given::Null => Phase::Noted,
        };
        let (moment, unset) = match phase {
            Phase::Started => ("started_at", draft.started_at == Given::Null),
            phase if phase.stops() => ("finished_at", draft.finished_at == Given::Null),
            _ => ("", false),
        };
        if unset {
            draft.errors.push(FieldError::new(moment, "is the record's moment and cannot be unset"));
        }
        // A record that was noted or skipped starts now; its times meant nothing.
        let had_clock = self.fields.phase == Phase::Started || self.fields.phase.stops();
        draft.started_at =
            draft.started_at.or(self.own_start().filter(|_| had_clock || phase != Phase::Started)).into();
        if draft.finished_at == Given::Absent && phase != Phase::Started {
            draft.finished_at = self.fields.finished_at.into();
        }
        NewRecord::from_draft(draft, now)
    }
}

impl<T> From<Option<T>> for Given<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Value)
    }
}
