//! Slow subscribers, the limit on subscribers, and shutdown.

use std::time::{Duration, Instant};

use serde_json::json;

use super::start_service;
use crate::harness::{DEPLOYED, Database, Subscriber, deployed_with, eventually};

#[test]
fn a_subscriber_that_does_not_read_is_disconnected_and_does_not_delay_others() {
    let service = start_service(&Database::new(), &[]);
    let mut slow = Subscriber::start(&service, "/api/events");
    let mut quick = Subscriber::start(&service, "/api/events?component=api");
    let run = "r".repeat(1_000);
    let url = format!("https://ci.example/{}", "u".repeat(1_900));
    let lines: String = (0..2_000)
        .map(|n| format!("{}\n", deployed_with(&json!({"run": run, "url": url, "version": n.to_string()}))))
        .collect();
    // Far more than the service and the socket buffers hold for one subscriber.
    for _ in 0..6 {
        service.import(&lines).expect(201);
    }
    service.record(&deployed_with(&json!({"component": "api"})));
    assert_eq!(quick.next().data["component"], "api");
    let mut received = 0;
    while slow.try_next().is_ok() {
        received += 1;
    }
    assert!(0 < received && received < 12_000, "{received}");
    let mut resumed = Subscriber::resume(&service, "/api/events", &slow.last_id);
    let last = resumed.take(12_000 - received).pop().unwrap();
    assert_eq!((&last.data["component"], &last.data["version"]), (&json!("web"), &json!("1999")), "no event is lost");
}

#[test]
fn the_number_of_subscribers_is_limited() {
    let service = start_service(&Database::new(), &[("DEPLOYLOG_MAX_EVENT_READERS", "8")]);
    let mut subscribers: Vec<_> = (0..8).map(|_| Subscriber::start(&service, "/api/events")).collect();
    let response = service.get("/api/events");
    assert_eq!(response.problem(503), "too many event subscribers: try again later");
    assert_eq!(response.header("retry-after"), Some("30"));
    service.record(DEPLOYED);
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.next().name, "recorded");
    }
    // The service notices a closed connection when it sends the next event.
    subscribers.truncate(3);
    eventually("the closed subscriptions are gone", || {
        service.record(DEPLOYED);
        service.get("/metrics").body.contains("deploylog_event_readers 3\n")
    });
    Subscriber::start(&service, "/api/events");
}

#[test]
fn the_service_ends_open_streams_cleanly_and_does_not_wait_for_them() {
    let mut service = start_service(&Database::new(), &[]);
    let mut subscribers: Vec<_> = (0..3).map(|_| Subscriber::start(&service, "/api/events")).collect();
    service.record(DEPLOYED);
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.next().data["id"], 1);
    }
    let began = Instant::now();
    assert!(service.stop().success());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    for subscriber in &mut subscribers {
        let end = subscriber.connection().chunk().expect("a clean end of the stream");
        assert!(end.is_empty());
    }
}
