//! Sends the corpus through common reverse proxies. A proxy can refuse or rewrite a request, but it and the service must
//! agree on where each request ends; otherwise one client could get another's response.

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
    play::{Placeholders, Player},
    service,
    wire::{Response, Wire},
};
use crate::harness::{Database, TempDirectory, eventually};

/// How long an expected response can take; the service's body timeout is two seconds.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait for a response that must not come.
const QUIET_PERIOD: Duration = Duration::from_millis(200);

/// Program, configuration in `tests/proxies`, arguments to start it, argument to print its version.
const PROXIES: [(&str, &str, &[&str], &str); 4] = [
    ("haproxy", "haproxy.cfg", &["-db", "-f"], "-v"),
    ("nginx", "nginx.conf", &["-c"], "-v"),
    ("caddy", "Caddyfile", &["run", "--adapter", "caddyfile", "--config"], "version"),
    ("apache2", "apache2.conf", &["-D", "FOREGROUND", "-f"], "-v"),
];

#[test]
#[ignore = "needs the proxies: see tests/proxies/run"]
fn every_proxy_and_the_service_agree_on_the_requests_they_see() {
    let service = service(&Database::new());
    let (player, entries) = (Player::new(&service), Entry::all());
    let reports = thread::scope(|scope| {
        let (player, address, entries) = (&player, service.address, &entries[..]);
        let run = |proxy| scope.spawn(move || report(player, address, entries, proxy));
        let running: Vec<_> = PROXIES.iter().map(run).collect();
        running.into_iter().map(|running| running.join().unwrap()).collect::<Vec<_>>()
    });
    println!("\n| proxy | entries | requests | responses | stored | connections to the service | smuggled |");
    println!("|---|---|---|---|---|---|---|");
    for (line, _) in &reports {
        println!("{line}");
    }
    let smuggled: Vec<_> = reports.into_iter().flat_map(|(_, smuggled)| smuggled).collect();
    assert!(smuggled.is_empty(), "\n{}", smuggled.join("\n"));
}

/// Plays all entries through a proxy: a line of the table, and the entries that went wrong.
fn report(
    player: &Player,
    service: SocketAddr,
    entries: &[Entry],
    &(program, configuration, arguments, version): &(&str, &str, &[&str], &str),
) -> (String, Vec<String>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let proxy = Proxy::start(program, configuration, arguments, relay(service, opened.clone()));
    let (mut sent, mut answered, mut stored) = (0, 0, 0);
    let mut smuggled = Vec::new();
    for entry in entries {
        let placeholders = player.placeholders();
        let responses = play(&placeholders, proxy.address, entry);
        // After two more exchanges, a response that was still on its way has arrived.
        let later_requests_work = [(); 2].map(|()| serves_correctly(&player.placeholders(), proxy.address));
        let acknowledged = responses.iter().filter(|response| response.status == 201).count();
        let (requests, records) = (requests(entry), player.count_stored(&placeholders));
        // An invalid request can be refused more often than it was sent, so refusals do not count.
        let taken = responses.iter().filter(|response| ![400, 408].contains(&response.status)).count();
        // Some proxies treat a client that half-closes as gone and drop the response to a forwarded request.
        let is_half_closed = entry.steps.iter().any(|step| matches!(step, Step::HalfClose));
        let stored_matches_responses = records == acknowledged || is_half_closed && records <= requests;
        if taken > requests || !stored_matches_responses || later_requests_work.contains(&false) {
            let statuses: Vec<_> = responses.iter().map(|response| response.status).collect();
            smuggled.push(format!(
                "{program}: {}: {statuses:?}, {records} stored, then {later_requests_work:?}",
                entry.name
            ));
        }
        sent += requests;
        answered += responses.len();
        stored += records;
    }
    let output = Command::new(program).arg(version).output().unwrap();
    let output = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let is_number = |word: &&str| word.contains('.') && word.bytes().any(|byte| byte.is_ascii_digit());
    let version = output.split([' ', '/', '\n']).find(is_number).unwrap_or_default();
    let (entries, opened, smuggled_count) = (entries.len(), opened.load(Ordering::Relaxed), smuggled.len());
    let line =
        format!("| {program} {version} | {entries} | {sent} | {answered} | {stored} | {opened} | {smuggled_count} |");
    (line, smuggled)
}

/// The final responses to an entry through the proxy; a proxy can send its own interim responses.
fn play(placeholders: &Placeholders, proxy: SocketAddr, entry: &Entry) -> Vec<Response> {
    let mut wire = Wire::open(proxy, TIMEOUT);
    let mut responses = Vec::new();
    for step in &entry.steps {
        match step {
            Step::Send(bytes) => wire.send(&placeholders.fill(bytes)),
            Step::HalfClose => wire.half_close(),
            Step::Response(expected) if expected.status < 200 => {}
            Step::Response(expected) => match wire.final_response(expected.is_head) {
                Ok(response) => responses.push(response),
                Err(_) => break,
            },
            Step::Open | Step::Closed => {
                wire.set_timeout(QUIET_PERIOD);
                while let Ok(response) = wire.final_response(false) {
                    responses.push(response);
                }
            }
        }
    }
    responses
}

/// Whether a valid request through the proxy gets its own response.
fn serves_correctly(placeholders: &Placeholders, proxy: SocketAddr) -> bool {
    let mut wire = Wire::open(proxy, TIMEOUT);
    let head =
        "POST /api/ HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n";
    wire.send(&placeholders.fill(&[head, "{record}"].concat().into_bytes()));
    wire.final_response(false).is_ok_and(|response| {
        let record: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        response.status == 201 && record["component"] == placeholders.component
    })
}

/// The largest number of requests that a lenient parser can find in an entry.
fn requests(entry: &Entry) -> usize {
    let count = |step: &Step| match step {
        Step::Send(bytes) => (bytes.windows(6).filter(|window| window == b" HTTP/").count(), 0),
        Step::Response(expected) if expected.status >= 200 => (0, 1),
        _ => (0, 0),
    };
    let (sent, answered): (Vec<_>, Vec<_>) = entry.steps.iter().map(count).unzip();
    sent.iter().sum::<usize>().max(answered.iter().sum())
}

/// Forwards to the service and counts the connections of the proxy; if it reused none, the test would prove nothing.
fn relay(service: SocketAddr, opened: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for proxy in listener.incoming() {
            opened.fetch_add(1, Ordering::Relaxed);
            let (proxy, service) = (proxy?, TcpStream::connect(service)?);
            let (to_proxy, to_service) = (proxy.try_clone()?, service.try_clone()?);
            thread::spawn(move || forward(proxy, to_service));
            thread::spawn(move || forward(service, to_proxy));
        }
        io::Result::Ok(())
    });
    address
}

fn forward(mut from: TcpStream, mut to: TcpStream) {
    let is_whole = io::copy(&mut from, &mut to).is_ok();
    let _ = to.shutdown(if is_whole { Shutdown::Write } else { Shutdown::Both });
}

/// A running proxy; killed when dropped.
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
