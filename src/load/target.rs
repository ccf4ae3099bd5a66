//! Who is spoken to.

/// An http URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host and port as written: the `Host` header.
    pub authority: String,
    /// The name or address alone, without brackets.
    pub host: String,
    /// 80 where none is written.
    pub port: u16,
    /// What goes before `/api/`: empty, or a path without a slash at its end.
    pub prefix: String,
}

impl Target {
    /// Reads a URL. Fails with what follows `--url` in a sentence.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wanted = || format!("must be such as http://127.0.0.1:5000, not {url:?}");
        if url.starts_with("https://") {
            return Err("asks for https, which load does not speak: name the service's own http address".to_owned());
        }
        let rest = url.strip_prefix("http://").ok_or_else(wanted)?;
        if rest.contains(|c: char| !c.is_ascii_graphic() || "@?#\\".contains(c)) {
            return Err(wanted());
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(wanted)?)),
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Some(80), |port| port.parse().ok().filter(|port| *port > 0)).ok_or_else(wanted)?;
        if host.is_empty() {
            return Err(wanted());
        }
        Ok(Self {
            authority: authority.to_owned(),
            host: host.to_owned(),
            port,
            prefix: path.trim_end_matches('/').to_owned(),
        })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    fn parts(url: &str) -> (String, String, u16, String) {
        let target = Target::parse(url).unwrap();
        (target.authority, target.host, target.port, target.prefix)
    }

    #[test]
    fn a_url_has_a_host_a_port_and_perhaps_a_path() {
        let of = |authority: &str, host: &str, port, prefix: &str| (authority.into(), host.into(), port, prefix.into());
        assert_eq!(parts("http://a"), of("a", "a", 80, ""));
        assert_eq!(parts("http://a.b:5000/"), of("a.b:5000", "a.b", 5000, ""));
        assert_eq!(parts("http://a:1/deploys/x/"), of("a:1", "a", 1, "/deploys/x"));
        assert_eq!(parts("http://[::1]:5000"), of("[::1]:5000", "::1", 5000, ""));
        assert_eq!(parts("http://[::1]"), of("[::1]", "::1", 80, ""));
    }

    #[test]
    fn what_is_no_http_url_is_refused() {
        for url in ["", "a:5000", "ftp://a", "http://", "http://:1", "http://a:b", "http://a:0", "http://a:65536"] {
            assert!(Target::parse(url).unwrap_err().contains("must be such as"), "{url}");
        }
        for url in
            ["http://u:p@a", "http://a/?q", "http://a#b", "http://a b", "http://[::1", "http://[::1]5", "http://é"]
        {
            assert!(Target::parse(url).is_err(), "{url}");
        }
        assert!(Target::parse("https://a").unwrap_err().contains("https"));
    }
}
