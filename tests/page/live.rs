//! The page updates without a reload and shows when the connection is lost.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{DEPLOYED, Database, Service, eventually};
use crate::{browser::Browser, page_url, record};

const OPEN: &str = "section.open";
const RECENT: &str = "section.recent";

#[test]
fn a_deploy_appears_when_it_is_recorded_and_its_timer_stops_at_the_finish() {
    let service = Service::start();
    let browser = Browser::open();
    browser.go(&page_url(&service));
    browser.wait_for_text("main", "No deploys recorded yet");
    browser.wait_for_text("#live", "Live");
    browser.run("window.isSame = true");

    service.record(&record("web", &json!({"status": "started"})).to_string());
    browser.wait_for_text(OPEN, "running");
    assert!(browser.texts(OPEN)[0].contains("web 2.1"), "{:?}", browser.texts(OPEN));
    let clock = "document.querySelector('section.open [data-since]').textContent";
    let first = browser.eval(clock);
    browser.wait_for(&format!("{clock} !== {first}"));
    browser.wait_for_text("#announcements", "web 2.1 started in production");

    let finished = service.record(&record("web", &json!({"status": "deployed"})).to_string());
    browser.wait_for_text(RECENT, "succeeded");
    browser.wait_for_text(OPEN, "No deploys are running.");
    browser.wait_for_text("#announcements", "web 2.1 succeeded in production");
    assert_eq!(browser.eval("document.querySelectorAll('[data-since]').length"), 0, "no timer runs");
    let seconds = finished["duration_seconds"].as_f64().unwrap();
    assert_eq!(browser.texts("section.recent .took"), [format!("{seconds:.1}s")]);
    assert_eq!(browser.eval("window.isSame"), true, "the page was not reloaded");
    browser.assert_quiet(&page_url(&service));
}

#[test]
fn changes_and_deletions_appear_and_other_rows_keep_their_elements() {
    let service = Service::start();
    let kept = service.record(&record("kept", &json!({"status": "deployed"})).to_string());
    let gone = service.record(&record("gone", &json!({"status": "deployed"})).to_string());
    let browser = Browser::open();
    browser.go(&page_url(&service));
    browser.wait_for_text(RECENT, "gone");
    browser.wait_for_text("#live", "Live");
    browser.run("document.querySelector('section.recent a[href*=kept]').focus()");
    assert_eq!(service.send_json("DELETE", &format!("/api/{}", gone["id"]), "").status, 204);
    browser.wait_for("!document.querySelector('section.recent').innerText.includes('gone')");
    service.send_json("PATCH", &format!("/api/{}", kept["id"]), r#"{"version":"2.2"}"#).expect(200);
    browser.wait_for_text(RECENT, "kept 2.2");
    assert_eq!(browser.eval("document.activeElement.innerText"), "kept", "the focus stays where it was");
    browser.assert_quiet(&page_url(&service));
}

#[test]
fn a_filtered_view_receives_only_matching_events() {
    let service = Service::start();
    let browser = Browser::open();
    browser.go(&format!("{}?component=web", page_url(&service)));
    browser.wait_for_text("#live", "Live");
    service.record(&record("other", &json!({"status": "deployed"})).to_string());
    service.record(&record("web", &json!({"status": "deployed"})).to_string());
    browser.wait_for_text(RECENT, "web");
    assert!(!browser.texts("main")[0].contains("other"));
    browser.assert_quiet(&page_url(&service));
}

#[test]
fn a_lost_connection_is_shown_until_it_is_restored() {
    let database = Database::new();
    let mut service = Service::with_database(&database);
    let address = service.address.to_string();
    service.record(DEPLOYED);
    let browser = Browser::open();
    browser.go(&page_url(&service));
    browser.wait_for_text("#live", "Live");
    assert_eq!(browser.eval("document.getElementById('problem').hidden"), true);

    service.stop();
    browser.wait_for_text("#problem", "Live updates are interrupted.");
    browser.wait_for_text("#live", "Disconnected");
    assert!(browser.texts(RECENT)[0].contains("web"), "the data stays visible");

    let service = Service::with_environment(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_LISTEN", &address)]);
    service.record(&record("late", &json!({"status": "deployed"})).to_string());
    browser.wait_for_text("#live", "Live");
    browser.wait_for("document.getElementById('problem').hidden");
    browser.wait_for_text(RECENT, "late");
    browser.assert_requests_stay_in(&page_url(&service));
}

#[test]
fn a_button_reconnects_at_once_and_a_refused_subscription_is_explained() {
    let service = Service::start();
    let browser = Browser::open();
    browser.go(&page_url(&service));
    browser.wait_for_text("#live", "Live");
    // Simulates a service with too many subscribers.
    browser.run(
        "window.real = fetch;
         window.fetch = (target, options) => target.startsWith('api/events')
           ? Promise.resolve(Response.json({title: 'Service Unavailable', detail: 'too many event subscribers'}, {status: 503}))
           : window.real(target, options);
         document.getElementById('retry').click()",
    );
    browser.wait_for_text("#problem", "Service Unavailable (503): too many event subscribers");
    service.record(DEPLOYED);
    browser.wait_for_text(RECENT, "web");
    browser.run("window.fetch = window.real; document.getElementById('retry').click()");
    browser.wait_for_text("#live", "Live");
    browser.wait_for("document.getElementById('problem').hidden");
}

#[test]
fn a_burst_of_events_reloads_the_view_about_once_per_second() {
    let service = Service::start();
    let browser = Browser::open();
    browser.go(&page_url(&service));
    browser.wait_for_text("#live", "Live");
    let began = Instant::now();
    for number in 0.. {
        service.record(&record(&format!("c{number}"), &json!({"status": "deployed"})).to_string());
        if began.elapsed() > Duration::from_secs(4) {
            service.record(&record("last", &json!({"status": "deployed"})).to_string());
            break;
        }
    }
    browser.wait_for_text(RECENT, "last");
    let starts = browser.eval(
        "performance.getEntriesByType('resource').filter((entry) => /deploys.limit/.test(entry.name)).map((entry) => entry.startTime)",
    );
    let starts: Vec<f64> = serde_json::from_value(starts).unwrap();
    assert!(starts.len() >= 3, "{starts:?}");
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] > 900.0), "{starts:?}");
}

#[test]
fn a_hidden_page_holds_no_connection_and_misses_nothing() {
    let service = Service::start();
    let subscribers = || {
        let metrics = service.get("/metrics").body;
        let line = metrics.lines().find(|line| line.starts_with("deploylog_event_readers ")).expect("the metric");
        line.split(' ').nth(1).unwrap().to_owned()
    };
    let browser = Browser::open();
    browser.go(&page_url(&service));
    browser.wait_for_text("#live", "Live");
    assert_eq!(subscribers(), "1");
    let set_visibility = |state: &str| {
        browser.run(&format!(
            "Object.defineProperty(document, 'visibilityState', {{value: '{state}', configurable: true}});
             document.dispatchEvent(new Event('visibilitychange'))"
        ));
    };
    set_visibility("hidden");
    // The service notices that a subscriber has gone when it sends an event.
    eventually("the subscriber is gone", || {
        service.record(&record("meanwhile", &json!({"status": "deployed"})).to_string());
        subscribers() == "0"
    });
    set_visibility("visible");
    browser.wait_for_text(RECENT, "meanwhile");
    eventually("the subscriber is back", || subscribers() == "1");
    browser.assert_quiet(&page_url(&service));
}
