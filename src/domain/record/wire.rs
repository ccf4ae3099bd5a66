//! The whole record as answered: its fields in the order of the README's table.

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use super::{Record, format_time};

/// The names of the fields, in order.
pub const COLUMNS: [&str; 20] = [
    "id",
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
    "started_at",
    "finished_at",
    "phase",
    "duration_seconds",
    "duration_missing",
    "start_id",
    "recorded_at",
    "updated_at",
];

/// One field's value.
pub enum Cell<'a> {
    /// Not set.
    Empty,
    /// As somebody wrote it.
    Text(&'a str),
    /// As the service writes it.
    Word(Cow<'static, str>),
    /// An id.
    Integer(i64),
    /// Thousandths.
    Millis(i64),
    /// `true` or `false`.
    Bool(bool),
}

impl Record {
    /// The fields' values, in the order of [`COLUMNS`].
    #[must_use]
    pub fn cells(&self) -> [Cell<'_>; 20] {
        fn optional(text: Option<&String>) -> Cell<'_> {
            text.map_or(Cell::Empty, |text| Cell::Text(text))
        }
        let fields = &self.fields;
        let text = |text: &'static str| Cell::Word(text.into());
        let time = |time: Option<_>| time.map_or(Cell::Empty, |time| Cell::Word(format_time(time).into()));
        [
            Cell::Integer(self.id),
            Cell::Text(&fields.component),
            Cell::Text(&fields.version),
            Cell::Text(&fields.owner),
            Cell::Text(&fields.status),
            optional(fields.environment.as_ref()),
            optional(fields.run.as_ref()),
            optional(fields.stage.as_ref()),
            optional(fields.url.as_ref()),
            optional(fields.commit.as_ref()),
            time(fields.committed_at),
            fields.unplanned.map_or(Cell::Empty, Cell::Bool),
            time(fields.started_at),
            time(fields.finished_at),
            text(fields.phase.name()),
            self.duration_ms().map_or(Cell::Empty, Cell::Millis),
            self.duration_missing().map_or(Cell::Empty, text),
            self.start_id.map_or(Cell::Empty, Cell::Integer),
            time(Some(self.recorded_at)),
            time(Some(self.updated_at)),
        ]
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Record", COLUMNS.len())?;
        for (name, cell) in COLUMNS.into_iter().zip(self.cells()) {
            match cell {
                Cell::Empty => fields.skip_field(name)?,
                Cell::Text(text) => fields.serialize_field(name, text)?,
                Cell::Word(word) => fields.serialize_field(name, &word)?,
                Cell::Integer(number) => fields.serialize_field(name, &number)?,
                #[allow(clippy::cast_precision_loss, reason = "ten thousand years are 3.2e14 milliseconds")]
                Cell::Millis(millis) => fields.serialize_field(name, &(millis as f64 / 1000.0))?,
                Cell::Bool(value) => fields.serialize_field(name, &value)?,
            }
        }
        fields.end()
    }
}
