//! What happened to a record, as its readers are told of it. No I/O.

use std::ops::Range;

use hyper::body::Bytes;

use crate::{domain::filter::Filter, domain::record::Record, error::Cause};

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

/// A batch is not much longer.
const BATCH_BYTES: usize = 128 << 10;
/// Events in their order, as text of which each is a part.
#[derive(Debug)]
pub struct Batch {
    events: Vec<(Event, Range<usize>)>,
    text: Bytes,
}

impl Batch {
    /// Events in batches.
    pub fn all(events: Vec<Event>) -> Result<Vec<Self>, Cause> {
        let (mut batches, mut batch, mut text) = (Vec::new(), Vec::new(), Vec::new());
        for event in events {
            let start = text.len();
            event.write(&mut text)?;
            batch.push((event, start..text.len()));
            if text.len() >= BATCH_BYTES {
                batches.push(Self { events: std::mem::take(&mut batch), text: std::mem::take(&mut text).into() });
            }
        }
        if !batch.is_empty() {
            batches.push(Self { events: batch, text: text.into() });
        }
        Ok(batches)
    }

    /// The last event.
    pub fn last(&self) -> Option<Position> {
        self.events.last().map(|(event, _)| event.position)
    }

    /// The text of those behind a position which the filter lets pass, after the event or before it.
    pub fn text(&self, filter: &Filter, after: Position) -> Bytes {
        let passes = |event: &Event| {
            event.position > after
                && (filter.passes(&event.record) || event.before.as_ref().is_some_and(|before| filter.passes(before)))
        };
        // Mostly all or nothing.
        let mut parts: Vec<Range<usize>> = Vec::new();
        for (_, range) in self.events.iter().filter(|(event, _)| passes(event)) {
            match parts.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => parts.push(range.clone()),
            }
        }
        match parts.as_slice() {
            [one] => self.text.slice(one.clone()),
            parts => parts.iter().map(|part| &self.text[part.clone()]).collect::<Vec<_>>().concat().into(),
        }
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
