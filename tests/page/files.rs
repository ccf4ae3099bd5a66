//! The page as HTTP sees it.

use crate::harness::Service;

#[test]
fn the_page_may_load_from_its_origin_only_and_is_asked_for_anew_each_time() {
    let service = Service::start();
    for (target, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/?view=where&component=a%26b", "text/html; charset=utf-8"),
        ("/page/page.css", "text/css; charset=utf-8"),
        ("/page/page.js", "text/javascript; charset=utf-8"),
        ("/page/icon.svg", "image/svg+xml"),
    ] {
        let response = service.get(target);
        assert_eq!(response.status, 200, "{target}");
        assert_eq!(response.header("content-type"), Some(content_type));
        assert_eq!(response.header("cache-control"), Some("no-cache"));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        let policy = response.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
        let head = service.request("HEAD", target, &[], None);
        assert_eq!((head.status, head.header("etag")), (200, response.header("etag")));
        let etag = response.header("etag").expect("an entity tag");
        let again = service.request("GET", target, &[("if-none-match", etag)], None);
        assert_eq!((again.status, again.body.as_str()), (304, ""));
        assert_eq!(again.header("etag"), Some(etag));
    }
}

#[test]
fn what_the_page_does_not_have_is_not_there() {
    let service = Service::start();
    for target in ["/page/", "/page/none.js", "/page/../page.rs", "/index.html", "/page/index.html"] {
        service.get(target).problem(404);
    }
    service.request("GET", "/", &[("accept", "application/json")], None).problem(406);
    service.post("{}").problem(400);
    let refused = service.request("POST", "/", &[], Some(""));
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
}

#[test]
fn the_page_addresses_nothing_but_what_lies_beside_it() {
    let service = Service::start();
    let html = service.get("/").body;
    let addresses: Vec<_> = ["href=\"", "src=\""].iter().flat_map(|name| html.split(name).skip(1)).collect();
    assert!(addresses.len() > 5);
    for address in addresses {
        let address = address.split('"').next().unwrap();
        assert!(!address.starts_with('/') && !address.contains("//"), "{address}");
        if address.starts_with("page/") {
            assert_eq!(service.get(&format!("/{address}")).status, 200, "{address}");
        }
    }
}
