//! Applies PUT and PATCH to a record.

use chrono::{DateTime, Utc};

use super::{Draft, FieldError, Given, NewRecord, Phase, Record};

impl Record {
    /// The record after a PUT: the draft, with the own times that it does not name.
    pub fn replaced(&self, mut draft: Draft, now: DateTime<Utc>) -> Result<NewRecord, Vec<FieldError>> {
        // In a PUT, null is the same as left out.
        for time in [&mut draft.started_at, &mut draft.finished_at] {
            if *time == Given::Null {
                *time = Given::Absent;
            }
        }
        self.with_own_times(None, draft, now)
    }

    /// The record after a PATCH: its fields, overlaid with those of the draft. Null unsets a field.
    pub fn patched(&self, draft: Draft, now: DateTime<Utc>) -> Result<NewRecord, Vec<FieldError>> {
        self.with_own_times(Some(&self.fields), draft, now)
    }

    /// Adds the record's own times that the draft does not name. A record that becomes a start drops its finish; its own
    /// start stays only if it started or stopped a clock. A missing moment is stamped when the change is written.
    fn with_own_times(
        &self,
        base: Option<&NewRecord>,
        mut draft: Draft,
        now: DateTime<Utc>,
    ) -> Result<NewRecord, Vec<FieldError>> {
        let status = draft.status.clone().or(base.map(|base| base.status.clone()));
        let phase = status.map_or(Phase::Noted, |status| Phase::of_status(&status));
        let (moment, is_unset) = match phase {
            Phase::Started => ("started_at", draft.started_at == Given::Null),
            phase if phase.stops() => ("finished_at", draft.finished_at == Given::Null),
            _ => ("", false),
        };
        if is_unset {
            draft.errors.push(FieldError::new(moment, "is the moment of the record and cannot be unset"));
        }
        let keeps_start = self.fields.phase.is_clock() || phase != Phase::Started;
        draft.started_at = draft.started_at.or(self.own_start().filter(|_| keeps_start)).into();
        if draft.finished_at == Given::Absent && phase != Phase::Started {
            draft.finished_at = self.fields.finished_at.into();
        }
        NewRecord::overlay(base, draft, now)
    }
}

impl<T> From<Option<T>> for Given<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Value)
    }
}
