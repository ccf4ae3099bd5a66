//! Prometheus's text format, version 0.0.4.

use std::fmt::{Display, Write as _};

/// Families of samples, written one after the other.
#[derive(Default)]
pub struct Exposition {
    text: String,
    family: &'static str,
}

impl Exposition {
    /// The media type of what is written.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Begins a family: its name, type and meaning, which has no line break. Its samples follow.
    pub fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A sample of the family; `suffix` is that of a histogram's part. Label values are any text.
    pub fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{}{suffix}", self.family);
        for (index, (name, value)) in labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let value = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
            let _ = write!(self.text, "{open}{name}=\"{value}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{close} {value}");
    }

    /// A family of one sample.
    pub fn single(&mut self, name: &'static str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample("", &[], value);
    }

    /// All that was written.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::Exposition;

    #[test]
    fn a_label_may_be_any_text() {
        let mut out = Exposition::default();
        out.family("last", "gauge", "Of a component.");
        out.sample("", &[("component", "a\\b\"c\nd"), ("environment", "")], 1.5);
        let samples = "last{component=\"a\\\\b\\\"c\\nd\",environment=\"\"} 1.5\n";
        assert_eq!(out.into_text(), format!("# HELP last Of a component.\n# TYPE last gauge\n{samples}"));
    }
}
