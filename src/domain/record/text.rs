//! The rules for texts, and for links.

use std::{borrow::Cow, net::Ipv6Addr};

const MAX_URL_CHARACTERS: usize = 2_000;

/// Checks that a text has at most `limit` characters and no control character.
pub fn text(text: &str, limit: usize) -> Result<&str, Cow<'static, str>> {
    if text.chars().any(char::is_control) {
        Err("contains a control character".into())
    } else if text.chars().count() > limit {
        Err(format!("is longer than {limit} characters").into())
    } else {
        Ok(text)
    }
}

/// Whether nothing of a text can be seen: it is empty, or has only white space and invisible characters.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|character| character.is_whitespace() || is_invisible(character))
}

/// The characters that Unicode calls `Default_Ignorable_Code_Point`, the marks of annotations, and the blank Braille
/// pattern.
fn is_invisible(character: char) -> bool {
    matches!(u32::from(character),
        0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f
        | 0x202a..=0x202e | 0x2060..=0x206f | 0x2800 | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0
        | 0xfff0..=0xfffb | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// Checks a link: the scheme http or https, a host, and a port that can exist. A path can contain any visible character.
pub fn url(url: &str) -> Result<&str, Cow<'static, str>> {
    let url = text(url, MAX_URL_CHARACTERS)?;
    let is_http = |scheme: &str| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let Some((_, rest)) = url.split_once("://").filter(|(scheme, _)| is_http(scheme)) else {
        return Err("must be an http or https URL".into());
    };
    if rest.contains(char::is_whitespace) {
        return Err("contains white space".into());
    }
    // Browsers read `\` as `/`.
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let address = authority.rsplit('@').next().unwrap_or_default();
    // The colons of an IPv6 address are in brackets.
    let host_end = address.rfind(']').unwrap_or(0);
    let (host, port) = match address[host_end..].find(':') {
        Some(colon) => (&address[..host_end + colon], &address[host_end + colon + 1..]),
        None => (address, ""),
    };
    if !is_host(host) {
        return Err("must name a valid host".into());
    }
    if !port.bytes().all(|byte| byte.is_ascii_digit()) || !port.is_empty() && port.parse::<u16>().is_err() {
        return Err("must have a port from 0 to 65535 or none".into());
    }
    Ok(url)
}

/// An IPv6 address in brackets, an IPv4 address, or a name. A name in another script is valid, as in browsers.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    !is_blank(host) && !host.contains(['[', ']', ':', '%', '<', '>', '^', '|', '"', '`', '{', '}'])
}

#[cfg(test)]
mod tests {
    use super::{is_blank, url};

    #[test]
    fn a_text_without_a_visible_character_is_blank() {
        for blank in [
            "",
            " ",
            "\u{3000}",
            "\u{200b}",
            "\u{feff} \u{200d}",
            "\u{ad}",
            "\u{3164}",
            "\u{2800}",
            "\u{e0020}\u{fe0f}",
            "\u{202e}",
            "\u{2060}",
            "\u{fffa}",
            "\u{180e}",
        ] {
            assert!(is_blank(blank), "{blank:?}");
        }
        for visible in ["a", "\u{200b}a", "-", "部", "\u{fffd}", "\u{1f600}\u{fe0f}", "\u{301}"] {
            assert!(!is_blank(visible), "{visible:?}");
        }
    }

    #[test]
    fn a_url_has_a_scheme_a_host_and_a_valid_port() {
        for valid in [
            "http://ci",
            "HTTPS://CI.example:8443/job/42?a=b#c",
            "http://[::1]",
            "http://[::1]:80/",
            "http://ci:/",
            "https://ann:secret@ci/",
            "https://a:b@[2001:db8::1]:443",
            "http://bücher.example/ü",
            "http://10.0.0.1:65535",
            "http://ci?next=http://[",
            "http://ci#:x",
            "http://a_b.example./",
            "http://ci/a|b^{c}\"%",
        ] {
            assert_eq!(url(valid), Ok(valid));
        }
        for invalid in [
            "http://",
            "http:///ci",
            "http://?ci",
            "http://#",
            "http://@",
            "http://@/x",
            "http://[::1",
            "http://::1]",
            "http://[]",
            "http://[::g]",
            "http://[::1]x",
            "http://[::1]:x",
            "http://x[::1]",
            "http://a:b:80",
            "http://:80",
            "http://ci:65536",
            "http://ci:-1",
            "http://ci:+1",
            "http://ci:x/",
            "http://a%zz",
            "http://a|b/",
            "http://\u{200b}/",
            "http://\\ci",
            "http://a<b>",
            "http://a b",
            "ftp://ci",
            "ci",
            "http:ci",
            " http://ci",
        ] {
            assert!(url(invalid).is_err(), "{invalid}");
        }
    }
}
