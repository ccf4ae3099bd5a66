//! Writes that hold the locks of components, or wait for them, when something happens to them.

use std::{
    io,
    net::SocketAddr,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    Lab,
    api::harness::{PausedProcess, Response, Session, blocked_backend},
    proxy::Proxy,
    scene::{ANSWER, BACK, Scene},
    table::Row,
    witness::post,
};

/// A write that was sent and has no answer yet.
pub struct Sent(JoinHandle<(io::Result<Response>, Duration)>);

impl Sent {
    pub fn post(service: SocketAddr, component: &str, status: &'static str, key: Option<&str>) -> Self {
        let (component, key) = (component.to_owned(), key.map(str::to_owned));
        Self(thread::spawn(move || {
            let began = Instant::now();
            let response = post(service, &component, 1, status, key.as_deref());
            (response, began.elapsed())
        }))
    }

    /// What it is answered, and how long that took.
    pub fn response(self) -> (io::Result<Response>, Duration) {
        self.0.join().unwrap()
    }
}

/// A component with a lock that no other component of the scene shares.
pub fn lonely_component(scene: &Scene) -> String {
    let name = "select 'lonely-' || n from generate_series(1, 10000) n
        where hashtext('lonely-' || n) & 255 not in (select hashtext(component) & 255 from records) limit 1";
    scene.sql(name).remove(0).remove(0)
}

/// A write between its locks and its commit.
struct Held {
    component: String,
    sent: Sent,
    /// It waits for this session, which has its key and commits nothing.
    session: Session,
    backend: u32,
}

impl Held {
    fn new(scene: &Scene, service: SocketAddr) -> Self {
        let component = lonely_component(scene);
        let session = Session::open(&scene.url());
        session.execute(&format!(
            "begin; insert into records (component, version, owner, status, phase, idempotency_key)
             values ('{component}', '1', 'ann', 'queued', 'noted', 'held')"
        ));
        let sent = Sent::post(service, &component, "started", Some("held"));
        let backend = blocked_backend(&scene.url(), &session);
        let locks = format!("select from pg_locks where pid = {backend} and locktype = 'advisory' and granted");
        assert!(!scene.sql(&locks).is_empty(), "the write has its locks");
        Self { component, sent, session, backend }
    }
}

/// A replica is killed between a write's locks and its commit. PostgreSQL notices that only once the write is carried out.
pub fn replica_killed(lab: &mut Lab) -> Row {
    let mut scene = lab.scene();
    scene.add_service();
    scene.begin();
    for _ in 0..lab.often() {
        lab.pause(100..900);
        let mut killed = scene.services.remove(0);
        let held = Held::new(&scene, killed.address);
        killed.signal("KILL");
        killed.wait();
        if let (Ok(response), _) = held.sent.response() {
            scene.complain(format!("a write whose service was killed is answered {}", response.status));
        }
        held.session.execute("rollback");
        scene.comes_back(killed.address);
        // The other one, which is killed next time.
        scene.is_answered(Sent::post(scene.services[0].address, &held.component, "deployed", None), &[201]);
    }
    scene.end()
}

/// A write's connection is cut between its locks and its commit: its backend goes on, or ends as well.
pub fn connection_cut(lab: &mut Lab) -> Row {
    let proxy = Proxy::start(lab.postgres.socket());
    let mut scene = lab.scene_behind(&proxy);
    scene.begin();
    for round in 0..lab.often() {
        lab.pause(100..900);
        let service = scene.services[0].address;
        let held = Held::new(&scene, service);
        if round % 2 == 0 {
            proxy.cut();
            scene.is_answered(held.sent, &[503]);
            held.session.execute("rollback");
        } else {
            scene.sql(&format!("select pg_terminate_backend({})", held.backend));
            // Nothing of it was executed, so that it may be sent again.
            held.session.execute("rollback");
            scene.is_answered(held.sent, &[201, 503]);
        }
        scene.struck(1);
        scene.recovers(Instant::now(), BACK);
        scene.is_answered(Sent::post(service, &held.component, "deployed", None), &[201]);
    }
    scene.end()
}

/// A backend is stopped while its write waits for the lock of a component.
pub fn stopped_before(lab: &mut Lab) -> Row {
    let mut scene = lab.scene();
    scene.begin();
    for _ in 0..lab.often() {
        lab.pause(100..900);
        let component = lonely_component(&scene);
        let session = Session::open(&scene.url());
        session.execute(&format!("begin; select lock_components(array['{component}'])"));
        let sent = Sent::post(scene.services[0].address, &component, "started", None);
        let backend = blocked_backend(&scene.url(), &session);
        stop(&mut scene, backend, sent, &component, &session);
    }
    scene.end()
}

/// A backend is stopped between its write's locks and its commit.
pub fn stopped_after(lab: &mut Lab) -> Row {
    let mut scene = lab.scene();
    scene.begin();
    for _ in 0..lab.often() {
        lab.pause(100..900);
        let held = Held::new(&scene, scene.services[0].address);
        stop(&mut scene, held.backend, held.sent, &held.component, &held.session);
    }
    scene.end()
}

/// Stops a backend that waits for this session until its write is answered, and longer than any other write may take.
fn stop(scene: &mut Scene, backend: u32, sent: Sent, component: &str, session: &Session) {
    let began = Instant::now();
    let stopped = PausedProcess::new(backend);
    scene.reads_until(began + ANSWER);
    scene.is_answered(sent, &[503]);
    // What the backend waited for is its own from now on.
    session.execute("rollback");
    let next = Sent::post(scene.services[0].address, component, "deployed", None);
    scene.reads_until(Instant::now() + ANSWER);
    scene.is_answered(next, &[503]);
    drop(stopped);
    let goes_on = Instant::now();
    scene.struck(1);
    scene.recovers(goes_on, BACK);
    scene.answered_within(began, ANSWER);
    scene.is_answered(Sent::post(scene.services[0].address, component, "deployed", None), &[201]);
}
