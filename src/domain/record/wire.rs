//! The whole record in answers: its fields in the order of the API.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use super::{NewRecord, Record, format_time, seconds};

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    Empty,
    /// Set by the sender.
    Text(&'a str),
    /// Set by the service.
    Word(&'static str),
    Integer(i64),
    /// Thousandths.
    Millis(i64),
    Bool(bool),
    Time(DateTime<Utc>),
}

impl Record {
    /// The names of the fields, in the order of [`Record::cells`].
    pub fn columns() -> impl Iterator<Item = &'static str> {
        let service = ["phase", "duration_seconds", "duration_missing", "start_id", "recorded_at", "updated_at"];
        ["id"].into_iter().chain(NewRecord::COLUMNS).chain(service)
    }

    pub fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        let service = [
            Cell::Word(self.fields.phase.name()),
            self.duration_ms().map_or(Cell::Empty, Cell::Millis),
            self.duration_missing().map_or(Cell::Empty, Cell::Word),
            self.start_id.map_or(Cell::Empty, Cell::Integer),
            Cell::Time(self.recorded_at),
            Cell::Time(self.updated_at),
        ];
        [Cell::Integer(self.id)].into_iter().chain(self.fields.cells()).chain(service)
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Record", 21)?;
        for (name, cell) in Self::columns().zip(self.cells()) {
            match cell {
                Cell::Empty => fields.skip_field(name)?,
                Cell::Text(text) | Cell::Word(text) => fields.serialize_field(name, text)?,
                Cell::Integer(number) => fields.serialize_field(name, &number)?,
                Cell::Millis(millis) => fields.serialize_field(name, &seconds(millis))?,
                Cell::Bool(value) => fields.serialize_field(name, &value)?,
                Cell::Time(time) => fields.serialize_field(name, &format_time(time))?,
            }
        }
        fields.end()
    }
}
