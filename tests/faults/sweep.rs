//! For each call and each of its database messages, in both directions: the connection is reset within the message or
//! closed before it, the message is delayed by 2 s, or the client disconnects. Afterwards the same request must
//! succeed.

mod calls;

use std::{
    io::{self, Write as _},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::{
    Context,
    api::harness::{Connection, Response},
    protocol::Side,
    proxy::{Action, Proxy},
    random::Random,
    scenario::Scenario,
    table::Row,
};
use calls::{CALLS, Call};

/// The time in which the next request must succeed.
const RETRY_LIMIT: Duration = Duration::from_secs(1);
const DELAY: Duration = Duration::from_secs(2);
/// The number of calls tested in parallel, each with its own service.
const CONCURRENCY: usize = 6;
/// More messages than any call needs.
const MAX_MESSAGES: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Reset,
    Cut,
    Delay,
    Disconnect,
}

pub fn all(context: &mut Context) -> Row {
    let todo = Mutex::new(CALLS.iter().map(|call| (call, Random::new(context.random.next()))).collect::<Vec<_>>());
    let done = Mutex::new(Row::default());
    let context = &*context;
    std::thread::scope(|scope| {
        for _ in 0..CONCURRENCY {
            scope.spawn(|| {
                while let Some((call, random)) = { todo.lock().unwrap().pop() } {
                    let row = Sweep::new(context, call).run(context.is_long, random);
                    done.lock().unwrap().add(row);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

struct Sweep<'a> {
    call: &'a Call,
    scenario: Scenario<'a>,
    proxy: Proxy,
    trial: usize,
    /// The number of stored records is within these bounds.
    min: i64,
    max: i64,
    row: Row,
}

impl<'a> Sweep<'a> {
    fn new(context: &'a Context, call: &'a Call) -> Self {
        let proxy = Proxy::start(context.postgres.socket());
        let scenario = context.scenario_through(&proxy);
        Self { call, scenario, proxy, trial: 0, min: 0, max: 0, row: Row::default() }
    }

    fn run(mut self, is_long: bool, mut random: Random) -> Row {
        let mut counts = Vec::new();
        // A long run also tests new connections.
        for is_cold in if is_long { &[false, true][..] } else { &[false] } {
            for side in [Side::Service, Side::PostgreSql] {
                for fault in [Fault::Reset, Fault::Cut, Fault::Delay, Fault::Disconnect] {
                    // A short run tests the other faults at one random message.
                    if fault != Fault::Reset && !is_long {
                        let n = usize::try_from(random.within(1..4)).unwrap();
                        self.run_trial(side, n, fault, *is_cold);
                        continue;
                    }
                    let messages = (1..MAX_MESSAGES).take_while(|n| self.run_trial(side, *n, fault, *is_cold)).count();
                    if messages == 0 || messages == MAX_MESSAGES - 1 {
                        self.fail(&format!("{side:?} sent {messages} messages"));
                    }
                    if fault == Fault::Reset {
                        counts.push(messages);
                    }
                }
            }
        }
        println!("          {}: {counts:?} messages to and from PostgreSQL, {} trials", self.call.name, self.trial);
        self.finish()
    }

    /// Returns whether there was an n-th message.
    fn run_trial(&mut self, side: Side, n: usize, fault: Fault, is_cold: bool) -> bool {
        self.trial += 1;
        let id = self.prepare();
        let request = self.call.request(self.trial, id);
        if is_cold {
            self.proxy.cut();
            std::thread::sleep(Duration::from_millis(20));
        }
        let response = if fault == Fault::Disconnect {
            self.disconnect_at(side, n, &request)
        } else {
            let action = match fault {
                Fault::Reset => Action::Reset,
                Fault::Cut => Action::Cut,
                _ => Action::Delay(DELAY),
            };
            self.proxy.arm(side, n, action);
            Some(self.send(&request))
        };
        let was_reached = !self.proxy.disarm();
        let description =
            format!("{fault:?} at message {n} of {side:?}{}", if is_cold { ", new connections" } else { "" });
        let is_done = match response {
            Some(Ok(response)) if response.status / 100 == 2 && self.is_complete(&response) => true,
            Some(Ok(response)) if response.status == 503 => false,
            // A CSV stream can break off, and a client that disconnected has no response.
            Some(Err(_)) if self.call.accept == "text/csv" => false,
            None => false,
            other => {
                self.fail(&format!("{description}: {other:?}"));
                false
            }
        };
        if was_reached {
            self.row.times += 1;
        }
        self.retry(&request, is_done, &description);
        self.scenario.check_clean_connections();
        was_reached
    }

    /// Creates the record that the call needs and returns its id.
    fn prepare(&mut self) -> i64 {
        let mut id = 0;
        if let Some(status) = self.call.needs {
            let record =
                format!(r#"{{"component":"sweep","version":"{}","owner":"ann","status":"{status}"}}"#, self.trial);
            id = self.scenario.services[0].record(&record)["id"].as_i64().unwrap();
            self.count(1, true);
        }
        if self.call.is_repeated {
            let response = self.send(&self.call.request(self.trial, id)).unwrap();
            assert_eq!(response.status, 201, "{response:?}");
        }
        id
    }

    /// Sends the same request again, which must succeed. Counts one execution of a repeatable request, else two.
    fn retry(&mut self, request: &[u8], was_done: bool, description: &str) {
        let start = Instant::now();
        let response = self.send(request);
        let is_success = response
            .as_ref()
            .is_ok_and(|response| response.status / 100 == 2 || response.status == 404 && self.call.method == "DELETE");
        if !is_success || start.elapsed() > RETRY_LIMIT {
            self.fail(&format!(
                "{description}: the next request took {:.2} s: {response:?}",
                start.elapsed().as_secs_f64()
            ));
        }
        self.count(self.call.adds, is_success);
        if !self.call.is_repeatable() {
            self.count(self.call.adds, was_done);
        }
    }

    /// Whether a completed CSV stream has every row.
    fn is_complete(&self, response: &Response) -> bool {
        self.call.accept != "text/csv" || response.body.lines().count() == 1 + self.trial.min(5)
    }

    fn count(&mut self, records: i64, is_certain: bool) {
        self.max += records;
        if is_certain {
            self.min += records;
            self.row.acknowledged += records.unsigned_abs();
        }
    }

    fn send(&mut self, request: &[u8]) -> io::Result<Response> {
        self.row.requests += 1;
        let mut connection = Connection::try_open(self.scenario.services[0].address)?;
        connection.stream().write_all(request)?;
        connection.try_response()
    }

    /// Closes the connection of the client at the n-th message. Returns the response if there is no such message.
    fn disconnect_at(&mut self, side: Side, n: usize, request: &[u8]) -> Option<io::Result<Response>> {
        let (reached, is_reached) = mpsc::channel();
        let resume = Arc::new(Notify::new());
        self.proxy.arm(side, n, Action::Hold(reached, resume.clone()));
        self.row.requests += 1;
        let mut connection = Connection::open(self.scenario.services[0].address);
        connection.send(request);
        if is_reached.recv_timeout(Duration::from_millis(500)).is_err() {
            return Some(connection.try_response());
        }
        drop(connection);
        // Usually enough for the service to notice. If not, the client disconnects at a later point, which is fine too.
        std::thread::sleep(Duration::from_millis(5));
        resume.notify_one();
        None
    }

    fn fail(&mut self, failure: &str) {
        self.row.failures.push(format!("{}: {failure}", self.call.name));
    }

    fn finish(mut self) -> Row {
        let stored: i64 = self.scenario.sql("select count(*) from records")[0][0].parse().unwrap();
        self.row.lost += u64::try_from(self.min - stored).unwrap_or_default();
        self.row.duplicated += u64::try_from(stored - self.max).unwrap_or_default();
        self.row.add(self.scenario.check_and_stop());
        self.row
    }
}
