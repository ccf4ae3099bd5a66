//! `GET /` and `GET /page/{file}`: the files of the web page.

use hyper::{
    StatusCode,
    header::{self, HeaderName},
};

use crate::error::Error;
use crate::page;
use crate::reply::{self, Reply};
use crate::request::{Request, if_none_match};

/// The page loads from its own origin only, runs no inline script, sends no form and is in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The query belongs to the page itself. `no-cache` makes browsers revalidate each file, so that a newer binary takes
/// effect at once.
pub fn read(request: &Request<'_>) -> Result<Reply, Error> {
    let file = page::find(request.head.uri.path()).ok_or(Error::NotFound)?;
    let media_type = file.content_type.split(';').next().unwrap_or(file.content_type);
    request.negotiate(&[media_type])?;
    let mut reply = if if_none_match(request.headers(), &file.etag) {
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
