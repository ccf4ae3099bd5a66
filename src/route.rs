//! Which call a method and a path are. Pure.

use hyper::Method;

/// Every call there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `GET /api/`
    ListRecords,
    /// `POST /api/`
    CreateRecords,
    /// `GET /api/{id}`
    ReadRecord(i64),
    /// `PUT /api/{id}`
    ReplaceRecord(i64),
    /// `PATCH /api/{id}`
    PatchRecord(i64),
    /// `DELETE /api/{id}`
    RemoveRecord(i64),
    /// `GET /api/{id}/history`
    ListHistory(i64),
    /// `GET /api/deploys`
    ListDeploys,
    /// `GET /api/current`
    ListCurrent,
    /// `GET /api/durations`
    ReadDurations,
    /// `GET /api/dora`
    ReadDora,
    /// `GET /api/events`
    ReadEvents,
    /// `GET /livez`
    Live,
    /// `GET /readyz`
    Ready,
    /// `GET /metrics`
    Metrics,
    /// `GET /openapi.json`
    Openapi,
    /// `GET /`
    Page,
    /// `GET /page/…`: what the page loads. Which there are, its handler knows.
    PageFile,
}

impl Route {
    /// The calls as they are told, in the order of [`Route::index`].
    pub const NAMES: [&str; 18] = [
        "GET /api/",
        "POST /api/",
        "GET /api/{id}",
        "PUT /api/{id}",
        "PATCH /api/{id}",
        "DELETE /api/{id}",
        "GET /api/{id}/history",
        "GET /api/deploys",
        "GET /api/current",
        "GET /api/durations",
        "GET /api/dora",
        "GET /api/events",
        "GET /livez",
        "GET /readyz",
        "GET /metrics",
        "GET /openapi.json",
        "GET /",
        "GET /page/{file}",
    ];

    /// Its place in [`Route::NAMES`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::ListRecords => 0,
            Self::CreateRecords => 1,
            Self::ReadRecord(_) => 2,
            Self::ReplaceRecord(_) => 3,
            Self::PatchRecord(_) => 4,
            Self::RemoveRecord(_) => 5,
            Self::ListHistory(_) => 6,
            Self::ListDeploys => 7,
            Self::ListCurrent => 8,
            Self::ReadDurations => 9,
            Self::ReadDora => 10,
            Self::ReadEvents => 11,
            Self::Live => 12,
            Self::Ready => 13,
            Self::Metrics => 14,
            Self::Openapi => 15,
            Self::Page => 16,
            Self::PageFile => 17,
        }
    }
}

/// Why there is no call.
#[derive(Debug, PartialEq, Eq)]
pub enum Miss {
    /// No method has this path.
    NotFound,
    /// Others do: the value of `Allow`.
    MethodNotAllowed(String),
    /// The method is `OPTIONS`: the value of `Allow`.
    Options(String),
    /// HTTP has no such method here.
    UnknownMethod,
}

/// The methods that calls have; `HEAD` goes wherever `GET` does.
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Finds the call, or tells why there is none.
pub fn find(method: &Method, path: &str) -> Result<Route, Miss> {
    let others = [Method::HEAD, Method::OPTIONS, Method::TRACE, Method::QUERY];
    let known = METHODS.contains(method) || others.contains(method);
    if !known {
        return Err(Miss::UnknownMethod);
    }
    if path == "*" && *method == Method::OPTIONS {
        return Err(Miss::Options("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS".to_owned()));
    }
    let asked = if *method == Method::HEAD { &Method::GET } else { method };
    if let Some(route) = exact(asked, path) {
        return Ok(route);
    }
    let allowed: Vec<_> = METHODS.iter().filter(|method| exact(method, path).is_some()).collect();
    if allowed.is_empty() {
        return Err(Miss::NotFound);
    }
    let mut names: Vec<_> = allowed.iter().map(|method| method.as_str()).collect();
    if allowed.contains(&&Method::GET) {
        names.insert(1, "HEAD");
    }
    names.push("OPTIONS");
    let allow = names.join(", ");
    Err(if *method == Method::OPTIONS { Miss::Options(allow) } else { Miss::MethodNotAllowed(allow) })
}

fn exact(method: &Method, path: &str) -> Option<Route> {
    let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    Some(match (method, segments.as_slice()) {
        (&Method::GET, [""]) => Route::Page,
        (&Method::GET, ["page", _]) => Route::PageFile,
        (&Method::GET, ["livez"]) => Route::Live,
        (&Method::GET, ["readyz"]) => Route::Ready,
        (&Method::GET, ["metrics"]) => Route::Metrics,
        (&Method::GET, ["openapi.json"]) => Route::Openapi,
        (&Method::GET, ["api"] | ["api", ""]) => Route::ListRecords,
        (&Method::POST, ["api"] | ["api", ""]) => Route::CreateRecords,
        (&Method::GET, ["api", "deploys"]) => Route::ListDeploys,
        (&Method::GET, ["api", "current"]) => Route::ListCurrent,
        (&Method::GET, ["api", "durations"]) => Route::ReadDurations,
        (&Method::GET, ["api", "dora"]) => Route::ReadDora,
        (&Method::GET, ["api", "events"]) => Route::ReadEvents,
        (&Method::GET, ["api", id]) => Route::ReadRecord(record_id(id)?),
        (&Method::PUT, ["api", id]) => Route::ReplaceRecord(record_id(id)?),
        (&Method::PATCH, ["api", id]) => Route::PatchRecord(record_id(id)?),
        (&Method::DELETE, ["api", id]) => Route::RemoveRecord(record_id(id)?),
        (&Method::GET, ["api", id, "history"]) => Route::ListHistory(record_id(id)?),
        _ => return None,
    })
}

/// A positive integer as it is answered: without sign or leading zeros.
fn record_id(segment: &str) -> Option<i64> {
    let canonical = segment.bytes().all(|byte| byte.is_ascii_digit()) && !segment.starts_with('0');
    segment.parse().ok().filter(|_| canonical)
}

#[cfg(test)]
mod tests {
    use hyper::Method;

    use super::{Miss, Route, find};

    #[test]
    fn api_is_the_same_with_and_without_its_slash() {
        for path in ["/api", "/api/"] {
            assert_eq!(find(&Method::GET, path), Ok(Route::ListRecords));
            assert_eq!(find(&Method::POST, path), Ok(Route::CreateRecords));
        }
    }

    #[test]
    fn head_goes_wherever_get_does() {
        assert_eq!(find(&Method::HEAD, "/api/17"), Ok(Route::ReadRecord(17)));
        assert_eq!(find(&Method::HEAD, "/livez"), Ok(Route::Live));
    }

    #[test]
    fn every_call_is_told_by_its_method_and_path() {
        for (index, name) in Route::NAMES.iter().enumerate() {
            let (method, path) = name.split_once(' ').unwrap();
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(find(&method, &path.replace("{id}", "17")).map(Route::index), Ok(index), "{name}");
        }
    }

    #[test]
    fn an_id_that_is_no_positive_integer_names_nothing() {
        for id in ["0", "-1", "+1", "01", "1.0", "x", "9223372036854775808", "1/", "%31"] {
            assert_eq!(find(&Method::GET, &format!("/api/{id}")), Err(Miss::NotFound), "{id}");
        }
    }

    #[test]
    fn what_a_path_does_have_is_told() {
        let allow = || "GET, HEAD, PUT, PATCH, DELETE, OPTIONS".to_owned();
        assert_eq!(find(&Method::POST, "/api/17"), Err(Miss::MethodNotAllowed(allow())));
        assert_eq!(find(&Method::OPTIONS, "/api/17"), Err(Miss::Options(allow())));
        assert_eq!(find(&Method::PUT, "/livez"), Err(Miss::MethodNotAllowed("GET, HEAD, OPTIONS".to_owned())));
        assert_eq!(find(&Method::from_bytes(b"BREW").unwrap(), "/api/"), Err(Miss::UnknownMethod));
    }
}
