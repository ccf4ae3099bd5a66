//! A service process.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
};

use serde_json::Value;

use super::{Answer, Connection, Database};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_deploylog");

/// A running service; killed when it goes.
pub struct Service {
    child: Child,
    pub address: SocketAddr,
}

impl Service {
    /// One on a schema of its own.
    pub fn start() -> Self {
        Self::on(&Database::new())
    }

    /// One on this database.
    pub fn on(database: &Database) -> Self {
        Self::with(&[("DATABASE_URL", &database.url())])
    }

    /// One on a schema of its own, with these settings.
    #[track_caller]
    pub fn set(settings: &[(&str, &str)]) -> Self {
        let url = Database::new().url();
        let mut environment = vec![("DATABASE_URL", url.as_str())];
        environment.extend_from_slice(settings);
        Self::with(&environment)
    }

    /// One with these variables, once it is ready.
    #[track_caller]
    pub fn with(environment: &[(&str, &str)]) -> Self {
        Self::ready(Self::spawn(&[], environment))
    }

    /// One with these variables, once it accepts connections: it may not be ready for long.
    pub fn starting(environment: &[(&str, &str)]) -> Self {
        // Free a moment ago; the standard output names the address only once the service is ready.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut environment = environment.to_vec();
        let listen = address.to_string();
        environment.push(("DEPLOYLOG_LISTEN", &listen));
        let service = Self { child: Self::spawn(&[], &environment), address };
        super::eventually("it accepts connections", || std::net::TcpStream::connect(address).is_ok());
        service
    }

    /// This process, once it is ready.
    #[track_caller]
    pub fn ready(mut child: Child) -> Self {
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.trim_end().strip_prefix("ready on http://") else {
            let mut log = String::new();
            child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut log));
            panic!("the service did not start: {line}{log}")
        };
        Self { address: address.parse().unwrap(), child }
    }

    /// A process with these arguments and variables and nothing of the test's own surroundings but the path.
    pub fn spawn(arguments: &[&str], environment: &[(&str, &str)]) -> Child {
        // Another build of it, where one is named.
        let mut command = Command::new(std::env::var_os("DEPLOYLOG_BIN").unwrap_or_else(|| PROGRAM.into()));
        command.args(arguments).env_clear().env("DEPLOYLOG_LISTEN", "127.0.0.1:0");
        for kept in ["PATH", "HOME", "TMPDIR"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command.env("DEPLOYLOG_LOG_LEVEL", "error");
        // Who serves for long must not fill a pipe that nobody reads.
        let is_serving = arguments.is_empty();
        command.envs(environment.iter().copied()).stdout(Stdio::piped()).stdin(Stdio::null());
        command.stderr(if is_serving { Stdio::inherit() } else { Stdio::piped() });
        command.spawn().expect("the program starts")
    }

    /// Runs the program to its end: its exit code, and what it said.
    pub fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
        let mut child = Self::spawn(arguments, environment);
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (child.wait().unwrap().code().unwrap(), said)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for the process to end.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Asks it to end and waits for that.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// One request on a connection of its own.
    pub fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        self.connect().request(method, target, headers, body.map(str::as_bytes))
    }

    pub fn get(&self, target: &str) -> Answer {
        self.request("GET", target, &[], None)
    }

    /// Sends JSON.
    pub fn send(&self, method: &str, target: &str, json: &str) -> Answer {
        self.request(method, target, &[("content-type", "application/json")], Some(json))
    }

    pub fn post(&self, json: &str) -> Answer {
        self.send("POST", "/api/", json)
    }

    /// Sends NDJSON.
    pub fn import(&self, lines: &str) -> Answer {
        self.request("POST", "/api/", &[("content-type", "application/x-ndjson")], Some(lines))
    }

    /// Records this and answers what stands then.
    #[track_caller]
    pub fn record(&self, json: &str) -> Value {
        self.post(json).expect(201)
    }

    /// The record as it is now.
    #[track_caller]
    pub fn read(&self, id: &Value) -> Value {
        self.get(&format!("/api/{id}")).expect(200)
    }

    /// Everything recorded, oldest first.
    #[track_caller]
    pub fn all(&self) -> Vec<Value> {
        let answer = self.request("GET", "/api/", &[("accept", "application/x-ndjson")], None);
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut all: Vec<Value> = answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        all.reverse();
        all
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets a process run to its end: its exit code, and what it said on standard output and error.
pub fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    let mut child = Service::spawn(arguments, environment);
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code().unwrap(), out, err)
}

/// A process that is stopped until this goes.
pub struct Stopped(u32);

impl Stopped {
    pub fn new(pid: u32) -> Self {
        signal(pid, "STOP");
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if std::fs::exists(format!("/proc/{}", self.0)).unwrap() {
            signal(self.0, "CONT");
        }
    }
}

/// Sends a signal by its name.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap();
    assert!(status.success(), "no process {pid}");
}
