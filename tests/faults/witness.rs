//! One sender that sees every fault from its own side: what it was answered, when, and how long that took.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::api::harness::{Connection, Response};

const PAUSE: Duration = Duration::from_millis(5);
/// Of its records.
pub const COMPONENT: &str = "witness";
/// Of those of its careless fellow, who sends a finish whatever became of the start, and neither with a key: a start that
/// was given up and is carried out later still belongs to its finish.
const CARELESS: &str = "careless";

#[derive(Clone, Copy)]
pub struct Sight {
    pub began: Instant,
    pub ended: Instant,
    /// None where there was no answer.
    pub status: Option<u16>,
}

impl Sight {
    pub fn is_success(&self) -> bool {
        self.status.is_some_and(|status| status / 100 == 2)
    }
}

#[derive(Default)]
struct Seen {
    sights: Vec<Sight>,
    acknowledged: Vec<i64>,
}

/// Sends starts and finishes in turn, each until it is acknowledged, to each of the services in turn.
pub struct Witness {
    seen: Arc<Mutex<Seen>>,
    is_over: Arc<AtomicBool>,
    threads: [JoinHandle<()>; 2],
}

impl Witness {
    pub fn start(services: Vec<SocketAddr>) -> Self {
        let (seen, is_over) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let (writes, ends) = (seen.clone(), is_over.clone());
        let (first, ends_too) = (services[0], is_over.clone());
        let careless = thread::spawn(move || {
            for number in 0.. {
                for status in ["started", "deployed"] {
                    let _ = post(first, CARELESS, number, status, None);
                }
                thread::sleep(PAUSE);
                if ends_too.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let careful = thread::spawn(move || {
            let mut services = services.into_iter().cycle();
            for number in 0.. {
                for status in ["started", "deployed"] {
                    while !ends.load(Ordering::Relaxed) {
                        let began = Instant::now();
                        let key = format!("{number}-{status}");
                        let response = post(services.next().unwrap(), COMPONENT, number, status, Some(&key)).ok();
                        let status = response.as_ref().map(|response| response.status);
                        let sight = Sight { began, ended: Instant::now(), status };
                        let is_success = sight.is_success();
                        let mut seen = writes.lock().unwrap();
                        seen.sights.push(sight);
                        if let Some(response) = response.filter(|_| is_success) {
                            seen.acknowledged.push(response.json()["id"].as_i64().unwrap());
                        }
                        drop(seen);
                        thread::sleep(PAUSE);
                        if is_success {
                            break;
                        }
                    }
                }
                if ends.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        Self { seen, is_over, threads: [careful, careless] }
    }

    /// What was sent since then, or was on its way then.
    pub fn sights(&self, since: Instant) -> Vec<Sight> {
        self.seen.lock().unwrap().sights.iter().filter(|sight| sight.ended >= since).copied().collect()
    }

    /// The ids of what was acknowledged until now.
    pub fn acknowledged(&self) -> Vec<i64> {
        self.seen.lock().unwrap().acknowledged.clone()
    }

    /// Ends it, and answers the ids of what was acknowledged and all that it saw.
    pub fn end(self) -> (Vec<i64>, Vec<Sight>) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        (seen.acknowledged, seen.sights)
    }
}

/// Sends a record on a connection of its own.
pub fn post(
    service: SocketAddr,
    component: &str,
    version: u64,
    status: &str,
    key: Option<&str>,
) -> io::Result<Response> {
    let mut connection = Connection::try_open(service)?;
    let body = format!(r#"{{"component":"{component}","version":"{version}","owner":"ann","status":"{status}"}}"#);
    let (key, length) = (key.map(|key| format!("idempotency-key: {key}\r\n")).unwrap_or_default(), body.len());
    write!(
        connection.stream(),
        "POST /api/ HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{key}content-length: {length}\r\n\r\n{body}",
    )?;
    connection.try_response()
}
