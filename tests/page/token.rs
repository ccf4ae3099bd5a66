//! The page asks for a token if reads require one.

use serde_json::json;

use crate::harness::{Database, Service, run};
use crate::{accessibility::assert_accessible, browser::Browser, page_url, record};

const INPUT: &str = "#token-form input";

fn create_token(database: &Database, name: &str, scope: &str) -> String {
    let arguments = ["token", "create", name, "--scope", scope];
    run(&arguments, &[("DATABASE_URL", &database.url())]).1.trim_end().to_owned()
}

fn record_with_token(service: &Service, token: &str, component: &str) {
    let (authorization, body) =
        (format!("Bearer {token}"), record(component, &json!({"status": "deployed"})).to_string());
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    service.request("POST", "/api/", &headers, Some(&body)).expect(201);
}

#[test]
fn the_page_asks_for_a_token_explains_a_refusal_and_goes_live_with_a_valid_one() {
    let database = Database::new();
    let (admin, read, write) = (
        create_token(&database, "all", "admin"),
        create_token(&database, "reader", "read"),
        create_token(&database, "ci", "write"),
    );
    let service = Service::with_database(&database);
    record_with_token(&service, &admin, "web");
    let browser = Browser::open();
    let page = page_url(&service);
    browser.go(&page);
    browser.wait_for_text("main", "This service requires a token");
    assert_eq!(browser.texts("#token ~ [role=alert]").concat(), "", "no error before the first attempt");
    assert_accessible(&browser, &[("token form", page.clone())]);

    browser.type_text(INPUT, "dl_nonsense\n");
    browser.wait_for_text("#token ~ [role=alert]", "the token is unknown or revoked");
    browser.eval(&format!("document.querySelector('{INPUT}').value = ''"));
    browser.type_text(INPUT, &format!("{write}\n"));
    browser.wait_for_text(
        "#token ~ [role=alert]",
        "needs a token with the scope read or admin; the token ci has the scope write",
    );

    browser.eval(&format!("document.querySelector('{INPUT}').value = ''"));
    browser.type_text(INPUT, &format!(" {read} "));
    browser.click("#token-form button");
    browser.wait_for_text("section.recent", "web");
    browser.wait_for_text("#live", "Live");
    record_with_token(&service, &admin, "later");
    browser.wait_for_text("section.recent", "later");

    // The tab keeps the token for other views, and no address or cookie contains it.
    browser.go(&format!("{page}?view=environments"));
    browser.wait_for_text("main", "later");
    assert_eq!(browser.eval("location.href.includes('dl_') || document.cookie !== ''"), false);
    assert_accessible(&browser, &[("with a token", page.clone())]);

    browser.click("#remove-token");
    browser.wait_for_text("main", "This service requires a token");
    assert!(!browser.texts("body").concat().contains("later"), "no data is left");
    browser.go(&page);
    browser.wait_for_text("main", "This service requires a token");
    browser.assert_requests_stay_in(&page);
}

#[test]
fn a_page_whose_token_is_revoked_asks_for_another() {
    let database = Database::new();
    let (admin, read) = (create_token(&database, "all", "admin"), create_token(&database, "reader", "read"));
    let service = Service::with_database(&database);
    record_with_token(&service, &admin, "web");
    let browser = Browser::open();
    browser.go(&page_url(&service));
    browser.type_text(INPUT, &format!("{read}\n"));
    browser.wait_for_text("#live", "Live");
    assert_eq!(run(&["token", "revoke", "reader"], &[("DATABASE_URL", &database.url())]).0, 0);
    browser.wait_for_text("#token ~ [role=alert]", "the token is unknown or revoked");
    browser.eval(&format!("document.querySelector('{INPUT}').value = ''"));
    browser.type_text(INPUT, &format!("{admin}\n"));
    browser.wait_for_text("section.recent", "web");
    browser.wait_for_text("#live", "Live");
}

#[test]
fn the_page_asks_for_no_token_if_reads_are_public() {
    let database = Database::new();
    create_token(&database, "all", "admin");
    let service = Service::with_environment(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_PUBLIC_READS", "true")]);
    let browser = Browser::open();
    browser.go(&page_url(&service));
    browser.wait_for_text("main", "No deploys recorded yet");
    browser.wait_for_text("#live", "Live");
    assert_eq!(browser.eval("document.getElementById('remove-token').hidden"), true);
    browser.assert_quiet(&page_url(&service));
}
