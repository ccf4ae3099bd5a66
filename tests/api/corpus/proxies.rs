//! The corpus through the proxies that people put in front. What each makes of an entry is its own affair; but it and
//! the service must see the same requests, or one client's could be answered to another.

use std::{
    fs, io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

use super::{
    entry::{Entry, Step},
    play::{Script, Stage},
    service,
    wire::{Response, Wire},
};
use crate::harness::{Database, TempDirectory, eventually};

/// How long an answer may take that must come; the service gives a body two seconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long is listened for one that must not.
const SILENCE: Duration = Duration::from_millis(200);

/// Each with its configuration in `tests/proxies`, what starts it, and what tells its version.
const PROXIES: [(&str, &str, &[&str], &str); 4] = [
    ("haproxy", "haproxy.cfg", &["-db", "-f"], "-v"),
    ("nginx", "nginx.conf", &["-c"], "-v"),
    ("caddy", "Caddyfile", &["run", "--adapter", "caddyfile", "--config"], "version"),
    ("apache2", "apache2.conf", &["-D", "FOREGROUND", "-f"], "-v"),
];

#[test]
#[ignore = "needs the proxies: see tests/proxies/run"]
fn no_proxy_and_the_service_see_two_different_requests() {
    let service = service(&Database::new());
    let (stage, entries) = (Stage::new(&service), Entry::all());
    let reports = thread::scope(|scope| {
        let (stage, address, entries) = (&stage, service.address, &entries[..]);
        let run = |proxy| scope.spawn(move || report(stage, address, entries, proxy));
        let running: Vec<_> = PROXIES.iter().map(run).collect();
        running.into_iter().map(|running| running.join().unwrap()).collect::<Vec<_>>()
    });
    println!("\n| proxy | entries | requests | responses | stored | connections behind | smuggled |");
    println!("|---|---|---|---|---|---|---|");
    for (line, _) in &reports {
        println!("{line}");
    }
    let smuggled: Vec<_> = reports.into_iter().flat_map(|(_, smuggled)| smuggled).collect();
    assert!(smuggled.is_empty(), "\n{}", smuggled.join("\n"));
}

/// A line of the table, and what went wrong.
fn report(
    stage: &Stage,
    service: SocketAddr,
    entries: &[Entry],
    &(program, configuration, arguments, version): &(&str, &str, &[&str], &str),
) -> (String, Vec<String>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let proxy = Proxy::start(program, configuration, arguments, relay(service, opened.clone()));
    let (mut sent, mut answered, mut stored) = (0, 0, 0);
    let mut smuggled = Vec::new();
    for entry in entries {
        let script = stage.script();
        let responses = play(&script, proxy.address, entry);
        // Whatever is on the way still has come, when two more have.
        let are_sane = [(); 2].map(|()| is_sane(&stage.script(), proxy.address));
        let acknowledged = responses.iter().filter(|response| response.status == 201).count();
        let (requests, records) = (requests(entry), stage.stored(&script));
        // What is no request may be refused once more than it was sent.
        let taken = responses.iter().filter(|response| ![400, 408].contains(&response.status)).count();
        // Some proxies take who half-closes for gone, and give no answer to what they have passed on.
        let is_half_closed = entry.steps.iter().any(|step| matches!(step, Step::HalfClose));
        let is_kept_as_answered = records == acknowledged || is_half_closed && records <= requests;
        if taken > requests || !is_kept_as_answered || are_sane.contains(&false) {
            let statuses: Vec<_> = responses.iter().map(|response| response.status).collect();
            smuggled.push(format!("{program}: {}: {statuses:?}, {records} stored, then {are_sane:?}", entry.name));
        }
        sent += requests;
        answered += responses.len();
        stored += records;
    }
    let told = Command::new(program).arg(version).output().unwrap();
    let told = String::from_utf8([told.stdout, told.stderr].concat()).unwrap();
    let is_number = |word: &&str| word.contains('.') && word.bytes().any(|byte| byte.is_ascii_digit());
    let version = told.split([' ', '/', '\n']).find(is_number).unwrap_or_default();
    let (entries, opened, smuggled_count) = (entries.len(), opened.load(Ordering::Relaxed), smuggled.len());
    let line =
        format!("| {program} {version} | {entries} | {sent} | {answered} | {stored} | {opened} | {smuggled_count} |");
    (line, smuggled)
}

/// What the entry is answered through the proxy, interim answers left out: they are its own affair.
fn play(script: &Script, proxy: SocketAddr, entry: &Entry) -> Vec<Response> {
    let mut wire = Wire::open(proxy, PATIENCE);
    let mut responses = Vec::new();
    for step in &entry.steps {
        match step {
            Step::Send(bytes) => wire.send(&script.filled(bytes)),
            Step::HalfClose => wire.half_close(),
            Step::Response(expected) if expected.status < 200 => {}
            Step::Response(expected) => match wire.final_response(expected.is_head) {
                Ok(response) => responses.push(response),
                Err(_) => break,
            },
            Step::Open | Step::Closed => {
                wire.wait_at_most(SILENCE);
                while let Ok(response) = wire.final_response(false) {
                    responses.push(response);
                }
            }
        }
    }
    responses
}

/// Whether a good request through the proxy is answered, by its own answer.
fn is_sane(script: &Script, proxy: SocketAddr) -> bool {
    let mut wire = Wire::open(proxy, PATIENCE);
    let head =
        "POST /api/ HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n";
    wire.send(&script.filled(&[head, "{record}"].concat().into_bytes()));
    wire.final_response(false).is_ok_and(|response| {
        let record: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        response.status == 201 && record["component"] == script.component
    })
}

/// How many requests are in an entry, to whoever reads it most generously.
fn requests(entry: &Entry) -> usize {
    let of = |step: &Step| match step {
        Step::Send(bytes) => (bytes.windows(6).filter(|window| window == b" HTTP/").count(), 0),
        Step::Response(expected) if expected.status >= 200 => (0, 1),
        _ => (0, 0),
    };
    let (sent, answered): (Vec<_>, Vec<_>) = entry.steps.iter().map(of).unzip();
    sent.iter().sum::<usize>().max(answered.iter().sum())
}

/// Counts the connections that a proxy opens to the service: few, or nothing would be shown of their use by many.
fn relay(service: SocketAddr, opened: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for proxy in listener.incoming() {
            opened.fetch_add(1, Ordering::Relaxed);
            let (proxy, service) = (proxy?, TcpStream::connect(service)?);
            let (back, there) = (proxy.try_clone()?, service.try_clone()?);
            thread::spawn(move || pass(proxy, there));
            thread::spawn(move || pass(service, back));
        }
        io::Result::Ok(())
    });
    address
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let is_whole = io::copy(&mut from, &mut to).is_ok();
    let _ = to.shutdown(if is_whole { Shutdown::Write } else { Shutdown::Both });
}

/// A running proxy; killed when it goes.
struct Proxy {
    child: Child,
    address: SocketAddr,
    _directory: TempDirectory,
}

impl Proxy {
    fn start(program: &str, configuration: &str, arguments: &[&str], service: SocketAddr) -> Self {
        let directory = TempDirectory::new();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let text = fs::read_to_string(format!("{}/tests/proxies/{configuration}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let text = text.replace("{port}", &address.port().to_string());
        let text = text.replace("{service}", &service.to_string()).replace("{directory}", directory.as_str());
        let file = directory.path().join(configuration);
        fs::write(&file, text).unwrap();
        let output = directory.path().join("output");
        let log = fs::File::create(&output).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).arg(file).env("HOME", directory.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect(program);
        let mut proxy = Self { child, address, _directory: directory };
        eventually("the proxy listens", || {
            let is_running = proxy.child.try_wait().unwrap().is_none();
            assert!(is_running, "{program}: {}", fs::read_to_string(&output).unwrap());
            TcpStream::connect(address).is_ok()
        });
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
