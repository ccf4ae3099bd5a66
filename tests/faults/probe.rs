//! A client that records the time and status of each of its requests during a fault.

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
/// The component of the records that are sent with a key and retried.
pub const COMPONENT: &str = "probe";
/// The component of a second client that uses no keys and never retries. A start that fails for this client but
/// executes later must still pair with its finish.
const WITHOUT_RETRY: &str = "without-retry";

#[derive(Clone, Copy)]
pub struct Observation {
    pub sent: Instant,
    pub received: Instant,
    /// `None` if there was no response.
    pub status: Option<u16>,
}

impl Observation {
    pub fn is_success(&self) -> bool {
        self.status.is_some_and(|status| status / 100 == 2)
    }
}

#[derive(Default)]
struct Recorded {
    observations: Vec<Observation>,
    acknowledged: Vec<i64>,
}

/// Sends alternating starts and finishes, each until it is acknowledged, to the services in turn.
pub struct Probe {
    recorded: Arc<Mutex<Recorded>>,
    is_over: Arc<AtomicBool>,
    threads: [JoinHandle<()>; 2],
}

impl Probe {
    pub fn start(services: Vec<SocketAddr>) -> Self {
        let (recorded, is_over) = (Arc::<Mutex<Recorded>>::default(), Arc::<AtomicBool>::default());
        let (requests, is_probe_over) = (recorded.clone(), is_over.clone());
        let (first, is_other_over) = (services[0], is_over.clone());
        let without_retry = thread::spawn(move || {
            for number in 0.. {
                for status in ["started", "deployed"] {
                    let _ = post(first, WITHOUT_RETRY, number, status, None);
                }
                thread::sleep(PAUSE);
                if is_other_over.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let with_retry = thread::spawn(move || {
            let mut services = services.into_iter().cycle();
            for number in 0.. {
                for status in ["started", "deployed"] {
                    while !is_probe_over.load(Ordering::Relaxed) {
                        let sent = Instant::now();
                        let key = format!("{number}-{status}");
                        let response = post(services.next().unwrap(), COMPONENT, number, status, Some(&key)).ok();
                        let status = response.as_ref().map(|response| response.status);
                        let observation = Observation { sent, received: Instant::now(), status };
                        let is_success = observation.is_success();
                        let mut recorded = requests.lock().unwrap();
                        recorded.observations.push(observation);
                        if let Some(response) = response.filter(|_| is_success) {
                            recorded.acknowledged.push(response.json()["id"].as_i64().unwrap());
                        }
                        drop(recorded);
                        thread::sleep(PAUSE);
                        if is_success {
                            break;
                        }
                    }
                }
                if is_probe_over.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        Self { recorded, is_over, threads: [with_retry, without_retry] }
    }

    /// The requests that were in flight at `since` or sent later.
    pub fn observations(&self, since: Instant) -> Vec<Observation> {
        self.recorded
            .lock()
            .unwrap()
            .observations
            .iter()
            .filter(|observation| observation.received >= since)
            .copied()
            .collect()
    }

    /// The ids of the records acknowledged so far.
    pub fn acknowledged(&self) -> Vec<i64> {
        self.recorded.lock().unwrap().acknowledged.clone()
    }

    /// Stops the probe. Returns the acknowledged ids and all observations.
    pub fn stop(self) -> (Vec<i64>, Vec<Observation>) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let recorded = std::mem::take(&mut *self.recorded.lock().unwrap());
        (recorded.acknowledged, recorded.observations)
    }
}

/// Posts a record on a new connection.
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
        "POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n{key}content-length: {length}\r\n\r\n{body}",
    )?;
    connection.try_response()
}
