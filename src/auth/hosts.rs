//! The hosts that a request can name, and the origins that a write can come from.
//!
//! A hostile page in a user's browser can give its own name the address of this service (DNS rebinding), and then reads
//! every answer. It can also send requests to any address.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::{
    header::{self, HeaderValue},
    http::{request::Parts, uri::Authority},
};

use crate::domain::caller::Refusal;

/// The setting `--allow-host`.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts {
    /// As [`normal`] returns them.
    names: Vec<String>,
    /// `*`: requests can name any host. This frees no origin.
    is_any: bool,
}

impl AllowedHosts {
    /// Reads a list such as `deploylog.example.com, ci:5000`. `None` if an entry is not a host.
    pub fn parse(list: &str) -> Option<Self> {
        let mut hosts = Self::default();
        for entry in list.split(',').map(str::trim) {
            match entry {
                "*" => hosts.is_any = true,
                _ => hosts.names.push(normal(entry).filter(|host| is_name(host) || is_address(host))?),
            }
        }
        Some(hosts)
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.is_any
    }

    /// Refuses a host that only DNS connects with this service. A rebound page always names such a host. A request without
    /// any host is one in HTTP/1.0, which browsers do not send.
    pub(super) fn check_host(&self, head: &Parts) -> Result<(), Refusal> {
        let Some(text) = requested_host(head) else { return Ok(()) };
        let host = normal(text).unwrap_or_default();
        let is_local = host == "localhost" || host.ends_with(".localhost") || is_address(&host);
        if self.is_any || is_local || self.names.contains(&host) {
            return Ok(());
        }
        Err(Refusal::ForeignHost(shown(text)))
    }

    /// Refuses an origin other than the requested host and the allowed hosts. Ports do not count, because proxies change
    /// them.
    pub(super) fn check_origin(&self, head: &Parts) -> Result<(), Refusal> {
        let own = requested_host(head).and_then(normal);
        for origin in head.headers.get_all(header::ORIGIN) {
            let host = origin_host(origin);
            if host.is_none() || host != own && !host.is_some_and(|host| self.names.contains(&host)) {
                return Err(Refusal::ForeignOrigin(shown(&String::from_utf8_lossy(origin.as_bytes()))));
            }
        }
        Ok(())
    }
}

/// RFC 9112, 3.2.2: the host of an absolute target counts, not the header.
fn requested_host(head: &Parts) -> Option<&str> {
    let header = || head.headers.get(header::HOST)?.to_str().ok();
    head.uri.authority().map(Authority::as_str).or_else(header)
}

/// `None` for `null` and everything else that is not the origin of a web page.
fn origin_host(origin: &HeaderValue) -> Option<String> {
    let origin = origin.to_str().ok()?;
    normal(origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))?)
}

/// The host in lower case, without its port and without the dot that can end a name.
fn normal(authority: &str) -> Option<String> {
    let authority: Authority = authority.parse().ok()?;
    // With user information or text after an IPv6 address, more than a port is left.
    let is_only_host = matches!(authority.as_str().strip_prefix(authority.host())?.bytes().next(), None | Some(b':'));
    let host = authority.host().to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    (!host.is_empty() && is_only_host).then(|| host.to_owned())
}

fn is_name(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// No name server can point an address to another one.
fn is_address(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok(),
    }
}

/// For the message: no name is longer.
fn shown(text: &str) -> String {
    text.chars().take(255).collect()
}

#[cfg(test)]
mod tests {
    use hyper::{
        Request,
        http::request::{Builder, Parts},
    };

    use super::AllowedHosts;

    fn head(build: impl FnOnce(Builder) -> Builder) -> Parts {
        build(Request::builder()).body(()).unwrap().into_parts().0
    }

    fn hosts(list: &str) -> AllowedHosts {
        AllowedHosts::parse(list).unwrap()
    }

    #[test]
    fn addresses_loopback_names_and_allowed_names_are_served() {
        let admits = |hosts: &AllowedHosts, host: &str| hosts.check_host(&head(|it| it.header("host", host))).is_ok();
        let (none, some) = (AllowedHosts::default(), hosts("deploylog.example.com, CI.:81,under_score"));
        for local in [
            "localhost",
            "localhost:5000",
            "LocalHost.",
            "a.localhost",
            "a.b.localhost.:1",
            "127.0.0.1",
            "127.255.0.9:5000",
            "[::1]",
            "[::1]:5000",
            "192.168.7.9:80",
            "0.0.0.0",
            "[2001:DB8::7]:1",
            "[::ffff:10.0.0.1]",
        ] {
            assert!(admits(&none, local), "{local}");
        }
        let foreign = [
            "evil.example",
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "127.0.0.1.nip.io",
            "1.2.3",
            "0x7f.1",
            "256.0.0.1",
            "ip6-localhost",
            "localhost..",
            "a@localhost",
            "[::1].evil.example",
            "[::g]",
        ];
        for foreign in foreign {
            assert!(!admits(&none, foreign) && !admits(&some, foreign), "{foreign}");
            assert!(admits(&hosts("*"), foreign), "{foreign}");
        }
        for allowed in ["deploylog.example.com", "DEPLOYLOG.example.COM.:8443", "ci", "ci.:5000", "under_score"] {
            assert!(admits(&some, allowed) && !admits(&none, allowed), "{allowed}");
        }
        assert!(!admits(&some, "x.deploylog.example.com") && !admits(&some, "example.com"));
    }

    #[test]
    fn the_host_of_an_absolute_target_counts() {
        let check = |uri: &str, host: &str| {
            let head = head(|it| it.uri(uri).header("host", host).header("origin", "http://ci"));
            let hosts = AllowedHosts::default();
            (hosts.check_host(&head).is_ok(), hosts.check_origin(&head).is_ok())
        };
        assert_eq!(check("http://ci/api/", "localhost"), (false, true));
        assert_eq!(check("http://localhost:80/api/", "ci"), (true, false));
    }

    #[test]
    fn a_request_without_any_host_is_served_but_has_no_origin() {
        let hosts = AllowedHosts::default();
        assert!(hosts.check_host(&head(|it| it)).is_ok());
        assert!(hosts.check_origin(&head(|it| it)).is_ok());
        assert!(hosts.check_origin(&head(|it| it.header("origin", "http://localhost"))).is_err());
    }

    #[test]
    fn a_write_comes_from_the_requested_host_or_an_allowed_one() {
        let admits = |list: &str, host: &str, origin: &str| {
            let head = head(|it| it.header("host", host).header("origin", origin));
            let hosts = if list.is_empty() { AllowedHosts::default() } else { hosts(list) };
            hosts.check_origin(&head).is_ok()
        };
        for (host, origin) in [
            ("localhost:5000", "http://localhost:5000"),
            ("deploylog.example.com", "https://Deploylog.example.com:8443"),
            ("ci.", "http://ci"),
            ("[::1]:5000", "http://[::1]:5000"),
        ] {
            assert!(admits("", host, origin) && admits("*", host, origin), "{host} {origin}");
        }
        for origin in [
            "null",
            "",
            "localhost",
            "//localhost",
            "http://",
            "http://evil.example",
            "http://localhost.evil.example",
            "http://127.0.0.1:5000",
            "http://localhost@evil.example",
            "http://evil.example/localhost",
            "ftp://localhost",
            "chrome-extension://localhost",
            "http://localhost, http://localhost",
            "*",
            "http://*",
        ] {
            assert!(!admits("", "localhost:5000", origin) && !admits("*,ci", "localhost:5000", origin), "{origin}");
        }
        assert!(admits("portal.example, ci", "localhost", "https://portal.example"));
        let twice =
            head(|it| it.header("host", "ci").header("origin", "http://ci").header("origin", "http://evil.example"));
        assert!(AllowedHosts::default().check_origin(&twice).is_err(), "every origin counts");
    }

    #[test]
    fn a_list_of_other_things_than_hosts_is_invalid() {
        for list in
            ["", ",", "a,,b", "http://a", "a/b", "*.example.com", "a b", "bücher.example", "a@b", "::1", "a:x:1"]
        {
            assert!(AllowedHosts::parse(list).is_none(), "{list:?}");
        }
        assert!(!hosts("*").is_empty() && !hosts("a").is_empty() && AllowedHosts::default().is_empty());
    }
}
