//! Concurrent senders and the responses to their calls.

use std::{
    fmt,
    sync::{
        Barrier, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Map, Value};

use super::plan::Burst;
use crate::{
    harness::{Connection, Service},
    pairing::steps::Step,
};

/// A request. A delivery with a key has it in its field `idempotency_key`.
#[derive(Clone, Debug)]
pub enum Call {
    Post(Value),
    Import(Vec<Value>),
    Change {
        id: i64,
        is_patch: bool,
        body: Map<String, Value>,
    },
    Delete(i64),
    Read(i64),
    /// All records of this component.
    List(String),
}

impl Call {
    /// The component of a list request.
    pub fn listed(&self) -> Option<&str> {
        if let Self::List(component) = self { Some(component) } else { None }
    }
}

/// A call and its response.
#[derive(Clone)]
pub struct Exchange {
    pub call: Call,
    pub process: usize,
    /// Positions in the common order of all requests and responses.
    pub sent: u64,
    pub received: u64,
    pub status: u16,
    pub response: Value,
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.call {
            Call::Post(record) => write!(f, "POST {record}"),
            Call::Import(lines) => write!(f, "POST {}", Value::from(lines.clone())),
            Call::Change { id, is_patch: true, body } => write!(f, "PATCH {id} {}", Value::from(body.clone())),
            Call::Change { id, is_patch: false, body } => write!(f, "PUT {id} {}", Value::from(body.clone())),
            Call::Delete(id) => write!(f, "DELETE {id}"),
            Call::Read(id) => write!(f, "GET {id}"),
            Call::List(component) => write!(f, "GET all of {component}"),
        }?;
        let Self { process, sent, received, status, response, .. } = self;
        write!(f, "\n  to process {process}, sent at {sent}, response at {received}: {status} {response}")
    }
}

/// The services and components that a history uses.
pub struct Target<'a> {
    pub services: &'a [Service],
    /// Used by no other history.
    pub components: [String; 2],
}

/// The state that all senders share.
struct Shared<'a> {
    target: &'a Target<'a>,
    clock: AtomicU64,
    /// The ids of all records that a response has mentioned and that are not deleted.
    known: Mutex<Vec<i64>>,
}

struct Sender<'a> {
    shared: &'a Shared<'a>,
    connections: Vec<Connection>,
    process: usize,
    name: String,
    exchanges: Vec<Exchange>,
}

/// Runs the bursts, with each sender bound to one process, and reads everything through every process after each burst.
/// Returns all exchanges in no particular order.
pub fn play(target: &Target, bursts: Vec<Burst>) -> Vec<Exchange> {
    let shared = Shared { target, clock: AtomicU64::new(0), known: Mutex::default() };
    let mut senders: Vec<Sender> =
        (0..bursts[0].len()).map(|number| Sender::new(&shared, &number.to_string(), number)).collect();
    let mut reader = Sender::new(&shared, "reader", 0);
    for burst in bursts {
        let start = Barrier::new(senders.len());
        std::thread::scope(|scope| {
            for (sender, steps) in senders.iter_mut().zip(burst) {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    for step in steps {
                        sender.step(step);
                    }
                });
            }
        });
        reader.read_all();
    }
    senders.into_iter().chain([reader]).flat_map(|sender| sender.exchanges).collect()
}

impl<'a> Sender<'a> {
    fn new(shared: &'a Shared, name: &str, process: usize) -> Self {
        let services = shared.target.services;
        let connections = services.iter().map(Service::connect).collect();
        let process = process % services.len();
        Self { shared, connections, process, name: name.to_owned(), exchanges: Vec::new() }
    }

    fn step(&mut self, step: Step) {
        let call = match step {
            Step::Post(record) => Some(Call::Post(self.adapt(record, 0))),
            Step::Import(records) => {
                let lines = records.into_iter().enumerate();
                Some(Call::Import(lines.map(|(line, record)| self.adapt(record, line)).collect()))
            }
            Step::Put(at, record) => self.change(at, false, record),
            Step::Patch(at, record) => self.change(at, true, record),
            Step::Delete(at) => self.choose_known(at).map(Call::Delete),
            Step::Repeat(_) => unreachable!("a plan repeats deliveries by their keys"),
        };
        let Some(call) = call else { return };
        self.call(call);
        if let Some(id) = self.choose_known(self.exchanges.len()).filter(|_| self.exchanges.len().is_multiple_of(3)) {
            self.call(Call::Read(id));
        }
    }

    fn change(&self, at: usize, is_patch: bool, record: Value) -> Option<Call> {
        let Value::Object(body) = self.adapt(record, 0) else { unreachable!("a record") };
        self.choose_known(at).map(|id| Call::Change { id, is_patch, body })
    }

    /// Chooses one of the newest records, so that senders often choose the same one.
    fn choose_known(&self, at: usize) -> Option<i64> {
        let known = self.shared.known.lock().unwrap();
        known.iter().rev().nth(at % known.len().clamp(1, 12)).copied()
    }

    /// Sets the component of this history and, without a key, an owner that identifies the call.
    fn adapt(&self, mut record: Value, line: usize) -> Value {
        if let Some(index) = record["component"].as_u64() {
            record["component"] = self.shared.target.components[usize::from(index == 1)].clone().into();
        }
        if record.get("owner").is_some() && record.get("idempotency_key").is_none() {
            record["owner"] = format!("{}-{}-{line}", self.name, self.exchanges.len()).into();
        }
        record
    }

    fn call(&mut self, call: Call) {
        const JSON: (&str, &str) = ("content-type", "application/json");
        const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
        let path = |id: &i64| format!("/api/{id}");
        let key;
        let (method, target, headers, body) = match &call {
            Call::Post(record) => {
                let mut body = record.clone();
                key = body.as_object_mut().unwrap().remove("idempotency_key");
                let key = key.as_ref().map(|key| ("idempotency-key", key.as_str().unwrap()));
                let headers = [JSON].into_iter().chain(key).collect();
                ("POST", "/api/".to_owned(), headers, Some(body.to_string()))
            }
            Call::Import(lines) => {
                let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
                ("POST", "/api/".to_owned(), vec![NDJSON], Some(lines.join("\n")))
            }
            Call::Change { id, is_patch, body } => {
                let body = Value::Object(body.clone()).to_string();
                (if *is_patch { "PATCH" } else { "PUT" }, path(id), vec![JSON], Some(body))
            }
            Call::Delete(id) => ("DELETE", path(id), vec![], None),
            Call::Read(id) => ("GET", path(id), vec![], None),
            Call::List(component) => {
                ("GET", format!("/api/?component={component}"), vec![("accept", "application/x-ndjson")], None)
            }
        };
        let sent = self.shared.clock.fetch_add(1, Ordering::SeqCst);
        let connection = &mut self.connections[self.process];
        let response = connection.request(method, &target, &headers, body.as_deref().map(str::as_bytes));
        let received = self.shared.clock.fetch_add(1, Ordering::SeqCst);
        let status = response.status;
        let response = match &call {
            Call::List(_) if status == 200 => {
                response.body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect()
            }
            _ if response.body.is_empty() => Value::Null,
            _ => response.json(),
        };
        self.track_ids(&call, status, &response);
        self.exchanges.push(Exchange { call, process: self.process, sent, received, status, response });
    }

    fn track_ids(&self, call: &Call, status: u16, response: &Value) {
        let mut known = self.shared.known.lock().unwrap();
        match (call, status) {
            (Call::Post(_), 201) => known.extend(response["id"].as_i64()),
            (Call::Import(_), 201) => {
                known.extend(response["ids"].as_array().unwrap().iter().filter_map(Value::as_i64));
            }
            (Call::Delete(id), 204) => known.retain(|known| known != id),
            _ => {}
        }
    }

    fn read_all(&mut self) {
        let known = self.shared.known.lock().unwrap().clone();
        for process in 0..self.connections.len() {
            self.process = process;
            for component in self.shared.target.components.clone() {
                self.call(Call::List(component));
            }
            for id in known.iter().skip(process).step_by(self.connections.len()) {
                self.call(Call::Read(*id));
            }
        }
    }
}
