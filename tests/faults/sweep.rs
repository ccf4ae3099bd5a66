//! Every database message of every call, from either side: the connection is reset amid it, cut before it, it comes 2 s
//! late, or the client has gone by then. For all n, until the call needs no n-th message.

mod calls;

use std::{
    io::{self, Write as _},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::{
    Lab,
    api::harness::{Connection, Response},
    protocol::Side,
    proxy::{Act, Proxy},
    random::Random,
    scene::Scene,
    table::Row,
};
use calls::{CALLS, Call};

/// In which the next request succeeds.
const NEXT: Duration = Duration::from_secs(1);
const DELAY: Duration = Duration::from_secs(2);
/// So many calls are swept side by side, each with a service of its own.
const AT_ONCE: usize = 6;
/// A call that needs more messages than this is broken.
const MOST: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Reset,
    Cut,
    Delay,
    Gone,
}

/// All calls.
pub fn all(lab: &mut Lab) -> Row {
    let todo = Mutex::new(CALLS.iter().map(|call| (call, Random::new(lab.random.next()))).collect::<Vec<_>>());
    let done = Mutex::new(Row::default());
    let lab = &*lab;
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((call, random)) = { todo.lock().unwrap().pop() } {
                    let row = Sweep::new(lab, call).all(lab.is_long, random);
                    done.lock().unwrap().add(row);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

struct Sweep<'a> {
    call: &'a Call,
    scene: Scene<'a>,
    proxy: Proxy,
    trial: usize,
    /// How many records there are, at least and at most.
    least: i64,
    most: i64,
    row: Row,
}

impl<'a> Sweep<'a> {
    fn new(lab: &'a Lab, call: &'a Call) -> Self {
        let proxy = Proxy::start(lab.postgres.socket());
        let scene = lab.scene_behind(&proxy);
        Self { call, scene, proxy, trial: 0, least: 0, most: 0, row: Row::default() }
    }

    fn all(mut self, is_long: bool, mut random: Random) -> Row {
        let mut counts = Vec::new();
        // On new connections, too.
        for is_cold in if is_long { &[false, true][..] } else { &[false] } {
            for side in [Side::Service, Side::PostgreSql] {
                for fault in [Fault::Reset, Fault::Cut, Fault::Delay, Fault::Gone] {
                    if fault != Fault::Reset && !is_long {
                        let n = usize::try_from(random.within(1..4)).unwrap();
                        self.try_out(side, n, fault, *is_cold);
                        continue;
                    }
                    let messages = (1..MOST).take_while(|n| self.try_out(side, *n, fault, *is_cold)).count();
                    if messages == 0 || messages == MOST - 1 {
                        self.complain(&format!("{side:?} sends {messages} messages"));
                    }
                    if fault == Fault::Reset {
                        counts.push(messages);
                    }
                }
            }
        }
        println!("          {}: {counts:?} messages to and from, {} trials", self.call.name, self.trial);
        self.end()
    }

    /// One trial; whether there was an n-th message.
    fn try_out(&mut self, side: Side, n: usize, fault: Fault, is_cold: bool) -> bool {
        self.trial += 1;
        let id = self.prepare();
        let request = self.call.request(self.trial, id);
        if is_cold {
            self.proxy.cut();
            std::thread::sleep(Duration::from_millis(20));
        }
        let response = if fault == Fault::Gone {
            self.leave_at(side, n, &request)
        } else {
            let act = match fault {
                Fault::Reset => Act::Reset,
                Fault::Cut => Act::Cut,
                _ => Act::Delay(DELAY),
            };
            self.proxy.at(side, n, act);
            Some(self.send(&request))
        };
        let was_reached = !self.proxy.forget();
        let what = format!("{fault:?} at message {n} of {side:?}{}", if is_cold { ", new connections" } else { "" });
        let is_done = match response {
            Some(Ok(response)) if response.status / 100 == 2 && self.is_whole(&response) => true,
            Some(Ok(response)) if response.status == 503 => false,
            // A stream that breaks off; or who asked has gone.
            Some(Err(_)) if self.call.accept == "text/csv" => false,
            None => false,
            other => {
                self.complain(&format!("{what}: {other:?}"));
                false
            }
        };
        if was_reached {
            self.row.times += 1;
        }
        self.again(&request, is_done, &what);
        self.scene.has_clean_pool();
        was_reached
    }

    /// What the call is about.
    fn prepare(&mut self) -> i64 {
        let mut id = 0;
        if let Some(status) = self.call.needs {
            let record =
                format!(r#"{{"component":"sweep","version":"{}","owner":"ann","status":"{status}"}}"#, self.trial);
            id = self.scene.services[0].record(&record)["id"].as_i64().unwrap();
            self.count(1, true);
        }
        if self.call.is_repeated {
            let response = self.send(&self.call.request(self.trial, id)).unwrap();
            assert_eq!(response.status, 201, "{response:?}");
        }
        id
    }

    /// The same request once more, which succeeds: a safe one then is carried out once, another one once more.
    fn again(&mut self, request: &[u8], was_done: bool, what: &str) {
        let began = Instant::now();
        let response = self.send(request);
        let is_success = response
            .as_ref()
            .is_ok_and(|response| response.status / 100 == 2 || response.status == 404 && self.call.method == "DELETE");
        if !is_success || began.elapsed() > NEXT {
            self.complain(&format!("{what}: the next took {:.2} s: {response:?}", began.elapsed().as_secs_f64()));
        }
        self.count(self.call.adds, is_success);
        if !self.call.is_safe() {
            self.count(self.call.adds, was_done);
        }
    }

    /// A stream that ends has every row.
    fn is_whole(&self, response: &Response) -> bool {
        self.call.accept != "text/csv" || response.body.lines().count() == 1 + self.trial.min(5)
    }

    fn count(&mut self, records: i64, is_certain: bool) {
        self.most += records;
        if is_certain {
            self.least += records;
            self.row.acknowledged += records.unsigned_abs();
        }
    }

    fn send(&mut self, request: &[u8]) -> io::Result<Response> {
        self.row.requests += 1;
        let mut connection = Connection::try_open(self.scene.services[0].address)?;
        connection.stream().write_all(request)?;
        connection.try_response()
    }

    /// Closes the client's connection when the n-th message is on its way; none: it was never sent.
    fn leave_at(&mut self, side: Side, n: usize, request: &[u8]) -> Option<io::Result<Response>> {
        let (reached, is_reached) = mpsc::channel();
        let goes_on = Arc::new(Notify::new());
        self.proxy.at(side, n, Act::Hold(reached, goes_on.clone()));
        self.row.requests += 1;
        let mut connection = Connection::open(self.scene.services[0].address);
        connection.send(request);
        if is_reached.recv_timeout(Duration::from_millis(500)).is_err() {
            return Some(connection.try_response());
        }
        drop(connection);
        // It is seen by then, most likely; where not, that is another place at which a client may go.
        std::thread::sleep(Duration::from_millis(5));
        goes_on.notify_one();
        None
    }

    fn complain(&mut self, complaint: &str) {
        self.row.complaints.push(format!("{}: {complaint}", self.call.name));
    }

    fn end(mut self) -> Row {
        let stored: i64 = self.scene.sql("select count(*) from records")[0][0].parse().unwrap();
        self.row.lost += u64::try_from(self.least - stored).unwrap_or_default();
        self.row.doubled += u64::try_from(stored - self.most).unwrap_or_default();
        self.row.add(self.scene.leave());
        self.row
    }
}
