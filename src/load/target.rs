//! The service that receives the load.

use std::fmt;

/// The parts of an http URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Host and port as written: the `Host` header.
    pub authority: String,
    /// Host and port; port 80 if the URL has none.
    pub address: String,
    /// The path before `/api/`, without a slash at the end; often empty.
    pub prefix: String,
}

impl Target {
    /// Parses a URL. The error continues a sentence that begins with `--url`.
    pub fn parse(url: &str) -> Result<Self, String> {
        let invalid = || format!("must look like http://127.0.0.1:5000, not {url:?}");
        if url.starts_with("https://") {
            return Err("must be an http URL, because load does not support https".to_owned());
        }
        let rest = url.strip_prefix("http://").ok_or_else(invalid)?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !authority.ends_with(']') => (host, port.parse().unwrap_or(0)),
            _ => (authority, 80_u16),
        };
        let is_ipv6 = host.len() > 2 && host.starts_with('[') && host.ends_with(']');
        let has_bad_host = host.is_empty() || !is_ipv6 && host.contains([':', '[', ']']);
        if has_bad_host || port == 0 || rest.contains(|c: char| !c.is_ascii_graphic() || "@?#\\".contains(c)) {
            return Err(invalid());
        }
        Ok(Self {
            authority: authority.to_owned(),
            address: format!("{host}:{port}"),
            prefix: path.trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn a_url_has_a_host_an_optional_port_and_an_optional_path() {
        let assert_parts = |url: &str, parts: [&str; 3]| {
            let Target { authority, address, prefix } = Target::parse(url).unwrap();
            assert_eq!([&authority, &address, &prefix], parts, "{url}");
        };
        assert_parts("http://a", ["a", "a:80", ""]);
        assert_parts("http://a.b:5000/", ["a.b:5000", "a.b:5000", ""]);
        assert_parts("http://a:1/deploys/x/", ["a:1", "a:1", "/deploys/x"]);
        assert_parts("http://[::1]:5000", ["[::1]:5000", "[::1]:5000", ""]);
        assert_parts("http://[::1]", ["[::1]", "[::1]:80", ""]);
    }

    #[test]
    fn an_invalid_url_is_refused() {
        for url in ["", "a:5000", "ftp://a", "http://", "http://:1", "http://a:b", "http://a:0", "http://a:65536"] {
            assert!(Target::parse(url).unwrap_err().contains("must look like"), "{url}");
        }
        for url in ["http://u:p@a", "http://a/?q", "http://a#b", "http://a b", "http://é", "http://::1", "http://a:1:2"]
        {
            assert!(Target::parse(url).is_err(), "{url}");
        }
        for url in ["http://[::1", "http://[::1]5", "http://[]", "http://[]:1"] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
        assert!(Target::parse("https://a").unwrap_err().contains("https"));
    }
}
