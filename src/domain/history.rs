//! Earlier versions of records.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use crate::domain::event::Kind;
use crate::domain::record::{Record, format_time};

/// A change of a record, or its deletion.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// By the clock of the database.
    pub at: DateTime<Utc>,
    /// The name of the token that was used.
    pub by: Option<String>,
    pub change: Kind,
    /// The record before the change.
    pub was: Record,
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Entry", 4)?;
        fields.serialize_field("at", &format_time(self.at))?;
        match &self.by {
            Some(by) => fields.serialize_field("by", by)?,
            None => fields.skip_field("by")?,
        }
        fields.serialize_field("change", self.change.name())?;
        fields.serialize_field("was", &self.was)?;
        fields.end()
    }
}
