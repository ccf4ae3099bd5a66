//! What happened to a record, as its readers are told of it. No I/O.

use crate::{error::Cause, record::Record};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is new.
    Recorded,
    /// It was changed, by its sender or by a record beside it that gave it another start.
    Changed,
    /// It was removed.
    Deleted,
}

impl Kind {
    const ALL: [(Self, &str); 3] =
        [(Self::Recorded, "recorded"), (Self::Changed, "changed"), (Self::Deleted, "deleted")];

    /// The kind with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// Its name, as told and stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// Where an event lies in the one order of all; or how far a reader has come. As text it is an event's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Rises, with gaps.
    pub number: i64,
    /// Among those of the same number, from 1.
    pub place: i64,
}

impl Position {
    /// Behind everything of this number.
    #[must_use]
    pub fn behind(number: i64) -> Self {
        Self { number: number + 1, place: 0 }
    }

    /// Reads what [`Position::to_string`] wrote, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, place) = text.split_once('-')?;
        let position =
            Self { number: i64::from_str_radix(number, 16).ok()?, place: i64::from_str_radix(place, 16).ok()? };
        (position.to_string() == text).then_some(position)
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:x}-{:x}", self.number, self.place)
    }
}

/// One thing that happened to one record.
#[derive(Debug)]
pub struct Event {
    /// Its place in the order.
    pub position: Position,
    /// What happened.
    pub kind: Kind,
    /// The record after it; as it went, where it was removed.
    pub record: Record,
    /// The record before it, where it was changed.
    pub before: Option<Record>,
}

impl Event {
    /// Writes it as a server-sent event: the whole record, or the id of one that is gone.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Cause> {
        out.extend_from_slice(format!("event: {}\nid: {}\ndata: ", self.kind.name(), self.position).as_bytes());
        match self.kind {
            Kind::Recorded | Kind::Changed => serde_json::to_writer(&mut *out, &self.record)?,
            Kind::Deleted => out.extend_from_slice(format!("{{\"id\":{}}}", self.record.id).as_bytes()),
        }
        out.extend_from_slice(b"\n\n");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Position};

    #[test]
    fn a_position_is_read_as_it_was_written_and_nothing_else_is_one() {
        for position in [Position { number: 0, place: 1 }, Position::behind(254), Position { number: 17, place: 9999 }]
        {
            assert_eq!(Position::parse(&position.to_string()), Some(position));
        }
        for none in ["", "-", "1", "1-", "-1", "+1-1", "01-1", "1-1-1", "G-1", "A-1", " 1-1", "ffffffffffffffff-1"] {
            assert_eq!(Position::parse(none), None, "{none}");
        }
    }

    #[test]
    fn every_kind_is_found_by_its_name() {
        for (kind, name) in Kind::ALL {
            assert_eq!((Kind::named(name), kind.name()), (Some(kind), name));
        }
    }
}
