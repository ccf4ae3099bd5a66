//! The process: settings, output, exit codes and shutdown.

use std::io::{BufRead as _, BufReader, Read as _};

use serde_json::Value;

use crate::harness::{Connection, DEPLOYED, Database, PrivateCluster, Service, TempDirectory, run, signal, sql};

/// Starts the service and stops it once it is ready. Returns its ready line and its log.
fn start_and_stop(environment: &[(&str, &str)]) -> (String, String) {
    let mut child = Service::spawn(&["--log-level=info"], environment);
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    signal(child.id(), "TERM");
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{log}");
    (ready, log)
}

#[test]
fn all_invalid_settings_are_named_at_once_with_exit_code_64() {
    let environment = [("DEPLOYLOG_LISTEN", "nowhere"), ("DEPLOYLOG_BODY_TIMEOUT", "soon"), ("DATABASE_URL", "hst=a")];
    let (code, out, err) = run(&["--pool-size=0", "--frobnicate"], &environment);
    assert_eq!((code, out.as_str()), (64, ""));
    for named in ["DEPLOYLOG_LISTEN", "DEPLOYLOG_BODY_TIMEOUT", "DATABASE_URL", "--pool-size", "--frobnicate"] {
        assert!(err.contains(named), "{named} is not in:\n{err}");
    }
    assert!(err.lines().all(|line| line.starts_with("deploylog: ")), "{err}");
}

const SETTINGS: [(&str, &str); 20] = [
    ("--listen", "DEPLOYLOG_LISTEN"),
    ("--open", "DEPLOYLOG_OPEN"),
    ("--allow-host", "DEPLOYLOG_ALLOW_HOST"),
    ("--public-reads", "DEPLOYLOG_PUBLIC_READS"),
    ("--database-url", "DATABASE_URL"),
    ("--data-dir", "DEPLOYLOG_DATA_DIR"),
    ("--keep-days", "DEPLOYLOG_KEEP_DAYS"),
    ("--pool-size", "DEPLOYLOG_POOL_SIZE"),
    ("--pool-timeout", "DEPLOYLOG_POOL_TIMEOUT"),
    ("--connect-timeout", "DEPLOYLOG_CONNECT_TIMEOUT"),
    ("--statement-timeout", "DEPLOYLOG_STATEMENT_TIMEOUT"),
    ("--max-connections", "DEPLOYLOG_MAX_CONNECTIONS"),
    ("--max-connections-per-address", "DEPLOYLOG_MAX_CONNECTIONS_PER_ADDRESS"),
    ("--max-event-readers", "DEPLOYLOG_MAX_EVENT_READERS"),
    ("--max-body-memory", "DEPLOYLOG_MAX_BODY_MEMORY"),
    ("--header-timeout", "DEPLOYLOG_HEADER_TIMEOUT"),
    ("--body-timeout", "DEPLOYLOG_BODY_TIMEOUT"),
    ("--write-timeout", "DEPLOYLOG_WRITE_TIMEOUT"),
    ("--log-format", "DEPLOYLOG_LOG_FORMAT"),
    ("--log-level", "DEPLOYLOG_LOG_LEVEL"),
];

#[test]
fn help_names_every_setting_command_and_exit_code() {
    let (code, help, _) = run(&["--help"], &[]);
    assert_eq!(code, 0);
    let words: Vec<_> = help.split(|c: char| c.is_whitespace() || "[],=.".contains(c)).collect();
    for (flag, variable) in SETTINGS {
        assert!(words.contains(&flag) && words.contains(&variable), "{flag} or {variable} is not in:\n{help}");
    }
    for command in ["migrate", "token", "backup", "restore", "healthcheck", "load"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is not in:\n{help}");
    }
    for exit_code in ["0", "1", "64", "69"] {
        assert!(help.contains(&format!("\n  {exit_code} ")), "{exit_code} is not in:\n{help}");
    }
    assert!(words.contains(&"DATABASE_URL_FILE"), "{help}");
    assert!(help.lines().all(|line| line.chars().count() <= 100), "a line is too long for a terminal");
    assert_eq!(run(&["--version"], &[]).1, format!("deploylog {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_startup_line_names_version_address_and_database_but_no_password() {
    let database = Database::new();
    let (ready, log) = start_and_stop(&[("DATABASE_URL", &format!("{} password=s3cret", database.url()))]);
    let address = ready.trim_end().strip_prefix("ready on http://").unwrap();
    let line = log.lines().next().unwrap();
    for named in [concat!("deploylog ", env!("CARGO_PKG_VERSION")), address, "the database deploylog at /"] {
        assert!(line.contains(named), "{named} is not in: {line}");
    }
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn logs_are_json_lines_when_configured() {
    let database = Database::new();
    let (_, log) = start_and_stop(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_LOG_FORMAT", "json")]);
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["level"], "INFO");
}

#[test]
fn the_database_url_can_be_read_from_a_file() {
    let (database, directory) = (Database::new(), TempDirectory::new());
    let file = directory.path().join("url");
    std::fs::write(&file, database.url() + "\n").unwrap();
    start_and_stop(&[("DATABASE_URL_FILE", file.to_str().unwrap())]);
}

#[test]
fn an_address_in_use_stops_startup_with_an_error() {
    let service = Service::start();
    let address = service.address.to_string();
    let (code, _, err) = run(&["--listen", &address], &[("DATABASE_URL", "host=/nowhere")]);
    assert_eq!(code, 1);
    assert!(err.contains(&format!("cannot listen on {address}")), "{err}");
}

#[test]
fn an_unknown_variable_causes_one_warning_with_the_nearest_setting() {
    let database = Database::new();
    let url = database.url();
    let environment = [("DATABASE_URL", url.as_str()), ("DEPLOYLOG_KEEP_DAY", "9"), ("DEPLOYLOG_SERVICE_HOST", "a")];
    let (_, log) = start_and_stop(&environment);
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    for named in ["DEPLOYLOG_KEEP_DAY (the nearest setting is DEPLOYLOG_KEEP_DAYS)", "DEPLOYLOG_SERVICE_HOST"] {
        assert!(warnings[0].contains(named), "{log}");
    }
}

#[test]
fn a_mistake_causes_one_line_that_says_what_to_do() {
    for (arguments, message) in [
        (&["--lisen", "127.0.0.1:80"][..], "unknown flag --lisen (did you mean --listen?)"),
        (&["serve"], "serve is not a command: leave it out"),
        (&["--database-url", "mysql://x"], "DATABASE_URL must be a URL that begins with postgres://"),
    ] {
        let (code, out, err) = run(arguments, &[]);
        assert_eq!((code, out.as_str(), err.lines().count()), (64, "", 1), "{err}");
        assert!(err.contains(message), "{err}");
    }
}

#[test]
fn the_service_can_listen_on_localhost() {
    let database = Database::new();
    let (ready, _) = start_and_stop(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_LISTEN", "localhost:0")]);
    assert!(ready.starts_with("ready on http://127.0.0.1:"), "{ready}");
}

#[test]
fn healthcheck_exits_0_while_the_service_is_ready_and_1_once_it_is_gone() {
    let service = Service::start();
    let address = service.address.to_string();
    assert_eq!(run(&["healthcheck", "--listen", &address], &[]).0, 0);
    drop(service);
    let (code, _, err) = run(&["healthcheck", "--listen", &address], &[]);
    assert_eq!(code, 1);
    assert!(err.starts_with(&format!("deploylog: http://{address}/readyz does not respond: ")), "{err}");
}

#[test]
fn a_service_that_waits_for_its_database_stops_on_sigterm() {
    let mut child = Service::spawn(&["--log-level=warn"], &[("DATABASE_URL", "host=/nowhere user=ann")]);
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = log.next().unwrap().unwrap();
    assert!(line.contains("the database is not available yet"), "{line}");
    signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Starts a POST whose body the service now waits for.
fn begin_post(service: &Service) -> Connection {
    let mut connection = service.connect();
    let length = DEPLOYED.len();
    connection.send(format!(
        "POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         expect: 100-continue\r\n\r\n"
    ));
    assert_eq!(connection.head().status, 100);
    connection
}

#[test]
fn shutdown_finishes_requests_in_flight_and_accepts_no_connections() {
    let mut service = Service::start();
    let mut slow = begin_post(&service);
    // An idle connection does not delay the shutdown.
    let mut idle = service.connect();
    idle.request("GET", "/livez", &[], None).expect(200);
    service.signal("TERM");
    assert!(idle.is_closed());
    assert!(std::net::TcpStream::connect(service.address).is_err(), "it still listens");
    slow.send(DEPLOYED);
    assert_eq!(slow.response().status, 201);
    assert!(service.wait().success());
}

#[test]
fn shutdown_waits_at_most_eight_seconds() {
    let mut service = Service::start();
    let _unfinished = begin_post(&service);
    let began = std::time::Instant::now();
    assert!(service.stop().success());
    let waited = began.elapsed().as_secs_f64();
    assert!((7.9..10.0).contains(&waited), "{waited}");
}

#[test]
fn a_closed_log_pipe_does_not_stop_the_service() {
    let directory = TempDirectory::new();
    let environment = [("DEPLOYLOG_DATA_DIR", directory.as_str())];
    let mut child = Service::spawn(&["--log-level=debug"], &environment);
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    drop(child.stderr.take());
    let address = ready.trim_end().strip_prefix("ready on http://").unwrap().parse().unwrap();
    assert_eq!(Connection::open(address).request("GET", "/readyz", &[], None).status, 200);
    signal(child.id(), "INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!directory.path().join("cluster/postmaster.pid").exists(), "PostgreSQL still runs");
}

#[test]
fn shutdown_keeps_its_deadline_when_the_database_hangs() {
    let cluster = PrivateCluster::start();
    let mut service = Service::with_environment(&[("DATABASE_URL", &cluster.url())]);
    service.record(DEPLOYED);
    let backends = sql(&cluster.url(), "select pid from pg_stat_activity where application_name = 'deploylog'");
    let pids: Vec<u32> = backends.iter().map(|row| row[0].parse().unwrap()).chain([cluster.postmaster_pid()]).collect();
    for pid in &pids {
        signal(*pid, "STOP");
    }
    let mut connection = service.connect();
    connection.send(format!(
        "POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{DEPLOYED}",
        DEPLOYED.len()
    ));
    let began = std::time::Instant::now();
    let is_success = service.stop().success();
    for pid in &pids {
        signal(*pid, "CONT");
    }
    assert!(is_success && began.elapsed().as_secs_f64() < 9.9, "{:?}", began.elapsed());
}
