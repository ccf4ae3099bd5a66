//! The log, on standard error: one line an entry, in which no text that came from elsewhere is more than text.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use crate::config::Log;

/// Writes what is traced from now on, and a panic too, so that it is an entry like any other.
pub fn to_stderr(log: Log) {
    // A log that nobody reads any more ends nothing.
    let builder = tracing_subscriber::fmt()
        .with_max_level(log.level)
        .with_writer(|| Lines(io::stderr()))
        .log_internal_errors(false);
    if log.json {
        builder.json().init();
    } else {
        builder.with_ansi(false).init();
    }
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

/// The text with everything escaped that could end a line, steer a terminal, or show characters in another order than
/// they are written in. As JSON does it, so that text within JSON stays the same text.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            acting if acts(acting) => escaped.push_str(&format!("\\u{:04x}", u32::from(acting))),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

/// Controls, the separators of lines and paragraphs, and what is invisible or turns the direction of writing: all have
/// four hexadecimal digits.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Takes whole entries, each with the one line feed at its end that is the log's own.
struct Lines<W>(W);

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        let line = entry.strip_suffix(b"\n").unwrap_or(entry);
        let line = escaped(&String::from_utf8_lossy(line)).into_owned() + "\n";
        self.0.write_all(line.as_bytes())?;
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_and_the_rest_is_as_it_was() {
        let harmless = "größenberater 部署 \u{1f680} e\u{301} \"\\n\" עברית";
        assert!(matches!(escaped(harmless), Cow::Borrowed(text) if text == harmless));
        let acting = "a\n\r\t\0\u{1b}[31m\u{7f}\u{85}\u{9b}\u{2028}\u{2029}\u{202e}\u{2066}\u{200f}\u{feff}z";
        let expected = r"a\n\r\t\u0000\u001b[31m\u007f\u0085\u009b\u2028\u2029\u202e\u2066\u200f\ufeffz";
        assert_eq!(escaped(acting), expected);
        let json = format!("\"{expected}\"");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), acting);
    }

    #[test]
    fn an_entry_is_one_line_whatever_is_in_it() {
        let mut lines = Lines(Vec::new());
        for entry in ["ERROR one\nDETAIL: two\n", "three\n", "four\n\n"] {
            lines.write_all(entry.as_bytes()).unwrap();
        }
        lines.write_all(b"f\xc3\x28ve\n").unwrap();
        assert_eq!(String::from_utf8(lines.0).unwrap(), "ERROR one\\nDETAIL: two\nthree\nfour\\n\nf\u{fffd}(ve\n");
    }
}
