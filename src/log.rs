//! The log on standard error. Each entry is one line, in which text from clients and from the database is escaped.

use std::io::{self, Write};

use tracing::level_filters::LevelFilter;

/// Sets up the log. A panic becomes an entry like any other.
pub fn to_stderr(is_json: bool, level: LevelFilter) {
    // If standard error is closed, the process continues without a log.
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(|| EscapingWriter(io::stderr()))
        .log_internal_errors(false);
    if is_json {
        builder.json().init();
    } else {
        builder.with_ansi(false).init();
    }
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

/// Escapes characters that could end a line, control a terminal or change the order of other characters. JSON escapes
/// are used, so that the content of JSON stays the same.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            character if needs_escape(character) => escaped.push_str(&format!("\\u{:04x}", u32::from(character))),
            character => escaped.push(character),
        }
    }
    escaped
}

/// Control characters, line and paragraph separators, and invisible or bidirectional formatting characters. All have
/// four hexadecimal digits.
fn needs_escape(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Each write is a complete entry that ends with a line feed.
struct EscapingWriter<W>(W);

impl<W: Write> Write for EscapingWriter<W> {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        let line = entry.strip_suffix(b"\n").unwrap_or(entry);
        let line = escaped(&String::from_utf8_lossy(line)) + "\n";
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
    fn only_control_and_formatting_characters_are_escaped() {
        let harmless = "größenberater 部署 \u{1f680} e\u{301} \"\\n\" עברית";
        assert_eq!(escaped(harmless), harmless);
        let special = "a\n\r\t\0\u{1b}[31m\u{7f}\u{85}\u{9b}\u{2028}\u{2029}\u{202e}\u{2066}\u{200f}\u{feff}z";
        let expected = r"a\n\r\t\u0000\u001b[31m\u007f\u0085\u009b\u2028\u2029\u202e\u2066\u200f\ufeffz";
        assert_eq!(escaped(special), expected);
        let json = format!("\"{expected}\"");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), special);
    }

    #[test]
    fn an_entry_with_line_feeds_is_one_line() {
        let mut log = EscapingWriter(Vec::new());
        for entry in ["ERROR one\nDETAIL: two\n", "three\n", "four\n\n"] {
            log.write_all(entry.as_bytes()).unwrap();
        }
        log.write_all(b"f\xc3\x28ve\n").unwrap();
        assert_eq!(String::from_utf8(log.0).unwrap(), "ERROR one\\nDETAIL: two\nthree\nfour\\n\nf\u{fffd}(ve\n");
    }
}
