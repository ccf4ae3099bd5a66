//! Many readers, slow ones, and the end.

use std::time::{Duration, Instant};

use serde_json::json;

use super::patient;
use crate::harness::{DEPLOYED, Database, Subscriber, deployed_with, eventually};

#[test]
fn a_reader_who_does_not_read_is_cut_and_slows_nobody() {
    let service = patient(&Database::new(), &[]);
    let mut slow = Subscriber::start(&service, "/api/events");
    let mut quick = Subscriber::start(&service, "/api/events?component=api");
    let run = "r".repeat(1_000);
    let url = format!("https://ci.example/{}", "u".repeat(1_900));
    let lines: String = (0..2_000)
        .map(|n| format!("{}\n", deployed_with(&json!({"run": run, "url": url, "version": n.to_string()}))))
        .collect();
    // Far more than is kept for it here and in the sockets between.
    for _ in 0..6 {
        service.import(&lines).expect(201);
    }
    service.record(&deployed_with(&json!({"component": "api"})));
    assert_eq!(quick.next().data["component"], "api");
    let mut heard = 0;
    while slow.try_next().is_ok() {
        heard += 1;
    }
    assert!(0 < heard && heard < 12_000, "{heard}");
    let mut resumed = Subscriber::resume(&service, "/api/events", &slow.last_id);
    let last = resumed.take(12_000 - heard).pop().unwrap();
    assert_eq!((&last.data["component"], &last.data["version"]), (&json!("web"), &json!("1999")), "nothing is lost");
}

#[test]
fn so_many_may_listen_and_no_more() {
    let service = patient(&Database::new(), &[("DEPLOYLOG_MAX_EVENT_READERS", "8")]);
    let mut subscribers: Vec<_> = (0..8).map(|_| Subscriber::start(&service, "/api/events")).collect();
    let response = service.get("/api/events");
    assert_eq!(response.problem(503), "as many read events as may at the same time: try again later");
    assert_eq!(response.header("retry-after"), Some("30"));
    service.record(DEPLOYED);
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.next().name, "recorded");
    }
    // Who has left is noticed when there is something to tell.
    subscribers.truncate(3);
    eventually("a place is free", || {
        service.record(DEPLOYED);
        service.get("/metrics").body.contains("deploylog_event_readers 3\n")
    });
    Subscriber::start(&service, "/api/events");
}

#[test]
fn the_end_of_the_service_is_the_end_of_the_stream_and_not_waited_for() {
    let mut service = patient(&Database::new(), &[]);
    let mut subscribers: Vec<_> = (0..3).map(|_| Subscriber::start(&service, "/api/events")).collect();
    service.record(DEPLOYED);
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.next().data["id"], 1);
    }
    let began = Instant::now();
    assert!(service.stop().success());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    for subscriber in &mut subscribers {
        let end = subscriber.connection().chunk().expect("ended, not cut");
        assert!(end.is_empty());
    }
}
