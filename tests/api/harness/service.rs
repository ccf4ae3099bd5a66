//! The program as a process: a running service, or a command that runs to its end.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
};

use serde_json::Value;

use super::{Connection, Database, Response};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_deploylog");

/// A running service; killed when dropped.
pub struct Service {
    child: Child,
    pub address: SocketAddr,
}

impl Service {
    /// Starts a service on a new schema.
    pub fn start() -> Self {
        Self::with_database(&Database::new())
    }

    pub fn with_database(database: &Database) -> Self {
        Self::with_environment(&[("DATABASE_URL", &database.url())])
    }

    /// Starts a service on a new schema, unless these settings name another database.
    #[track_caller]
    pub fn with_settings(settings: &[(&str, &str)]) -> Self {
        let url = Database::new().url();
        let mut environment = vec![("DATABASE_URL", url.as_str())];
        environment.extend_from_slice(settings);
        Self::with_environment(&environment)
    }

    /// Starts a service with exactly these environment variables and waits until it is ready.
    #[track_caller]
    pub fn with_environment(environment: &[(&str, &str)]) -> Self {
        Self::wait_until_ready(Self::spawn(&[], environment))
    }

    /// Starts a service and waits only until it accepts connections, which it does before it is ready.
    pub fn start_unready(environment: &[(&str, &str)]) -> Self {
        // The service prints its address only once it is ready, so the test chooses a free port.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut environment = environment.to_vec();
        let listen = address.to_string();
        environment.push(("DEPLOYLOG_LISTEN", &listen));
        let service = Self { child: Self::spawn(&[], &environment), address };
        super::eventually("the service accepts connections", || std::net::TcpStream::connect(address).is_ok());
        service
    }

    #[track_caller]
    pub fn wait_until_ready(mut child: Child) -> Self {
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.trim_end().strip_prefix("ready on http://") else {
            let mut log = String::new();
            child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut log));
            panic!("the service did not start: {line}{log}")
        };
        Self { address: address.parse().unwrap(), child }
    }

    /// Spawns the program with these variables; of the test's own environment it inherits only the paths.
    pub fn spawn(arguments: &[&str], environment: &[(&str, &str)]) -> Child {
        // Lets the tests run against another build.
        let mut command = Command::new(std::env::var_os("DEPLOYLOG_BIN").unwrap_or_else(|| PROGRAM.into()));
        command.args(arguments).env_clear().env("DEPLOYLOG_LISTEN", "127.0.0.1:0");
        for name in ["PATH", "HOME", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("DEPLOYLOG_LOG_LEVEL", "error");
        // The host that the requests of the tests name.
        command.env("DEPLOYLOG_ALLOW_HOST", "test");
        // A service must not block on a full pipe that the test does not read.
        let is_serving = arguments.is_empty();
        command.envs(environment.iter().copied()).stdout(Stdio::piped()).stdin(Stdio::null());
        command.stderr(if is_serving { Stdio::inherit() } else { Stdio::piped() });
        command.spawn().expect("the program starts")
    }

    /// Runs the program to its end; returns its exit code and its standard output followed by its standard error.
    pub fn run_to_end(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
        let (code, out, err) = run(arguments, environment);
        (code, out + &err)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Sends SIGTERM and waits for the process to end.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Sends one request on a new connection.
    pub fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: Option<&str>) -> Response {
        self.connect().request(method, target, headers, body.map(str::as_bytes))
    }

    pub fn get(&self, target: &str) -> Response {
        self.request("GET", target, &[], None)
    }

    pub fn send_json(&self, method: &str, target: &str, json: &str) -> Response {
        self.request(method, target, &[("content-type", "application/json")], Some(json))
    }

    pub fn post(&self, json: &str) -> Response {
        self.send_json("POST", "/api/", json)
    }

    /// Posts NDJSON.
    pub fn import(&self, lines: &str) -> Response {
        self.request("POST", "/api/", &[("content-type", "application/x-ndjson")], Some(lines))
    }

    /// Posts a record that must be created, and returns it.
    #[track_caller]
    pub fn record(&self, json: &str) -> Value {
        self.post(json).expect(201)
    }

    /// The current state of a record.
    #[track_caller]
    pub fn read(&self, id: &Value) -> Value {
        self.get(&format!("/api/{id}")).expect(200)
    }

    /// All records, oldest first.
    #[track_caller]
    pub fn all_records(&self) -> Vec<Value> {
        let response = self.request("GET", "/api/", &[("accept", "application/x-ndjson")], None);
        assert_eq!(response.status, 200, "{response:?}");
        let mut records: Vec<Value> = response.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        records.reverse();
        records
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the program to its end; returns its exit code, standard output and standard error.
pub fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    let mut child = Service::spawn(arguments, environment);
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code().unwrap(), out, err)
}

/// A process that is suspended until this is dropped.
pub struct PausedProcess(u32);

impl PausedProcess {
    pub fn new(pid: u32) -> Self {
        signal(pid, "STOP");
        Self(pid)
    }
}

impl Drop for PausedProcess {
    fn drop(&mut self) {
        if std::fs::exists(format!("/proc/{}", self.0)).unwrap() {
            signal(self.0, "CONT");
        }
    }
}

/// Sends a signal, such as `KILL`.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap();
    assert!(status.success(), "no process {pid}");
}
