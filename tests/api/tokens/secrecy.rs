//! A token is nowhere but with its bearer.

use std::io::{BufRead as _, BufReader, Read as _};

use super::JSON;
use crate::harness::{Connection, DEPLOYED, Database, Service, run, signal};

#[test]
fn no_log_contains_a_token_even_at_trace_level() {
    let database = Database::new();
    let url = database.url();
    let trace = [("DATABASE_URL", url.as_str()), ("DEPLOYLOG_LOG_LEVEL", "trace")];
    let (code, out, err) = run(&["token", "create", "all", "--scope=admin"], &trace);
    assert_eq!(code, 0, "{err}");
    let right = out.trim_end();
    let wrong = format!("dl_{}", "w".repeat(43));
    assert!(!err.contains(right), "{err}");
    for format in ["text", "json"] {
        let mut child = Service::spawn(&["--log-level=trace", "--log-format", format], &trace[..1]);
        let mut stderr = child.stderr.take().unwrap();
        let reading = std::thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        });
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let address = ready.trim_end().strip_prefix("ready on http://").unwrap().parse().unwrap();
        let mut statuses = Vec::new();
        for token in [right, &wrong, &format!("{wrong} {right}")] {
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str()), JSON];
            let mut ask = |method: &str, target: &str, body: Option<&str>| {
                let response = Connection::open(address).request(method, target, &headers, body.map(str::as_bytes));
                assert!(!response.body.contains(right) && !response.body.contains(&wrong), "{response:?}");
                statuses.push(response.status);
            };
            ask("GET", "/api/", None);
            ask("GET", &format!("/api/?access_token={right}"), None);
            ask("GET", "/metrics", None);
            ask("PATCH", "/api/9007199254740991", Some("{}"));
            ask("POST", "/api/", Some(DEPLOYED));
        }
        assert_eq!(statuses[..5], [200, 400, 200, 404, 201]);
        assert_eq!(statuses[5..], [401; 10]);
        signal(child.id(), "TERM");
        let log = reading.join().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(log.contains("answered") && log.contains("/metrics"), "it tells of these requests: {log}");
        assert!(!log.contains(right) && !log.contains(&wrong), "{log}");
    }
}
