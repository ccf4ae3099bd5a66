//! Paging through the list.

use serde_json::{Value, json};

use super::{import, list};
use crate::harness::{DEPLOYED, Response, Service, deployed_with, percent_encode};

/// The target of the next page.
fn next(response: &Response) -> Option<&str> {
    let link = response.header("link")?;
    Some(link.strip_prefix('<').and_then(|link| link.strip_suffix(r#">; rel="next""#)).expect("a link to the next"))
}

/// Follows the links from this page to the last one and calls `between` after each page.
fn pages(service: &Service, first: &str, mut between: impl FnMut()) -> Vec<Vec<Value>> {
    let mut target = first.to_owned();
    let mut pages = Vec::new();
    loop {
        let response = service.get(&target);
        pages.push(response.expect(200).as_array().unwrap().clone());
        assert!(pages.len() < 100, "the pages do not end: {target}");
        let Some(next) = next(&response) else { return pages };
        assert!(next.starts_with("/api/?"), "not a path from the root: {next}");
        next.clone_into(&mut target);
        between();
    }
}

fn ids(records: &[Value]) -> Vec<i64> {
    records.iter().map(|record| record["id"].as_i64().unwrap()).collect()
}

#[test]
fn following_the_links_returns_every_record_once_in_pages_of_the_limit() {
    let service = Service::start();
    // Two imports: the records of one import share their recorded_at.
    import(&service, 13);
    import(&service, 12);
    let expected: Vec<i64> = (1..=25).rev().collect();
    for limit in [1, 7, 12, 24, 25, 26] {
        let pages = pages(&service, &format!("/api/?limit={limit}"), || ());
        assert_eq!(ids(&pages.concat()), expected, "{limit}");
        assert!(pages.iter().rev().skip(1).all(|page| page.len() == limit), "{limit}");
        assert!(pages.last().is_some_and(|page| !page.is_empty()), "{limit}");
    }
    import(&service, 80);
    let by_default = pages(&service, "/api", || ());
    assert_eq!(by_default.iter().map(Vec::len).collect::<Vec<_>>(), [100, 5]);
}

#[test]
fn the_links_keep_every_filter_and_encode_it() {
    let service = Service::start();
    let fields = json!({
        "component": "web & shop/ü=1?#%41+", "version": "2.1+b<>\"", "owner": "Åsa 🚀;,", "status": "In Progress",
        "environment": "é\\", "run": "folder/job#42", "stage": "Deploy / eu & us"
    });
    let mut query = "limit=2&phase=started&since=2026-01-01T00:00:00%2B01:00&until=2999-01-01T00:00:00Z".to_owned();
    for (field, value) in fields.as_object().unwrap() {
        for _ in 0..2 {
            service.record(&deployed_with(&fields));
            let mut other = fields.clone();
            other[field] = json!("started");
            service.record(&deployed_with(&other));
        }
        query.extend(["&", field, "=", &percent_encode(value.as_str().unwrap())]);
    }
    let pages = pages(&service, &format!("/api/?{query}"), || ());
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2; 7]);
    let expected: Vec<i64> = (0..14).map(|number| 27 - 2 * number).collect();
    assert_eq!(ids(&pages.concat()), expected);
}

#[test]
fn a_cursor_is_stable_while_records_are_added_and_deleted() {
    let service = Service::start();
    import(&service, 20);
    let mut last = 21;
    let pages = pages(&service, "/api/?limit=5", || {
        import(&service, 3);
        // The last record of the page, which the cursor names.
        last -= 5;
        assert_eq!(service.request("DELETE", &format!("/api/{last}"), &[], None).status, 204);
    });
    assert_eq!(ids(&pages.concat()), (1..=20).rev().collect::<Vec<_>>());
    assert_eq!(list(&service, "limit=1000").len(), 20 + 9 - 3);
}

#[test]
fn an_invalid_cursor_is_an_error_that_names_it() {
    let service = Service::start();
    import(&service, 2);
    let response = service.get("/api/?limit=1");
    let cursor = next(&response).and_then(|next| next.split_once("cursor=")).expect("a cursor").1;
    let cursor = cursor.split('&').next().unwrap();
    list(&service, &format!("cursor={cursor}"));
    for invalid in ["", "x", "1", "-", "0-", "-1-1", "1-2-3", "zz-1", &format!("{cursor}x"), &format!("{cursor}-1")] {
        let response = service.get(&format!("/api/?cursor={invalid}"));
        assert_eq!(response.bad_fields(400), ["cursor"], "{invalid}");
    }
}

#[test]
fn the_last_page_has_no_link() {
    let service = Service::start();
    assert_eq!(service.get("/api/").header("link"), None);
    service.record(DEPLOYED);
    assert_eq!(service.get("/api/?limit=1").header("link"), None);
    service.record(DEPLOYED);
    assert!(service.get("/api/?limit=1").header("link").is_some());
    assert_eq!(service.get("/api/?limit=2").header("link"), None);
    assert_eq!(service.get("/api/?limit=1&owner=bob").header("link"), None);
}
