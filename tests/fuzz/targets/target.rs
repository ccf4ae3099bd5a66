//! The request target: route, query parameters and cursors.

use deploylog::{
    domain::{
        cursor::{CurrentCursor, Cursor as _, DeployCursor, HistoryCursor, NameCursor, RecordCursor},
        event::Position,
        record::{FieldError, format_time, is_blank},
    },
    error::Error,
    request::Query,
    route::{Miss, Route, find},
};
use hyper::Method;

/// `data` is a method, a space and a target.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (method, target) = text.split_once(' ').unwrap_or(("GET", text));
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    if let Ok(method) = method.parse() {
        route(&method, path);
    }
    parameters(query);
    cursors(query.unwrap_or(target));
}

fn route(method: &Method, path: &str) {
    match find(method, path) {
        Ok(route) => {
            assert!(path.starts_with('/'));
            assert!(Route::NAMES[route.index()].contains(if *method == Method::HEAD {
                "GET"
            } else {
                method.as_str()
            }));
            if let Route::ReadRecord(id) | Route::ReplaceRecord(id) | Route::PatchRecord(id) | Route::RemoveRecord(id) =
                route
            {
                assert!(id > 0);
                assert_eq!(path, format!("/api/{id}"));
            }
        }
        Err(Miss::MethodNotAllowed(allow) | Miss::Options(allow)) => {
            for allowed in allow.split(", ").filter(|allowed| path != "*" && *allowed != "OPTIONS") {
                assert_ne!(allowed, method.as_str());
                assert!(find(&allowed.parse().unwrap(), path).is_ok(), "{allowed} {path}");
            }
        }
        Err(Miss::NotFound) => {
            for other in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert_eq!(find(&other, path), Err(Miss::NotFound));
            }
        }
        Err(Miss::UnknownMethod) => assert!(find(method, "/").is_err()),
    }
}

fn parameters(query: Option<&str>) {
    let mut parsed = Query::parse(query);
    let component = parsed.text("component", 200);
    let since = parsed.time("since");
    let errors = match parsed.finish() {
        Ok(()) => Vec::new(),
        Err(Error::Fields(errors)) => errors,
        Err(other) => panic!("{other:?}"),
    };
    for FieldError { reason, .. } in &errors {
        assert!(!reason.is_empty());
    }
    if let Some(component) = &component {
        assert!(component.chars().count() <= 200 && !component.chars().any(char::is_control));
        assert!(!is_blank(component));
    }
    // Encoding the parsed values again gives the same values.
    let encoded =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let mut again = String::new();
    if let Some(component) = &component {
        again += &format!("component={}&", encoded(component));
    }
    if let Some(since) = since {
        again += &format!("since={}", encoded(&format_time(since)));
    }
    let mut parsed = Query::parse(Some(&again));
    assert_eq!((parsed.text("component", 200), parsed.time("since")), (component, since));
    assert!(parsed.finish().is_ok());
    // No parameter is ignored.
    let is_empty = query.unwrap_or_default().split('&').all(str::is_empty);
    assert!(is_empty || !errors.is_empty() || !again.is_empty());
}

/// A text is a valid cursor only in its canonical form.
fn cursors(text: &str) {
    let read = [
        RecordCursor::parse(text).map(|cursor| cursor.to_string()),
        DeployCursor::parse(text).map(|cursor| cursor.to_string()),
        CurrentCursor::parse(text).map(|cursor| cursor.to_string()),
        HistoryCursor::parse(text).map(|cursor| cursor.to_string()),
        NameCursor::parse(text).map(|cursor| cursor.to_string()),
        Position::parse(text).map(|position| position.to_string()),
    ];
    for read in read.into_iter().flatten() {
        assert_eq!(read, text);
    }
}
