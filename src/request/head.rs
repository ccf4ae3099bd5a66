//! What RFC 9110 and RFC 9112 ask of a request's head and hyper lets pass.

use hyper::{
    HeaderMap, Method, Uri, Version,
    header::{self, HeaderName},
    http::{request::Parts, uri::Authority},
};

use crate::error::Error;

/// A target that is longer is answered 414. The longest that the filters need has a third of it.
const MAX_TARGET_BYTES: usize = 32 << 10;

/// Fails where the head cannot be answered as it is. Who sends such a thing may mean another end of its request than
/// is found here: the connection should close then.
pub fn validate_head(head: &Parts) -> Result<(), Error> {
    // What follows CONNECT is no request.
    if head.method == Method::CONNECT {
        return Err(Error::UnknownMethod);
    }
    if !has_one_host(head) {
        return Err(malformed("send one Host header that names a host"));
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
    // Behind an IPv6 address' bracket, where there is one.
    let port = text.rsplit(']').next().and_then(|rest| rest.split_once(':')).map(|(_, port)| port);
    let is_port =
        |port: &str| port.is_empty() || port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    !text.contains('@') && !authority.host().is_empty() && port.is_none_or(is_port)
}

/// RFC 9112, 3.2: a path, an absolute URI, or `*` for OPTIONS.
fn target(method: &Method, uri: &Uri) -> Result<(), Error> {
    let is_absolute = uri.scheme().is_some();
    let is_its_authority_right = uri.authority().is_none_or(|authority| is_absolute && names_a_host(authority));
    if !is_its_authority_right || uri.path() == "*" && method != Method::OPTIONS {
        return Err(malformed("the target must be a path, or a URI with a path"));
    }
    let text = uri.path_and_query().map_or("", |target| target.as_str());
    if text.len() > MAX_TARGET_BYTES {
        return Err(Error::TargetTooLong);
    }
    if !text.is_ascii() {
        return Err(malformed("the target must be ASCII: write other characters percent-encoded"));
    }
    let is_hex = |digits: &str| digits.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !text.split('%').skip(1).all(is_hex) {
        return Err(malformed("in the target a % must be followed by two hexadecimal digits: write %25"));
    }
    Ok(())
}

/// hyper asks only that `chunked` comes last.
fn transfer_coding(headers: &HeaderMap) -> Result<(), Error> {
    let codings = list(headers, header::TRANSFER_ENCODING);
    if codings.iter().any(|coding| coding != "chunked") {
        return Err(Error::UnknownTransferCoding);
    }
    if codings.len() > 1 {
        return Err(malformed("a body is chunked once"));
    }
    Ok(())
}

/// The members of a header that is a list, in lower case; one that is not ASCII is no name of anything.
fn list(headers: &HeaderMap, name: HeaderName) -> Vec<String> {
    let values = headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or_default());
    values.flat_map(|value| value.split(',')).map(|member| member.trim().to_ascii_lowercase()).collect()
}

fn malformed(reason: &str) -> Error {
    Error::Malformed(reason.to_owned())
}
