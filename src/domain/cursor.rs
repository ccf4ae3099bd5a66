//! Where the next page of a list begins, as text and back. No I/O.

use chrono::{DateTime, Datelike as _, Utc};

use crate::{
    domain::deploy::{Attempt, Current},
    domain::record::Record,
};

/// The last record of a page: the next page begins behind it, whatever arrives meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When the record was written.
    pub recorded_at: DateTime<Utc>,
    /// The record's id.
    pub id: i64,
}

impl Cursor {
    /// Behind this record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self { recorded_at: record.recorded_at, id: record.id }
    }

    /// Reads what [`Cursor::to_string`] wrote, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (micros, id) = text.split_once('-')?;
        let recorded_at = DateTime::from_timestamp_micros(i64::from_str_radix(micros, 16).ok()?)?;
        let cursor = Self { recorded_at, id: i64::from_str_radix(id, 16).ok()? };
        (cursor.to_string() == text).then_some(cursor)
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:x}-{:x}", self.recorded_at.timestamp_micros(), self.id)
    }
}

/// The last deploy of a page: the next page begins behind it, whatever arrives meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeployCursor {
    /// When the deploy finished, or else started.
    pub moment: DateTime<Utc>,
    /// The id of its record.
    pub id: i64,
}

impl DeployCursor {
    /// Behind this deploy; none without a moment.
    #[must_use]
    pub fn of(attempt: &Attempt) -> Option<Self> {
        Some(Self { moment: attempt.moment()?, id: attempt.record.id })
    }

    /// Reads what [`DeployCursor::to_string`] wrote, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (micros, id) = text.strip_prefix('d')?.split_once('-')?;
        let moment = DateTime::from_timestamp_micros(number_from_hex(micros)?)?;
        // The years that a record can have, and the database knows.
        (0..=9999).contains(&moment.year()).then_some(())?;
        let cursor = Self { moment, id: number_from_hex(id)? };
        (cursor.to_string() == text).then_some(cursor)
    }
}

/// Moments before 1970 are written as their two's complement.
fn number_from_hex(text: &str) -> Option<i64> {
    u64::from_str_radix(text, 16).ok().map(u64::cast_signed)
}

impl std::fmt::Display for DeployCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "d{:x}-{:x}", self.moment.timestamp_micros(), self.id)
    }
}

/// The last entry of a page, by its time: the next page begins behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryCursor(pub DateTime<Utc>);

impl HistoryCursor {
    /// Reads what [`HistoryCursor::to_string`] wrote, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let micros = i64::from_str_radix(text.strip_prefix('h')?, 16).ok()?;
        let cursor = Self(DateTime::from_timestamp_micros(micros)?);
        (cursor.to_string() == text).then_some(cursor)
    }
}

impl std::fmt::Display for HistoryCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "h{:x}", self.0.timestamp_micros())
    }
}

/// A component and an environment. As text it is a cursor: the next page begins behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What is deployed.
    pub component: String,
    /// Empty where it has none.
    pub environment: String,
}

impl Place {
    /// The place of this deploy.
    #[must_use]
    pub fn of(current: &Current) -> Self {
        let fields = &current.attempt.record.fields;
        Self { component: fields.component.clone(), environment: fields.environment.clone().unwrap_or_default() }
    }

    /// Reads what [`Place::to_string`] wrote, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (component, environment) = text.strip_prefix('c')?.split_once('-')?;
        let place = Self { component: text_from_hex(component)?, environment: text_from_hex(environment)? };
        (place.to_string() == text && !place.component.is_empty()).then_some(place)
    }
}

fn text_from_hex(text: &str) -> Option<String> {
    let pairs = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    // What no name holds the database could not read either.
    String::from_utf8(pairs.collect::<Option<_>>()?).ok().filter(|text| !text.contains(char::is_control))
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        write!(f, "c{}-{}", hex(&self.component), hex(&self.environment))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::{DeployCursor, HistoryCursor, Place};

    #[test]
    fn a_cursor_is_read_as_it_was_written_also_before_1970() {
        for micros in [0, 1, -1, -62_167_219_200_000_000, 253_402_300_799_999_999] {
            let moment = chrono::DateTime::from_timestamp_micros(micros).unwrap();
            let cursor = DeployCursor { moment, id: 7 };
            assert_eq!(DeployCursor::parse(&cursor.to_string()), Some(cursor));
        }
        // Before the calendar of PostgreSQL, and behind that of RFC 3339.
        for none in ["dff00000000000000-1", "d8d00000000000000-1", "d384440ccc736000-1", "d-1", "0-1", "d0-", "d00-1"] {
            assert_eq!(DeployCursor::parse(none), None, "{none}");
        }
    }

    #[test]
    fn a_history_cursor_is_read_as_it_was_written_and_nothing_else_is_one() {
        for micros in [1, 1_790_000_000_123_456] {
            let cursor = HistoryCursor(DateTime::from_timestamp_micros(micros).unwrap());
            assert_eq!(HistoryCursor::parse(&cursor.to_string()), Some(cursor));
        }
        for none in ["", "h", "1", "h-", "h+1", "h01", "hG", "hA", "h1-1", "hffffffffffffffff", "h7fffffffffffffff"] {
            assert_eq!(HistoryCursor::parse(none), None, "{none}");
        }
    }

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is_one() {
        for (component, environment) in [("web", ""), ("a-b é", "prod/eu-1")] {
            let place = Place { component: component.into(), environment: environment.into() };
            assert_eq!(Place::parse(&place.to_string()), Some(place));
        }
        for none in ["", "c", "c-", "c-61", "d61-", "c6-", "c61", "c6G-", "c61-6", "cC3A9-", "c00-", "cff-", "c+1-"] {
            assert_eq!(Place::parse(none), None, "{none}");
        }
    }
}
