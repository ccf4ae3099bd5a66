//! Reads `DATABASE_URL`. tokio-postgres knows neither `sslrootcert` nor libpq's verifying modes, so `sslmode` and
//! `sslrootcert` are cut out before it reads the rest.

use std::{collections::HashMap, error::Error as _, ffi::OsString, path::PathBuf};

use percent_encoding::percent_decode_str;
use tokio_postgres::{
    Config,
    config::{Host, SslMode, SslNegotiation},
};

use super::endpoint::Endpoint;
use super::tls;

/// The CA certificates of Debian, Fedora and macOS.
const SYSTEM_ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

const URL_PREFIXES: [&str; 2] = ["postgres://", "postgresql://"];

impl Endpoint {
    /// Reads a URL or key=value pairs. An error is a sentence for the operator that contains no value except the path of
    /// `sslrootcert`.
    pub fn parse(text: &str, environment: &impl Fn(&str) -> Option<OsString>) -> Result<Self, String> {
        let has_pairs = text.split_once('=').is_some_and(|(key, _)| !key.contains("://"));
        if !has_pairs && !URL_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            let pairs = "key=value pairs such as 'host=db user=ann'";
            return Err(format!("DATABASE_URL must be a URL that begins with postgres:// or consist of {pairs}"));
        }
        let (rest, tls_options) = cut_tls_options(text);
        let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| {
            let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
            format!("DATABASE_URL must be a PostgreSQL URL or key=value pairs{cause}")
        })?;
        if config.get_hosts().is_empty() {
            return Err("DATABASE_URL must name a host".to_owned());
        }
        let root = tls_options.get("sslrootcert").map(String::as_str).filter(|root| !root.is_empty());
        let default_mode = if root == Some("system") { "verify-full" } else { "prefer" };
        let mode = tls_options.get("sslmode").map_or(default_mode, String::as_str);
        config.ssl_mode(match mode {
            "disable" => SslMode::Disable,
            "prefer" => SslMode::Prefer,
            "require" | "verify-ca" | "verify-full" => SslMode::Require,
            _ => return Err("DATABASE_URL's sslmode must be disable, prefer, require, verify-ca or verify-full".into()),
        });
        if config.get_ssl_negotiation() == SslNegotiation::Direct && config.get_ssl_mode() != SslMode::Require {
            return Err("DATABASE_URL's sslnegotiation=direct needs sslmode=require, verify-ca or verify-full".into());
        }
        // Unix sockets do not leave this machine.
        if config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_))) {
            config.ssl_mode(SslMode::Disable);
        }
        if config.get_ssl_mode() == SslMode::Disable {
            return Ok(Self::plain(config));
        }
        let roots = match root {
            // A public CA signs certificates for everyone, so its signature alone proves nothing.
            Some("system") if mode != "verify-full" => {
                return Err("DATABASE_URL's sslrootcert=system needs sslmode=verify-full".to_owned());
            }
            Some("system") => Some(system_roots(environment)?),
            Some(path) => Some(path.into()),
            None if mode.starts_with("verify-") => Some(default_roots(environment)?),
            None => None,
        };
        let tls = tls::connector(config.get_ssl_mode(), roots.as_deref(), mode == "verify-full")?;
        Ok(Self { config, tls })
    }
}

fn system_roots(environment: &impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, String> {
    let named = environment("SSL_CERT_FILE").filter(|path| !path.is_empty()).map(PathBuf::from);
    let found = named.or_else(|| SYSTEM_ROOTS.map(PathBuf::from).into_iter().find(|path| path.exists()));
    found.ok_or_else(|| "DATABASE_URL's sslrootcert=system finds no CA certificates: set SSL_CERT_FILE".to_owned())
}

/// libpq's default for `sslrootcert`.
fn default_roots(environment: &impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, String> {
    let found = environment("HOME").map(|home| PathBuf::from(home).join(".postgresql/root.crt"));
    found.filter(|path| path.exists()).ok_or_else(|| {
        "DATABASE_URL's sslmode needs sslrootcert, a file of CA certificates: ~/.postgresql/root.crt does not exist"
            .to_owned()
    })
}

/// The first key, its value, and the text after them.
type First<'a> = (String, String, &'a str);

/// Splits the text as tokio-postgres does, and leaves to it what cannot be split. Returns the text without the options, and
/// their last values.
fn cut_tls_options(text: &str) -> (String, HashMap<String, String>) {
    let prefix = URL_PREFIXES.into_iter().find(|prefix| text.starts_with(prefix));
    let (start, first, gap): (_, fn(&str) -> Option<First>, _) = match prefix {
        Some(prefix) => (query_start(text, prefix.len()), first_parameter, ""),
        None => (0, first_pair, " "),
    };
    let (before, mut text) = text.split_at(start);
    let (mut rest, mut options) = (before.to_owned(), HashMap::new());
    while let Some((key, value, after)) = first(text) {
        if ["sslmode", "sslrootcert"].contains(&key.as_str()) {
            options.insert(key, value);
            rest += gap;
        } else {
            rest += &text[..text.len() - after.len()];
        }
        text = after;
    }
    (rest + text, options)
}

fn query_start(url: &str, prefix: usize) -> usize {
    // The password can contain a question mark.
    let host = url[prefix..].find('@').map_or(prefix, |at| prefix + at + 1);
    url[host..].find('?').map_or(url.len(), |at| host + at + 1)
}

fn first_parameter(query: &str) -> Option<First<'_>> {
    let (key, rest) = query.split_once('=')?;
    let (value, after) = rest.split_once('&').unwrap_or((rest, ""));
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((decode(key), decode(value), after))
}

/// Removes quotes and escapes from the value.
fn first_pair(text: &str) -> Option<First<'_>> {
    let text = text.trim_start();
    let (key, rest) = text.split_at(text.find(|next: char| next == '=' || next.is_whitespace())?);
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quoted = rest.strip_prefix('\'');
    let (mut value, mut characters) = (String::new(), quoted.unwrap_or(rest).chars());
    let after = loop {
        let rest = characters.as_str();
        match characters.next() {
            Some('\'') if quoted.is_some() => break characters.as_str(),
            Some(end) if quoted.is_none() && end.is_whitespace() => break rest,
            Some('\\') => value.extend(characters.next()),
            Some(other) => value.push(other),
            None if quoted.is_some() => return None,
            None => break rest,
        }
    };
    Some((key.to_owned(), value, after))
}

#[cfg(test)]
mod tests;
