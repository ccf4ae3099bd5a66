//! Tokens never appear in logs or responses.

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
    let valid = out.trim_end();
    let unknown = format!("dl_{}", "w".repeat(43));
    assert!(!err.contains(valid), "{err}");
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
        for token in [valid, &unknown, &format!("{unknown} {valid}")] {
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str()), JSON];
            let mut request = |method: &str, target: &str, body: Option<&str>| {
                let response = Connection::open(address).request(method, target, &headers, body.map(str::as_bytes));
                assert!(!response.body.contains(valid) && !response.body.contains(&unknown), "{response:?}");
                statuses.push(response.status);
            };
            request("GET", "/api/", None);
            request("GET", &format!("/api/?access_token={valid}"), None);
            request("GET", "/metrics", None);
            request("PATCH", "/api/9007199254740991", Some("{}"));
            request("POST", "/api/", Some(DEPLOYED));
        }
        assert_eq!(statuses[..5], [200, 400, 200, 404, 201]);
        assert_eq!(statuses[5..], [401; 10]);
        signal(child.id(), "TERM");
        let log = reading.join().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(log.contains("answered") && log.contains("/metrics"), "the log lacks these requests: {log}");
        assert!(!log.contains(valid) && !log.contains(&unknown), "{log}");
    }
}
