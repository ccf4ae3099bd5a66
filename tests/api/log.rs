//! The log of a real process. Text from clients, the database or the environment can neither split an entry nor control
//! a terminal.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::Child,
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use serde_json::{Value, json};

use crate::harness::{Connection, Database, Service, TempDirectory, deployed_with, eventually, postmaster_pid, signal};

/// Characters that set colours, end or overwrite a line, or change the writing direction. JSON does not escape those from
/// U+0085 on, and those from U+2028 on are not control characters in Unicode.
const HOSTILE: &str = "\u{1b}[31m\u{7}\r\n\u{7f}\u{85}\u{9b}2J\u{2028}\u{2029}\u{202e}\u{2066}\u{200f}\u{feff}";
/// Hostile text that the rules for names allow.
const HOSTILE_NAME: &str = "evil \u{2028}\u{2029}\u{202e}\u{2066}\u{200f}\u{feff} 部署";

/// A service process and its log.
struct LoggingService {
    child: Child,
    address: std::net::SocketAddr,
    log: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<()>,
}

impl LoggingService {
    fn start(format: &str, environment: &[(&str, &str)]) -> Self {
        let mut child = Service::spawn(&["--log-level=debug", "--log-format", format], environment);
        let mut stderr = child.stderr.take().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let read = log.clone();
        let reading = std::thread::spawn(move || {
            let mut part = [0; 8192];
            while let Ok(length @ 1..) = stderr.read(&mut part) {
                read.lock().unwrap().extend_from_slice(&part[..length]);
            }
        });
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let address = ready.trim_end().strip_prefix("ready on http://").expect("the ready line").parse().unwrap();
        Self { child, address, log, reading }
    }

    fn send(&self, target: &[u8], header: &[u8]) {
        let mut connection = Connection::open(self.address);
        connection.send([b"GET ", target, b" HTTP/1.1\r\nhost: test\r\nx-more: ", header, b"\r\n\r\n"].concat());
        connection.response();
    }

    fn has_logged(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.log.lock().unwrap()).contains(text)
    }

    /// Stops the process and returns the lines of its log.
    fn stop(mut self) -> Vec<String> {
        signal(self.child.id(), "TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.reading.join().unwrap();
        lines(std::mem::take(&mut self.log.lock().unwrap()))
    }
}

/// Splits a log into lines after checking that it contains no control or formatting characters.
#[track_caller]
fn lines(log: Vec<u8>) -> Vec<String> {
    let log = String::from_utf8(log).expect("UTF-8");
    let is_unsafe = |c: &char| c.is_control() || "\u{2028}\u{2029}\u{202e}\u{2066}\u{200f}\u{feff}".contains(*c);
    let found: Vec<_> = log.chars().filter(|c| *c != '\n').filter(is_unsafe).collect();
    assert_eq!(found, [], "{log:?}");
    log.strip_suffix('\n').expect("a last line").split('\n').map(str::to_owned).collect()
}

/// Sends hostile text through every channel that reaches the log. Returns the lines of the log.
fn attack(format: &str) -> Vec<String> {
    let database = Database::new();
    let service = LoggingService::start(format, &[("DATABASE_URL", &database.url())]);
    database.sql("alter table records add constraint no_evil check (owner not like 'evil%')");
    for target in ["/api/%0A%0D%1b%5B31m%c2%85%e2%80%a8", "/api/?%0a%1b[31m=%1b"] {
        service.send(target.as_bytes(), b"plain");
    }
    for raw in [HOSTILE_NAME.replace(' ', "").as_bytes(), "\u{85}\u{9b}2J\u{2028}".as_bytes(), b"\xff\xfe\x9b2J"] {
        service.send(&[b"/api/", raw].concat(), b"plain");
        service.send(b"/nowhere", raw);
    }
    // No parser accepts these.
    for raw in ["GET\u{1b}[31m / HTTP/1.1\r\n\r\n", "GET /\u{1b}[31m\n\n HTTP/1.1\r\n\r\n", HOSTILE] {
        let mut stream = TcpStream::connect(service.address).unwrap();
        stream.write_all(raw.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    // The error of the database quotes the rejected row on a line of its own.
    let record = deployed_with(&json!({ "owner": HOSTILE_NAME, "component": HOSTILE_NAME }));
    let mut connection = Connection::open(service.address);
    let headers = [("content-type", "application/json"), ("connection", "close")];
    connection.request("POST", "/api/", &headers, Some(record.as_bytes())).problem(500);
    service.stop()
}

#[test]
fn a_text_entry_is_one_line_without_control_characters() {
    let lines = attack("text");
    for line in &lines {
        let mut words = line.split_whitespace();
        assert!(words.next().is_some_and(|time| time.parse::<chrono::DateTime<chrono::Utc>>().is_ok()), "{line}");
        assert!(words.next().is_some_and(|level| ["DEBUG", "INFO", "WARN", "ERROR"].contains(&level)), "{line}");
    }
    let failed: Vec<_> = lines.iter().filter(|line| line.contains("no_evil")).collect();
    let [failed] = failed.as_slice() else { panic!("{lines:#?}") };
    assert!(
        failed.contains(r"\nDETAIL: ") && failed.contains(r"evil \u2028\u2029\u202e\u2066\u200f\ufeff 部署"),
        "{failed}"
    );
    assert!(lines.iter().filter(|line| line.contains(" answered")).count() >= 8, "{lines:#?}");
}

#[test]
fn a_json_entry_is_one_line_that_preserves_the_text() {
    let lines = attack("json");
    let entries: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    let errors: Vec<_> = entries.iter().filter_map(|entry| entry["fields"]["error"].as_str()).collect();
    let failed: Vec<_> = errors.iter().filter(|error| error.contains("no_evil")).collect();
    let [failed] = failed.as_slice() else { panic!("{lines:#?}") };
    assert!(failed.contains("\nDETAIL: ") && failed.contains(HOSTILE_NAME), "{failed:?}");
    assert!(entries.iter().any(|entry| entry["fields"]["path"] == "/api/\u{85}\u{9b}2J\u{2028}"), "{lines:#?}");
}

#[test]
fn each_startup_error_is_one_line() {
    let directory = TempDirectory::new();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let hostile = format!("{}/{HOSTILE}", file.display());
    for (environment, code, count) in [
        ([("DEPLOYLOG_DATA_DIR", hostile.as_str()), ("DEPLOYLOG_LOG_LEVEL", "off")], 69, 1),
        ([("DATABASE_URL_FILE", hostile.as_str()), ("DEPLOYLOG_LOG_FORMAT", HOSTILE)], 64, 2),
    ] {
        let output = Service::spawn(&["--listen=127.0.0.1:0"], &environment).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let lines = lines(output.stderr);
        let messages: Vec<_> = lines.iter().filter(|line| line.starts_with("deploylog: ")).collect();
        assert_eq!((messages.len(), lines.len()), (count, count), "{lines:#?}");
    }
}

#[test]
fn output_of_postgresql_is_logged_on_one_line_without_control_characters() {
    let directory = TempDirectory::new();
    // Without line ends, which the programs of PostgreSQL reject in a path.
    let data_dir = directory.path().join(HOSTILE.replace(['\r', '\n'], ""));
    for format in ["text", "json"] {
        let service = LoggingService::start(format, &[("DEPLOYLOG_DATA_DIR", data_dir.to_str().unwrap())]);
        let settings = data_dir.join("cluster/postgresql.conf");
        let valid = std::fs::read(&settings).unwrap();
        std::fs::write(&settings, [&valid, HOSTILE.as_bytes()].concat()).unwrap();
        signal(postmaster_pid(&data_dir), "KILL");
        // The message names the file and thus the hostile directory.
        eventually("the error is logged", || service.has_logged("contains errors"));
        std::fs::write(&settings, &valid).unwrap();
        let lines = service.stop();
        let relayed: Vec<_> = lines.iter().filter(|line| line.contains("contains errors")).collect();
        assert!(!relayed.is_empty() && relayed.iter().all(|line| line.contains("restarting in")), "{lines:#?}");
    }
}
