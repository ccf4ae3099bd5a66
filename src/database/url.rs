//! `DATABASE_URL`, in both its forms. tokio-postgres reads it all but what libpq knows of TLS beyond its own three
//! modes: `sslmode` and `sslrootcert` are taken out first, by the same rules as it reads.

use std::{error::Error as _, ffi::OsString, path::PathBuf};

use percent_encoding::percent_decode_str;
use tokio_postgres::{
    Config,
    config::{Host, SslMode, SslNegotiation},
};

use super::{Endpoint, tls};

/// Where systems keep the authorities that they believe, as one file.
const SYSTEM_ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

impl Endpoint {
    /// Reads a URL or the key=value form. Fails with a sentence that names what is wrong, and never shows a value but
    /// the path of `sslrootcert`.
    pub fn parse(text: &str, environment: &impl Fn(&str) -> Option<OsString>) -> Result<Self, String> {
        let Taken { rest, mode, root } = take_out(text);
        let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| {
            let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
            format!("DATABASE_URL is no PostgreSQL URL or key=value form{cause}")
        })?;
        if config.get_hosts().is_empty() {
            return Err("DATABASE_URL names no host".to_owned());
        }
        let root = root.filter(|root| !root.is_empty());
        let is_system = root.as_deref() == Some("system");
        let mode = mode.unwrap_or_else(|| if is_system { "verify-full" } else { "prefer" }.to_owned());
        config.ssl_mode(match mode.as_str() {
            "disable" => SslMode::Disable,
            "prefer" => SslMode::Prefer,
            "require" | "verify-ca" | "verify-full" => SslMode::Require,
            _ => {
                return Err(
                    "DATABASE_URL's sslmode is not disable, prefer, require, verify-ca or verify-full".to_owned()
                );
            }
        });
        if config.get_ssl_negotiation() == SslNegotiation::Direct && config.get_ssl_mode() != SslMode::Require {
            return Err("DATABASE_URL's sslnegotiation=direct needs sslmode=require or more".to_owned());
        }
        // A socket is this machine's own.
        if config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_))) {
            config.ssl_mode(SslMode::Disable);
        }
        if config.get_ssl_mode() == SslMode::Disable {
            return Ok(Self::plain(config));
        }
        // Who believes all that the world believes must know whom it asked for.
        if is_system && mode != "verify-full" {
            return Err("DATABASE_URL's sslrootcert=system needs sslmode=verify-full".to_owned());
        }
        let roots = match root {
            Some(_) if is_system => Some(system_roots(environment)?),
            Some(path) => Some(path.into()),
            None if mode.starts_with("verify-") => Some(own_roots(environment)?),
            None => None,
        };
        let tls = tls::connector(config.get_ssl_mode(), roots.as_deref(), mode == "verify-full")?;
        Ok(Self { config, tls })
    }
}

fn system_roots(environment: &impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, String> {
    let named = environment("SSL_CERT_FILE").filter(|path| !path.is_empty()).map(PathBuf::from);
    let found = named.or_else(|| SYSTEM_ROOTS.map(PathBuf::from).into_iter().find(|path| path.exists()));
    found.ok_or_else(|| "DATABASE_URL's sslrootcert=system finds no authorities: set SSL_CERT_FILE".to_owned())
}

/// Where libpq looks for them.
fn own_roots(environment: &impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, String> {
    let found = environment("HOME").map(|home| PathBuf::from(home).join(".postgresql/root.crt"));
    found.filter(|path| path.exists()).ok_or_else(|| {
        "DATABASE_URL's sslmode needs sslrootcert, a file of authorities: there is no ~/.postgresql/root.crt".to_owned()
    })
}

#[derive(Debug, Default, PartialEq)]
struct Taken {
    /// The text without them.
    rest: String,
    mode: Option<String>,
    root: Option<String>,
}

impl Taken {
    /// Of several the last one counts.
    fn takes(&mut self, key: &str, value: &str) -> bool {
        let place = match key {
            "sslmode" => &mut self.mode,
            "sslrootcert" => &mut self.root,
            _ => return false,
        };
        *place = Some(value.to_owned());
        true
    }
}

/// What cannot be read stays where it is: tokio-postgres says what is wrong with it.
fn take_out(text: &str) -> Taken {
    let prefix = ["postgres://", "postgresql://"].into_iter().find(|prefix| text.starts_with(prefix));
    prefix.map_or_else(|| take_out_of_pairs(text), |prefix| take_out_of_url(text, prefix.len()))
}

fn take_out_of_url(text: &str, prefix: usize) -> Taken {
    let credentials = text[prefix..].find('@').map_or(prefix, |at| prefix + at + 1);
    let Some(question) = text[credentials..].find('?').map(|at| credentials + at) else {
        return Taken { rest: text.to_owned(), ..Taken::default() };
    };
    let (mut taken, mut kept, mut rest) = (Taken::default(), Vec::new(), &text[question + 1..]);
    while !rest.is_empty() {
        // A parameter ends at the first & behind its =.
        let end = rest.find('=').and_then(|at| rest[at..].find('&').map(|end| at + end)).unwrap_or(rest.len());
        let parameter = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        let decoded = parameter.split_once('=').and_then(|(key, value)| {
            Some((percent_decode_str(key).decode_utf8().ok()?, percent_decode_str(value).decode_utf8().ok()?))
        });
        if !decoded.is_some_and(|(key, value)| taken.takes(&key, &value)) {
            kept.push(parameter);
        }
    }
    text[..question].clone_into(&mut taken.rest);
    if !kept.is_empty() {
        taken.rest += "?";
        taken.rest += &kept.join("&");
    }
    taken
}

fn take_out_of_pairs(text: &str) -> Taken {
    let (mut taken, mut rest) = (Taken::default(), text);
    while let Some((key, value, behind)) = pair(rest) {
        if taken.takes(key, &value) {
            taken.rest += " ";
        } else {
            taken.rest += &rest[..rest.len() - behind.len()];
        }
        rest = behind;
    }
    taken.rest += rest;
    taken
}

/// The first key with its value, and what is behind it.
fn pair(text: &str) -> Option<(&str, String, &str)> {
    let text = text.trim_start();
    let (key, rest) = text.split_at(text.find(|next: char| next == '=' || next.is_whitespace())?);
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quoted = rest.strip_prefix('\'');
    let (mut value, mut characters) = (String::new(), quoted.unwrap_or(rest).chars());
    loop {
        let rest = characters.as_str();
        match characters.next() {
            Some('\'') if quoted.is_some() => return Some((key, value, characters.as_str())),
            Some(end) if quoted.is_none() && end.is_whitespace() => return Some((key, value, rest)),
            Some('\\') => value.extend(characters.next()),
            Some(other) => value.push(other),
            None => return quoted.is_none().then_some((key, value, rest)),
        }
    }
}

#[cfg(test)]
mod tests;
