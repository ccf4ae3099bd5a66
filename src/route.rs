//! Maps a method and a path to a call. Pure.

use hyper::Method;

/// Defines the calls: each line has the name, the method and path as documented, and the pattern of the path's segments.
macro_rules! routes {
    ($($name:ident $(($id:ident))?: $method:ident $text:literal => $segments:pat,)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Route {
            $(#[doc = $text] $name $((routes!(@id $id)))?,)+
        }

        /// The routes without their parameters, numbered in order.
        enum Index {
            $($name,)+
        }

        impl Route {
            /// Method and path of every call, in the order of [`Route::index`].
            pub const NAMES: [&str; [$($text),+].len()] = [$($text),+];

            pub fn index(self) -> usize {
                match self {
                    $(Self::$name { .. } => Index::$name as usize,)+
                }
            }

            fn exact(method: &Method, path: &str) -> Option<Self> {
                let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
                Some(match (method, segments.as_slice()) {
                    $((&Method::$method, $segments) => Self::$name $((record_id($id)?))?,)+
                    _ => return None,
                })
            }
        }
    };
    (@id $id:ident) => { i64 };
}

routes! {
    ListRecords: GET "GET /api/" => ["api"] | ["api", ""],
    CreateRecords: POST "POST /api/" => ["api"] | ["api", ""],
    ListDeploys: GET "GET /api/deploys" => ["api", "deploys"],
    ListCurrent: GET "GET /api/current" => ["api", "current"],
    ReadDurations: GET "GET /api/durations" => ["api", "durations"],
    ReadDora: GET "GET /api/dora" => ["api", "dora"],
    ReadEvents: GET "GET /api/events" => ["api", "events"],
    ReadRecord(id): GET "GET /api/{id}" => ["api", id],
    ReplaceRecord(id): PUT "PUT /api/{id}" => ["api", id],
    PatchRecord(id): PATCH "PATCH /api/{id}" => ["api", id],
    RemoveRecord(id): DELETE "DELETE /api/{id}" => ["api", id],
    ListHistory(id): GET "GET /api/{id}/history" => ["api", id, "history"],
    Live: GET "GET /livez" => ["livez"],
    Ready: GET "GET /readyz" => ["readyz"],
    Metrics: GET "GET /metrics" => ["metrics"],
    Openapi: GET "GET /openapi.json" => ["openapi.json"],
    Page: GET "GET /" => [""],
    PageFile: GET "GET /page/{file}" => ["page", _],
}

/// Why a request matches no route.
#[derive(Debug, PartialEq, Eq)]
pub enum Miss {
    NotFound,
    /// With the value of `Allow`.
    MethodNotAllowed(String),
    /// The request is `OPTIONS`. With the value of `Allow`.
    Options(String),
    /// The method is none of RFC 9110.
    UnknownMethod,
}

/// The methods of routes. `HEAD` works wherever `GET` does.
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

pub fn find(method: &Method, path: &str) -> Result<Route, Miss> {
    let others = [Method::HEAD, Method::OPTIONS, Method::TRACE, Method::QUERY];
    if !METHODS.contains(method) && !others.contains(method) {
        return Err(Miss::UnknownMethod);
    }
    if path == "*" && *method == Method::OPTIONS {
        return Err(Miss::Options("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS".to_owned()));
    }
    let route_method = if *method == Method::HEAD { &Method::GET } else { method };
    if let Some(route) = Route::exact(route_method, path) {
        return Ok(route);
    }
    let mut allowed: Vec<_> = METHODS.iter().filter(|method| Route::exact(method, path).is_some()).collect();
    if allowed.is_empty() {
        return Err(Miss::NotFound);
    }
    if allowed.contains(&&Method::GET) {
        allowed.insert(1, &Method::HEAD);
    }
    allowed.push(&Method::OPTIONS);
    let allow = allowed.into_iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    Err(if *method == Method::OPTIONS { Miss::Options(allow) } else { Miss::MethodNotAllowed(allow) })
}

/// A positive integer without sign or leading zeros.
fn record_id(segment: &str) -> Option<i64> {
    let is_canonical = segment.bytes().all(|byte| byte.is_ascii_digit()) && !segment.starts_with('0');
    segment.parse().ok().filter(|_| is_canonical)
}

#[cfg(test)]
mod tests {
    use hyper::Method;

    use super::{Miss, Route, find};

    #[test]
    fn api_is_the_same_with_and_without_a_trailing_slash() {
        for path in ["/api", "/api/"] {
            assert_eq!(find(&Method::GET, path), Ok(Route::ListRecords));
            assert_eq!(find(&Method::POST, path), Ok(Route::CreateRecords));
        }
    }

    #[test]
    fn head_works_wherever_get_does() {
        assert_eq!(find(&Method::HEAD, "/api/17"), Ok(Route::ReadRecord(17)));
        assert_eq!(find(&Method::HEAD, "/livez"), Ok(Route::Live));
    }

    #[test]
    fn every_route_is_found_by_its_method_and_path() {
        for (index, name) in Route::NAMES.iter().enumerate() {
            let (method, path) = name.split_once(' ').unwrap();
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(find(&method, &path.replace("{id}", "17")).map(Route::index), Ok(index), "{name}");
        }
    }

    #[test]
    fn an_id_that_is_not_a_positive_integer_is_not_found() {
        for id in ["0", "-1", "+1", "01", "1.0", "x", "9223372036854775808", "1/", "%31"] {
            assert_eq!(find(&Method::GET, &format!("/api/{id}")), Err(Miss::NotFound), "{id}");
        }
    }

    #[test]
    fn allow_lists_the_methods_of_the_path() {
        let allow = || "GET, HEAD, PUT, PATCH, DELETE, OPTIONS".to_owned();
        assert_eq!(find(&Method::POST, "/api/17"), Err(Miss::MethodNotAllowed(allow())));
        assert_eq!(find(&Method::OPTIONS, "/api/17"), Err(Miss::Options(allow())));
        assert_eq!(find(&Method::PUT, "/livez"), Err(Miss::MethodNotAllowed("GET, HEAD, OPTIONS".to_owned())));
        assert_eq!(find(&Method::from_bytes(b"BREW").unwrap(), "/api/"), Err(Miss::UnknownMethod));
    }
}
