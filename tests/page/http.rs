//! The HTTP responses of the files of the page.

use crate::harness::Service;

#[test]
fn files_are_revalidated_and_allow_only_their_own_origin() {
    let service = Service::start();
    for (target, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/?view=environments&component=a%26b", "text/html; charset=utf-8"),
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
        let revalidated = service.request("GET", target, &[("if-none-match", etag)], None);
        assert_eq!((revalidated.status, revalidated.body.as_str()), (304, ""));
        assert_eq!(revalidated.header("etag"), Some(etag));
    }
}

#[test]
fn unknown_files_are_not_found() {
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
fn the_page_links_only_relative_files() {
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
