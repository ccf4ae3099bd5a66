//! Slow subscribers, the limit on subscribers, and shutdown.

use std::time::{Duration, Instant};

use serde_json::json;

use super::start_service;
use crate::harness::{DEPLOYED, Database, PrivateCluster, Service, Subscriber, deployed_with, eventually};

/// Imports events of 25 MB, far more than the service and the socket buffers hold for one subscriber.
fn import_large_records(service: &Service) {
    let run = "r".repeat(1_000);
    let url = format!("https://ci.example/{}", "u".repeat(1_900));
    let lines: String = (0..2_000)
        .map(|n| format!("{}\n", deployed_with(&json!({"run": run, "url": url, "version": n.to_string()}))))
        .collect();
    for _ in 0..4 {
        service.import(&lines).expect(201);
    }
}

#[test]
fn a_subscriber_that_reads_nothing_delays_no_event_of_another_and_loses_none() {
    // A private cluster, because transactions of other tests delay events.
    let cluster = PrivateCluster::start();
    let service = Service::with_environment(&[("DATABASE_URL", &cluster.url())]);
    let mut quick = Subscriber::start(&service, "/api/events?component=api");
    let api = deployed_with(&json!({"component": "api"}));
    let mut longest_delay = || {
        let delays = (0..5).map(|_| {
            let began = Instant::now();
            let record = service.record(&api);
            assert_eq!(quick.next().data, record);
            began.elapsed()
        });
        delays.max().unwrap()
    };
    let alone = longest_delay();
    let mut stuck = Subscriber::start(&service, "/api/events?component=web");
    import_large_records(&service);
    longest_delay();
    let beside_it = longest_delay();
    assert!(beside_it < alone + Duration::from_millis(300), "{beside_it:?} instead of {alone:?}");
    let versions: Vec<_> = stuck.take(8_000).into_iter().map(|event| event.data["version"].clone()).collect();
    assert_eq!(versions, (0..8_000).map(|n| json!((n % 2_000).to_string())).collect::<Vec<_>>());
    service.record(DEPLOYED);
    assert_eq!(stuck.next().data["version"], "2.1", "it gets new events again");
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
