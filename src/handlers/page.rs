//! `/` and what the page loads from `page/`.

use hyper::{
    HeaderMap, StatusCode,
    header::{self, HeaderName},
};

use crate::{
    error::Error,
    page,
    reply::{self, Reply},
    request,
};

/// The page is its own and nothing else's: it loads from its origin only, runs no inline script, sends no form, is in
/// no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One of the page's files. The query is the page's own; a file is asked for anew each time, so that a newer binary is
/// seen at once.
pub fn read(path: &str, headers: &HeaderMap) -> Result<Reply, Error> {
    let file = page::find(path).ok_or(Error::NotFound)?;
    let essence = file.content_type.split(';').next().unwrap_or(file.content_type);
    if request::preferred(headers, &[essence]).is_none() {
        return Err(Error::NotAcceptable(essence.to_owned()));
    }
    let mut reply = if request::if_none_match(headers, &file.etag) {
        reply::not_modified(&file.etag)
    } else {
        reply::whole(StatusCode::OK, file.content_type, file.text.clone())
    };
    for (name, value) in [
        (header::ETAG, file.etag.as_str()),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        reply::set(reply.headers_mut(), name, value);
    }
    Ok(reply)
}
