//! What happens is seen without a reload, and so is that the connection is lost.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{DEPLOYED, Database, Service, eventually};
use crate::{browser::Browser, home, of};

const OPEN: &str = "section.open";
const LAST: &str = "section.last";

#[test]
fn a_deploy_appears_as_it_is_recorded_and_its_clock_stops_at_the_finish() {
    let service = Service::start();
    let browser = Browser::open();
    browser.go(&home(&service));
    browser.until_in("main", "No deploy is recorded yet");
    browser.until_in("#live", "Live");
    browser.run("window.isSame = true");

    service.record(&of("web", &json!({"status": "started"})).to_string());
    browser.until_in(OPEN, "running");
    assert!(browser.texts(OPEN)[0].contains("web 2.1"), "{:?}", browser.texts(OPEN));
    let clock = "document.querySelector('section.open [data-since]').textContent";
    let first = browser.see(clock);
    browser.until(&format!("{clock} !== {first}"));
    browser.until_in("#said", "web 2.1 started in production");

    let finished = service.record(&of("web", &json!({"status": "deployed"})).to_string());
    browser.until_in(LAST, "succeeded");
    browser.until_in(OPEN, "Nothing is running.");
    browser.until_in("#said", "web 2.1 succeeded in production");
    assert_eq!(browser.see("document.querySelectorAll('[data-since]').length"), 0, "no clock runs");
    let seconds = finished["duration_seconds"].as_f64().unwrap();
    assert_eq!(browser.texts("section.last .took"), [format!("{seconds:.1}s")]);
    assert_eq!(browser.see("window.isSame"), true, "nobody reloaded");
    browser.was_quiet(&home(&service));
}

#[test]
fn what_is_changed_and_deleted_is_seen_too_and_a_row_that_stays_is_the_same_element() {
    let service = Service::start();
    let kept = service.record(&of("kept", &json!({"status": "deployed"})).to_string());
    let gone = service.record(&of("gone", &json!({"status": "deployed"})).to_string());
    let browser = Browser::open();
    browser.go(&home(&service));
    browser.until_in(LAST, "gone");
    browser.until_in("#live", "Live");
    browser.run("document.querySelector('section.last a[href*=kept]').focus()");
    assert_eq!(service.send_json("DELETE", &format!("/api/{}", gone["id"]), "").status, 204);
    browser.until("!document.querySelector('section.last').innerText.includes('gone')");
    service.send_json("PATCH", &format!("/api/{}", kept["id"]), r#"{"version":"2.2"}"#).expect(200);
    browser.until_in(LAST, "kept 2.2");
    assert_eq!(browser.see("document.activeElement.innerText"), "kept", "the focus stays where it was");
    browser.was_quiet(&home(&service));
}

#[test]
fn a_filtered_view_learns_of_what_it_filters_only() {
    let service = Service::start();
    let browser = Browser::open();
    browser.go(&format!("{}?component=web", home(&service)));
    browser.until_in("#live", "Live");
    service.record(&of("other", &json!({"status": "deployed"})).to_string());
    service.record(&of("web", &json!({"status": "deployed"})).to_string());
    browser.until_in(LAST, "web");
    assert!(!browser.texts("main")[0].contains("other"));
    browser.was_quiet(&home(&service));
}

#[test]
fn that_the_connection_is_lost_is_seen_until_it_is_back() {
    let database = Database::new();
    let mut service = Service::with_database(&database);
    let address = service.address.to_string();
    service.record(DEPLOYED);
    let browser = Browser::open();
    browser.go(&home(&service));
    browser.until_in("#live", "Live");
    assert_eq!(browser.see("document.getElementById('lost').hidden"), true);

    service.stop();
    browser.until_in("#lost", "The live connection is lost.");
    browser.until_in("#live", "Not live");
    assert!(browser.texts(LAST)[0].contains("web"), "what was shown stays");

    let service = Service::with_environment(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_LISTEN", &address)]);
    service.record(&of("late", &json!({"status": "deployed"})).to_string());
    browser.until_in("#live", "Live");
    browser.until("document.getElementById('lost').hidden");
    browser.until_in(LAST, "late");
    browser.asked_only(&home(&service));
}

#[test]
fn a_button_tries_again_at_once_and_a_reader_that_is_turned_away_is_told_so() {
    let service = Service::start();
    let browser = Browser::open();
    browser.go(&home(&service));
    browser.until_in("#live", "Live");
    // As if the service had no place for this reader.
    browser.run(
        "window.real = fetch;
         window.fetch = (target, options) => target.startsWith('api/events')
           ? Promise.resolve(Response.json({title: 'Service Unavailable', detail: 'too many readers'}, {status: 503}))
           : window.real(target, options);
         document.getElementById('again').click()",
    );
    browser.until_in("#lost", "Service Unavailable (503): too many readers");
    service.record(DEPLOYED);
    browser.until_in(LAST, "web");
    browser.run("window.fetch = window.real; document.getElementById('again').click()");
    browser.until_in("#live", "Live");
    browser.until("document.getElementById('lost').hidden");
}

#[test]
fn a_burst_is_asked_after_at_most_about_once_a_second() {
    let service = Service::start();
    let browser = Browser::open();
    browser.go(&home(&service));
    browser.until_in("#live", "Live");
    let began = Instant::now();
    for number in 0.. {
        service.record(&of(&format!("c{number}"), &json!({"status": "deployed"})).to_string());
        if began.elapsed() > Duration::from_secs(4) {
            service.record(&of("last", &json!({"status": "deployed"})).to_string());
            break;
        }
    }
    browser.until_in(LAST, "last");
    let asked = browser.see(
        "performance.getEntriesByType('resource').filter((one) => /deploys.limit/.test(one.name)).map((one) => one.startTime)",
    );
    let asked: Vec<f64> = serde_json::from_value(asked).unwrap();
    assert!(asked.len() >= 3, "{asked:?}");
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] > 900.0), "{asked:?}");
}

#[test]
fn a_page_that_nobody_sees_holds_no_connection_and_misses_nothing() {
    let service = Service::start();
    let readers = || {
        let metrics = service.get("/metrics").body;
        let line = metrics.lines().find(|line| line.starts_with("deploylog_event_readers ")).expect("the metric");
        line.split(' ').nth(1).unwrap().to_owned()
    };
    let browser = Browser::open();
    browser.go(&home(&service));
    browser.until_in("#live", "Live");
    assert_eq!(readers(), "1");
    let is_seen = |state: &str| {
        browser.run(&format!(
            "Object.defineProperty(document, 'visibilityState', {{value: '{state}', configurable: true}});
             document.dispatchEvent(new Event('visibilitychange'))"
        ));
    };
    is_seen("hidden");
    // That a reader has gone the service learns when it tells it something.
    eventually("the reader is gone", || {
        service.record(&of("meanwhile", &json!({"status": "deployed"})).to_string());
        readers() == "0"
    });
    is_seen("visible");
    browser.until_in(LAST, "meanwhile");
    eventually("the reader is back", || readers() == "1");
    browser.was_quiet(&home(&service));
}
