//! Rules of RFC 9110 and RFC 9112 for the head of a request that hyper does not check.

use hyper::{
    HeaderMap, Method, Uri, Version,
    header::{self, HeaderName},
    http::{request::Parts, uri::Authority},
};

use crate::error::Error;

/// A longer target is answered with 414. The filters need at most a third of it.
const MAX_TARGET_BYTES: usize = 32 << 10;

/// The connection should close after a failure, because the client can disagree about where the request ends.
pub fn validate_head(head: &Parts) -> Result<(), Error> {
    // After CONNECT, the connection would carry another protocol.
    if head.method == Method::CONNECT {
        return Err(Error::UnknownMethod);
    }
    if !has_one_host(head) {
        return Err(malformed("send exactly one Host header that names a host"));
    }
    target(&head.method, &head.uri)?;
    transfer_coding(&head.headers)?;
    // RFC 9110, 10.1.1: HTTP/1.0 has no expectations.
    let mut expected = head.headers.get_all(header::EXPECT).iter();
    if head.version >= Version::HTTP_11 && !expected.all(|it| it.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Error::ExpectationFailed);
    }
    Ok(())
}

fn has_one_host(head: &Parts) -> bool {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => head.version < Version::HTTP_11,
        (Some(host), None) => {
            host.to_str().is_ok_and(|host| host.parse::<Authority>().is_ok_and(|host| names_a_host(&host)))
        }
        _ => false,
    }
}

fn names_a_host(authority: &Authority) -> bool {
    let text = authority.as_str();
    // The colons of an IPv6 address are in brackets.
    let port = text.rsplit(']').next().and_then(|rest| rest.split_once(':')).map(|(_, port)| port);
    let is_port =
        |port: &str| port.is_empty() || port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    !text.contains('@') && !authority.host().is_empty() && port.is_none_or(is_port)
}

/// RFC 9112, 3.2: a path, an absolute URI, or `*` for OPTIONS.
fn target(method: &Method, uri: &Uri) -> Result<(), Error> {
    let is_absolute = uri.scheme().is_some();
    let is_authority_valid = uri.authority().is_none_or(|authority| is_absolute && names_a_host(authority));
    if !is_authority_valid || uri.path() == "*" && method != Method::OPTIONS {
        return Err(malformed("the request target must be a path, or a URI with a path"));
    }
    let text = uri.path_and_query().map_or("", |target| target.as_str());
    if text.len() > MAX_TARGET_BYTES {
        return Err(Error::TargetTooLong);
    }
    if !text.is_ascii() {
        return Err(malformed("the request target must be ASCII: percent-encode other characters"));
    }
    let is_hex = |digits: &str| digits.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !text.split('%').skip(1).all(is_hex) {
        return Err(malformed("in the request target, % must be followed by two hexadecimal digits: write %25"));
    }
    Ok(())
}

/// hyper only requires that `chunked` is the last coding.
fn transfer_coding(headers: &HeaderMap) -> Result<(), Error> {
    let codings = list(headers, header::TRANSFER_ENCODING);
    if codings.iter().any(|coding| coding != "chunked") {
        return Err(Error::UnknownTransferCoding);
    }
    if codings.len() > 1 {
        return Err(malformed("the body must be chunked only once"));
    }
    Ok(())
}

/// The members of a list header in lower case. A value that is not ASCII counts as empty.
fn list(headers: &HeaderMap, name: HeaderName) -> Vec<String> {
    let values = headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or_default());
    values.flat_map(|value| value.split(',')).map(|member| member.trim().to_ascii_lowercase()).collect()
}

fn malformed(reason: &str) -> Error {
    Error::Malformed(reason.to_owned())
}
