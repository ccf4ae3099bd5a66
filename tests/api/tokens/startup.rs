//! Without a token the service listens only on loopback addresses, unless it is started with `--open` and `--allow-host`.

use std::io::{BufRead as _, BufReader, Read as _};

use super::{Client, create};
use crate::harness::{DEPLOYED, Database, Service, TempDirectory, eventually, run, signal};

const EVERYWHERE: (&str, &str) = ("DEPLOYLOG_LISTEN", "0.0.0.0:0");

/// Starts the service and stops it once it is ready. Returns its ready line, exit code and log.
fn start_and_stop(arguments: &[&str], environment: &[(&str, &str)]) -> (String, Option<i32>, String) {
    let mut child = Service::spawn(&[&["--log-level=error"], arguments].concat(), environment);
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    if !ready.is_empty() {
        signal(child.id(), "TERM");
    }
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    (ready, child.wait().unwrap().code(), log)
}

#[test]
fn without_a_token_the_service_listens_on_other_addresses_only_if_open_and_with_its_hosts() {
    let database = Database::new();
    let url = database.url();
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let environment = [("DATABASE_URL", url.as_str()), ("DEPLOYLOG_LISTEN", listen), ("DEPLOYLOG_ALLOW_HOST", "")];
        let (code, out, err) = run(&["--pool-size=5"], &environment);
        if err.contains("cannot listen on [::]") {
            continue; // This machine has no IPv6.
        }
        assert_eq!((code, out.as_str()), (64, ""), "{err}");
        assert!(err.contains("deploylog token create NAME --scope admin") && err.contains("--open"), "{err}");
        let (code, out, err) = run(&["--pool-size=5", "--open"], &environment);
        assert_eq!((code, out.as_str()), (64, ""), "{err}");
        assert!(err.contains("--open (DEPLOYLOG_OPEN=true) also requires --allow-host HOST"), "{err}");
    }
    assert_eq!(database.sql("select count(*) from heartbeats"), [["0"]], "a heartbeat remains");
    let directory = TempDirectory::new();
    let (code, ..) = run(&["--pool-size=5"], &[("DEPLOYLOG_DATA_DIR", directory.as_str()), EVERYWHERE]);
    assert_eq!(code, 64);
    assert!(!directory.path().join("cluster/postmaster.pid").exists(), "PostgreSQL still runs");
}

#[test]
fn with_a_token_or_open_and_its_hosts_the_service_listens_on_any_address() {
    let database = Database::new();
    let url = database.url();
    let named = [("DATABASE_URL", url.as_str()), EVERYWHERE];
    for (arguments, environment) in
        [(&["--open"][..], &named[..]), (&[], &[named[0], named[1], ("DEPLOYLOG_OPEN", "true")])]
    {
        let (ready, code, log) = start_and_stop(arguments, environment);
        assert!(ready.starts_with("ready on http://0.0.0.0:"), "{log}");
        assert_eq!(code, Some(0));
    }
    create(&database, "ci", "write", &[]);
    assert!(start_and_stop(&[], &named).0.starts_with("ready on"));
    assert_eq!(run(&["token", "revoke", "ci"], &named).0, 0);
    assert!(start_and_stop(&[], &named).0.starts_with("ready on"), "a revoked token still requires tokens");
    let wrong = [named[0], named[1], ("DEPLOYLOG_OPEN", "yes"), ("DEPLOYLOG_ALLOW_HOST", "http://ci")];
    let (_, code, log) = start_and_stop(&[], &wrong);
    assert_eq!(code, Some(64));
    assert!(log.contains("DEPLOYLOG_ALLOW_HOST (--allow-host) must be host names such as"), "{log}");
    assert!(log.contains("DEPLOYLOG_OPEN (--open) must be true or false"), "{log}");
}

#[test]
fn loopback_is_open_until_the_first_token_is_created_and_never_again() {
    let database = Database::new();
    let service = Service::with_environment(&[
        ("DATABASE_URL", &database.url()),
        ("DEPLOYLOG_LISTEN", "127.9.9.9:0"),
        ("DEPLOYLOG_OPEN", "true"),
    ]);
    service.record(DEPLOYED);
    let token = create(&database, "ci", "write", &[]);
    let made = std::time::Instant::now();
    eventually("a token is needed", || service.post(DEPLOYED).status == 401);
    assert!(made.elapsed().as_secs_f64() < 5.0);
    Client::new(&service, &token).post(DEPLOYED).expect(201);
    assert_eq!(run(&["token", "revoke", "ci"], &[("DATABASE_URL", &database.url())]).0, 0);
    eventually("the revoked token is rejected", || Client::new(&service, &token).post(DEPLOYED).status == 401);
    service.post(DEPLOYED).problem(401);
    let new = create(&database, "known", "admin", &[]);
    eventually("the new token is known", || Client::new(&service, &new).get("/api/").status == 200);
    // As after a failover to a standby that lacks the tokens.
    database.sql("delete from tokens");
    eventually("the token is unknown again", || Client::new(&service, &new).get("/api/").status == 401);
    service.get("/api/").problem(401);
}
