//! Cursors: positions in lists, as opaque texts. A page begins after its cursor, whatever is recorded meanwhile.

use std::fmt::{self, Display, Formatter};

use chrono::{DateTime, Datelike as _, Utc};

/// A position that is written with `Display`.
pub trait Cursor: Display + Sized {
    /// Reads a text without checking that it has the only form in which `Display` writes the position.
    fn read(text: &str) -> Option<Self>;

    /// Reads what `Display` wrote, and nothing else.
    fn parse(text: &str) -> Option<Self> {
        Self::read(text).filter(|cursor| cursor.to_string() == text)
    }
}

/// A position in the list of records, which is ordered by time and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordCursor {
    pub recorded_at: DateTime<Utc>,
    pub id: i64,
}

impl Cursor for RecordCursor {
    fn read(text: &str) -> Option<Self> {
        let (recorded_at, id) = text.split_once('-')?;
        Some(Self { recorded_at: time_from_hex(recorded_at)?, id: number_from_hex(id)? })
    }
}

impl Display for RecordCursor {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.recorded_at.timestamp_micros(), self.id)
    }
}

/// A position in the list of deploys, which is ordered by moment and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeployCursor {
    pub moment: DateTime<Utc>,
    pub id: i64,
}

impl Cursor for DeployCursor {
    fn read(text: &str) -> Option<Self> {
        let (moment, id) = text.strip_prefix('d')?.split_once('-')?;
        Some(Self { moment: time_from_hex(moment)?, id: number_from_hex(id)? })
    }
}

impl Display for DeployCursor {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "d{:x}-{:x}", self.moment.timestamp_micros(), self.id)
    }
}

/// A position in a record's history, which is ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryCursor(pub DateTime<Utc>);

impl Cursor for HistoryCursor {
    fn read(text: &str) -> Option<Self> {
        time_from_hex(text.strip_prefix('h')?).map(Self)
    }
}

impl Display for HistoryCursor {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "h{:x}", self.0.timestamp_micros())
    }
}

/// A position in the list of current versions, which is ordered by component and environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentCursor {
    pub component: String,
    /// Empty without an environment.
    pub environment: String,
}

impl Cursor for CurrentCursor {
    fn read(text: &str) -> Option<Self> {
        let (component, environment) = text.strip_prefix('c')?.split_once('-')?;
        let cursor = Self { component: text_from_hex(component)?, environment: text_from_hex(environment)? };
        (!cursor.component.is_empty()).then_some(cursor)
    }
}

impl Display for CurrentCursor {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "c{}-{}", hex(&self.component), hex(&self.environment))
    }
}

/// A position in a report, which is ordered by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameCursor(pub String);

impl Cursor for NameCursor {
    fn read(text: &str) -> Option<Self> {
        text_from_hex(text).map(Self)
    }
}

impl Display for NameCursor {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// Negative numbers are written as their two's complement: times before 1970.
fn number_from_hex(text: &str) -> Option<i64> {
    u64::from_str_radix(text, 16).ok().map(u64::cast_signed)
}

/// Microseconds since 1970, within the years that RFC 3339 and PostgreSQL can write.
fn time_from_hex(text: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(number_from_hex(text)?).filter(|time| (0..=9999).contains(&time.year()))
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn text_from_hex(text: &str) -> Option<String> {
    let bytes = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    // No name contains a control character, and PostgreSQL cannot read a NUL.
    String::from_utf8(bytes.collect::<Option<_>>()?).ok().filter(|text| !text.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::{CurrentCursor, Cursor, DeployCursor, HistoryCursor, NameCursor, RecordCursor};

    #[test]
    fn a_cursor_is_read_as_it_was_written_also_before_1970() {
        for micros in [0, 1, -1, -62_167_219_200_000_000, 253_402_300_799_999_999] {
            let moment = DateTime::from_timestamp_micros(micros).unwrap();
            let cursor = DeployCursor { moment, id: 7 };
            assert_eq!(DeployCursor::parse(&cursor.to_string()), Some(cursor));
            let cursor = RecordCursor { recorded_at: moment, id: 7 };
            assert_eq!(RecordCursor::parse(&cursor.to_string()), Some(cursor));
        }
        // Times that PostgreSQL or RFC 3339 cannot write, and other forms of a time.
        for none in ["dff00000000000000-1", "d8d00000000000000-1", "d384440ccc736000-1", "d-1", "0-1", "d0-", "d00-1"] {
            assert_eq!(DeployCursor::parse(none), None, "{none}");
        }
    }

    #[test]
    fn a_history_cursor_is_read_only_as_it_was_written() {
        for micros in [1, 1_790_000_000_123_456] {
            let cursor = HistoryCursor(DateTime::from_timestamp_micros(micros).unwrap());
            assert_eq!(HistoryCursor::parse(&cursor.to_string()), Some(cursor));
        }
        for none in ["", "h", "1", "h-", "h+1", "h01", "hG", "hA", "h1-1", "h7fffffffffffffff"] {
            assert_eq!(HistoryCursor::parse(none), None, "{none}");
        }
    }

    #[test]
    fn a_current_cursor_is_read_only_as_it_was_written() {
        for (component, environment) in [("web", ""), ("a-b é", "prod/eu-1")] {
            let cursor = CurrentCursor { component: component.into(), environment: environment.into() };
            assert_eq!(CurrentCursor::parse(&cursor.to_string()), Some(cursor));
        }
        for none in ["", "c", "c-", "c-61", "d61-", "c6-", "c61", "c6G-", "c61-6", "cC3A9-", "c00-", "cff-", "c+1-"] {
            assert_eq!(CurrentCursor::parse(none), None, "{none}");
        }
    }

    #[test]
    fn a_name_cursor_is_read_only_as_it_was_written() {
        for name in ["web", "Å & ü\u{1F680}", "<script>"] {
            let cursor = NameCursor(name.to_owned());
            assert_eq!(NameCursor::parse(&cursor.to_string()), Some(cursor));
        }
        for none in ["7", "zz", "+1", "ff", "00", "é"] {
            assert_eq!(NameCursor::parse(none), None, "{none}");
        }
    }
}
