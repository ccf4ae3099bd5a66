//! Faults that strike writes while they hold or await the locks of components.

use std::{
    io,
    net::SocketAddr,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    Context,
    api::harness::{PausedProcess, Response, Session, blocked_backend},
    probe::post,
    proxy::Proxy,
    scenario::{RECOVERY_LIMIT, Scenario, WRITE_LIMIT},
    table::Row,
};

/// A write whose response is still outstanding.
pub struct PendingWrite(JoinHandle<(io::Result<Response>, Duration)>);

impl PendingWrite {
    pub fn post(service: SocketAddr, component: &str, status: &'static str, key: Option<&str>) -> Self {
        let (component, key) = (component.to_owned(), key.map(str::to_owned));
        Self(thread::spawn(move || {
            let start = Instant::now();
            let response = post(service, &component, 1, status, key.as_deref());
            (response, start.elapsed())
        }))
    }

    /// Waits for the response; also returns how long it took.
    pub fn response(self) -> (io::Result<Response>, Duration) {
        self.0.join().unwrap()
    }
}

/// A component whose lock no other component of the scenario shares.
pub fn component_with_own_lock(scenario: &Scenario) -> String {
    let name = "select 'alone-' || n from generate_series(1, 10000) n
        where hashtext('alone-' || n) & 255 not in (select hashtext(component) & 255 from records) limit 1";
    scenario.sql(name).remove(0).remove(0)
}

/// A write that holds its locks and cannot commit.
struct BlockedWrite {
    component: String,
    write: PendingWrite,
    /// Blocks the write with an uncommitted record under the same key.
    session: Session,
    backend: u32,
}

impl BlockedWrite {
    fn new(scenario: &Scenario, service: SocketAddr) -> Self {
        let component = component_with_own_lock(scenario);
        let session = Session::open(&scenario.url());
        session.execute(&format!(
            "begin; insert into records (component, version, owner, status, phase, idempotency_key)
             values ('{component}', '1', 'ann', 'queued', 'noted', 'held')"
        ));
        let write = PendingWrite::post(service, &component, "started", Some("held"));
        let backend = blocked_backend(&scenario.url(), &session);
        let locks = format!("select from pg_locks where pid = {backend} and locktype = 'advisory' and granted");
        assert!(!scenario.sql(&locks).is_empty(), "the write holds its locks");
        Self { component, write, session, backend }
    }
}

/// Kills a replica between the locks and the commit of a write. PostgreSQL notices only after it executed the write.
pub fn replica_killed(context: &mut Context) -> Row {
    let mut scenario = context.scenario();
    scenario.add_service();
    scenario.start_load();
    for _ in 0..context.repetitions() {
        context.pause(100..900);
        let mut killed = scenario.services.remove(0);
        let held = BlockedWrite::new(&scenario, killed.address);
        killed.signal("KILL");
        killed.wait();
        if let (Ok(response), _) = held.write.response() {
            scenario.fail(format!("a write whose service was killed received {}", response.status));
        }
        held.session.execute("rollback");
        scenario.restart_service(killed.address);
        // Sent to the other replica, which the next round kills.
        scenario.check_response(
            PendingWrite::post(scenario.services[0].address, &held.component, "deployed", None),
            &[201],
        );
    }
    scenario.finish()
}

/// Interrupts a write between its locks and its commit: alternately cuts its connection and terminates its backend.
pub fn connection_cut(context: &mut Context) -> Row {
    let proxy = Proxy::start(context.postgres.socket());
    let mut scenario = context.scenario_through(&proxy);
    scenario.start_load();
    for round in 0..context.repetitions() {
        context.pause(100..900);
        let service = scenario.services[0].address;
        let held = BlockedWrite::new(&scenario, service);
        if round % 2 == 0 {
            proxy.cut();
            scenario.check_response(held.write, &[503]);
            held.session.execute("rollback");
        } else {
            scenario.sql(&format!("select pg_terminate_backend({})", held.backend));
            // Nothing was executed, so the service can retry the write.
            held.session.execute("rollback");
            scenario.check_response(held.write, &[201, 503]);
        }
        scenario.count_faults(1);
        scenario.check_recovery(Instant::now(), RECOVERY_LIMIT);
        scenario.check_response(PendingWrite::post(service, &held.component, "deployed", None), &[201]);
    }
    scenario.finish()
}

/// Stops a backend while its write waits for the lock of a component.
pub fn stopped_while_waiting(context: &mut Context) -> Row {
    let mut scenario = context.scenario();
    scenario.start_load();
    for _ in 0..context.repetitions() {
        context.pause(100..900);
        let component = component_with_own_lock(&scenario);
        let session = Session::open(&scenario.url());
        session.execute(&format!("begin; select lock_components(array['{component}'])"));
        let write = PendingWrite::post(scenario.services[0].address, &component, "started", None);
        let backend = blocked_backend(&scenario.url(), &session);
        stop(&mut scenario, backend, write, &component, &session);
    }
    scenario.finish()
}

/// Stops a backend between the locks and the commit of its write.
pub fn stopped_while_holding(context: &mut Context) -> Row {
    let mut scenario = context.scenario();
    scenario.start_load();
    for _ in 0..context.repetitions() {
        context.pause(100..900);
        let held = BlockedWrite::new(&scenario, scenario.services[0].address);
        stop(&mut scenario, held.backend, held.write, &held.component, &held.session);
    }
    scenario.finish()
}

/// Stops a backend that waits for this session until its write has timed out, and then for the time limit of one more
/// write.
fn stop(scenario: &mut Scenario, backend: u32, write: PendingWrite, component: &str, session: &Session) {
    let start = Instant::now();
    let stopped = PausedProcess::new(backend);
    scenario.check_reads_until(start + WRITE_LIMIT);
    scenario.check_response(write, &[503]);
    // From now on the stopped backend holds the lock.
    session.execute("rollback");
    let next = PendingWrite::post(scenario.services[0].address, component, "deployed", None);
    scenario.check_reads_until(Instant::now() + WRITE_LIMIT);
    scenario.check_response(next, &[503]);
    drop(stopped);
    let continued = Instant::now();
    scenario.count_faults(1);
    scenario.check_recovery(continued, RECOVERY_LIMIT);
    scenario.check_responses_within(start, WRITE_LIMIT);
    scenario.check_response(PendingWrite::post(scenario.services[0].address, component, "deployed", None), &[201]);
}
