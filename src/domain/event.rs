//! Events: the changes of records, in one order for all subscribers.

use std::ops::Range;

use bytes::Bytes;

use super::filter::Filter;
use super::named_enum::named_enum;
use super::record::Record;

named_enum! {
    pub enum Kind {
        Recorded = "recorded",
        /// By a request, or because a neighbouring record changed its start.
        Changed = "changed",
        Deleted = "deleted",
    }
}

/// A position in the order of all events. As a text it is the id of a server-sent event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The number of a write. Numbers rise and have gaps.
    pub number: i64,
    /// The index among the records of the write, from 1.
    pub index: i64,
}

impl Position {
    /// The position after all events of a number.
    pub fn after(number: i64) -> Self {
        Self { number: number + 1, index: 0 }
    }

    /// Reads what `Display` wrote, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, index) = text.split_once('-')?;
        let position =
            Self { number: i64::from_str_radix(number, 16).ok()?, index: i64::from_str_radix(index, 16).ok()? };
        (position.to_string() == text).then_some(position)
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:x}-{:x}", self.number, self.index)
    }
}

#[derive(Debug)]
pub struct Event {
    pub position: Position,
    pub kind: Kind,
    /// The record after the event, or before its deletion.
    pub record: Record,
    /// The record before a change.
    pub before: Option<Record>,
}

impl Event {
    /// Writes a server-sent event with the whole record, or the id of a deleted one.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        out.extend_from_slice(format!("event: {}\nid: {}\ndata: ", self.kind.name(), self.position).as_bytes());
        match self.kind {
            Kind::Recorded | Kind::Changed => serde_json::to_writer(&mut *out, &self.record)?,
            Kind::Deleted => out.extend_from_slice(format!("{{\"id\":{}}}", self.record.id).as_bytes()),
        }
        out.extend_from_slice(b"\n\n");
        Ok(())
    }
}

/// A batch ends with the event that reaches this size.
const BATCH_BYTES: usize = 128 << 10;

/// Events in order, and their text.
#[derive(Debug)]
pub struct Batch {
    events: Vec<(Event, Range<usize>)>,
    text: Bytes,
}

impl Batch {
    pub fn split(events: Vec<Event>) -> Result<Vec<Self>, serde_json::Error> {
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

    pub fn last(&self) -> Option<Position> {
        self.events.last().map(|(event, _)| event.position)
    }

    /// The text of the events after a position whose record matches the filter, before or after the event.
    pub fn text(&self, filter: &Filter, after: Position) -> Bytes {
        let is_wanted = |event: &Event| {
            event.position > after
                && (filter.matches(&event.record) || event.before.as_ref().is_some_and(|before| filter.matches(before)))
        };
        // Mostly one part: filters match all events or none.
        let mut parts: Vec<Range<usize>> = Vec::new();
        for (_, range) in self.events.iter().filter(|(event, _)| is_wanted(event)) {
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
    use super::Position;

    #[test]
    fn a_position_is_read_only_as_it_was_written() {
        for position in [Position { number: 0, index: 1 }, Position::after(254), Position { number: 17, index: 9999 }] {
            assert_eq!(Position::parse(&position.to_string()), Some(position));
        }
        for none in ["", "-", "1", "1-", "-1", "+1-1", "01-1", "1-1-1", "G-1", "A-1", " 1-1", "ffffffffffffffff-1"] {
            assert_eq!(Position::parse(none), None, "{none}");
        }
    }
}
