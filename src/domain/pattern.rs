//! Patterns of component names.

use std::fmt;

use super::record::{is_blank, text};

/// The maximum length of a component.
const MAX_CHARACTERS: usize = 200;

/// A text in which `*` matches any text, including an empty one. Every other character matches itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Fails with a reason that continues a sentence: `is empty`.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        if is_blank(pattern) {
            return Err("is empty".to_owned());
        }
        text(pattern, MAX_CHARACTERS).map(|pattern| Self(pattern.to_owned())).map_err(Into::into)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern matches the whole text.
    pub fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            // The earliest match leaves the most text for the parts that follow.
            let Some(place) = rest.find(part) else { return false };
            rest = &rest[place + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_star_matches_any_text_and_all_else_matches_itself() {
        for (pattern, matching, other) in [
            ("web", &["web"][..], &["", "we", "webs", "Web", "web "][..]),
            ("web-*", &["web-", "web-1", "web-*", "web-a/b"], &["web", "aweb-1"]),
            ("*", &["web", "*", "部署"], &[]),
            ("**", &["web", "a"], &[]),
            ("*-api", &["-api", "shop-api", "-api-api"], &["shop-api2", "api"]),
            ("a*a", &["aa", "aba", "aaa"], &["a", "ab"]),
            ("a*b*c", &["abc", "axbxc", "abbcc", "abcbc"], &["ac", "acb", "abcd"]),
            ("*ab*ab*", &["abab", "xabxabx"], &["ab", "aba"]),
            ("a.c?[x]\\", &["a.c?[x]\\"], &["abcdx"]),
            ("größe*", &["größenberater"], &["grösse"]),
        ] {
            let pattern = Pattern::parse(pattern).unwrap();
            for text in matching {
                assert!(pattern.matches(text), "{pattern} {text}");
            }
            for text in other {
                assert!(!pattern.matches(text), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn an_invalid_pattern_is_refused() {
        for (pattern, reason) in [("", "is empty"), (" ", "is empty"), ("a\nb", "contains a control character")] {
            assert_eq!(Pattern::parse(pattern).unwrap_err(), reason);
        }
        assert_eq!(Pattern::parse(&"é".repeat(201)).unwrap_err(), "is longer than 200 characters");
    }
}
