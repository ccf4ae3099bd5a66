//! Where reads need a token the page asks for one.

use serde_json::json;

use crate::harness::{Database, Service, run};
use crate::{access::finds_nothing, browser::Browser, home, of};

const INPUT: &str = "#give input";

fn create(database: &Database, name: &str, scope: &str) -> String {
    let arguments = ["token", "create", name, "--scope", scope];
    run(&arguments, &[("DATABASE_URL", &database.url())]).1.trim_end().to_owned()
}

/// Records one more deploy of this component, with a token.
fn record(service: &Service, token: &str, component: &str) {
    let (authorization, body) = (format!("Bearer {token}"), of(component, &json!({"status": "deployed"})).to_string());
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    service.request("POST", "/api/", &headers, Some(&body)).expect(201);
}

#[test]
fn the_page_asks_for_a_token_says_that_one_is_wrong_and_is_live_with_the_right_one() {
    let database = Database::new();
    let (admin, read, write) =
        (create(&database, "all", "admin"), create(&database, "reader", "read"), create(&database, "ci", "write"));
    let service = Service::with_database(&database);
    record(&service, &admin, "web");
    let browser = Browser::open();
    let home = home(&service);
    browser.go(&home);
    browser.until_in("main", "This service asks for a token");
    assert_eq!(browser.texts("#token ~ [role=alert]").concat(), "", "nothing was wrong yet");
    finds_nothing(&browser, &[("asks", home.clone())]);

    browser.write(INPUT, "dl_nonsense\n");
    browser.until_in("#token ~ [role=alert]", "the token is unknown or revoked");
    browser.see(&format!("document.querySelector('{INPUT}').value = ''"));
    browser.write(INPUT, &format!("{write}\n"));
    browser.until_in("#token ~ [role=alert]", "needs a token with the scope read or admin, and ci has write");

    browser.see(&format!("document.querySelector('{INPUT}').value = ''"));
    browser.write(INPUT, &format!(" {read} "));
    browser.click("#give button");
    browser.until_in("section.last", "web");
    browser.until_in("#live", "Live");
    record(&service, &admin, "later");
    browser.until_in("section.last", "later");

    // It stays with the tab, is in no address, and other views have it too.
    browser.go(&format!("{home}?view=where"));
    browser.until_in("main", "later");
    assert_eq!(browser.see("location.href.includes('dl_') || document.cookie !== ''"), false);
    finds_nothing(&browser, &[("with a token", home.clone())]);

    browser.click("#forget");
    browser.until_in("main", "This service asks for a token");
    assert!(!browser.texts("body").concat().contains("later"), "what was shown is gone");
    browser.go(&home);
    browser.until_in("main", "This service asks for a token");
    browser.asked_only(&home);
}

#[test]
fn a_page_whose_token_is_revoked_asks_for_another() {
    let database = Database::new();
    let (admin, read) = (create(&database, "all", "admin"), create(&database, "reader", "read"));
    let service = Service::with_database(&database);
    record(&service, &admin, "web");
    let browser = Browser::open();
    browser.go(&home(&service));
    browser.write(INPUT, &format!("{read}\n"));
    browser.until_in("#live", "Live");
    assert_eq!(run(&["token", "revoke", "reader"], &[("DATABASE_URL", &database.url())]).0, 0);
    browser.until_in("#token ~ [role=alert]", "it was revoked");
    browser.see(&format!("document.querySelector('{INPUT}').value = ''"));
    browser.write(INPUT, &format!("{admin}\n"));
    browser.until_in("section.last", "web");
    browser.until_in("#live", "Live");
}

#[test]
fn where_reads_are_public_the_page_asks_for_nothing() {
    let database = Database::new();
    create(&database, "all", "admin");
    let service = Service::with_environment(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_PUBLIC_READS", "true")]);
    let browser = Browser::open();
    browser.go(&home(&service));
    browser.until_in("main", "No deploy is recorded yet");
    browser.until_in("#live", "Live");
    assert_eq!(browser.see("document.getElementById('forget').hidden"), true);
    browser.was_quiet(&home(&service));
}
