//! The network between the service and PostgreSQL breaks.

use std::time::{Duration, Instant};

use crate::{
    Lab,
    api::harness::{Session, eventually},
    protocol::Side,
    proxy::{Act, Network, Proxy},
    scene::BACK,
    table::Row,
};

/// Within which a request is answered where nothing comes.
const ANSWER: Duration = Duration::from_secs(3);
/// The same where everything comes, and late: each step by itself is in time.
const LATE_ANSWER: Duration = Duration::from_secs(6);
/// Within which the service is back once the network is, where nobody tells it that connections are dead.
const BACK_FROM_SILENCE: Duration = Duration::from_secs(10);

pub fn still(lab: &mut Lab) -> Row {
    let lasts = lab.seconds(10, 3);
    during(lab, Network::Still, lasts, BACK_FROM_SILENCE)
}

pub fn swallowing(lab: &mut Lab) -> Row {
    let lasts = lab.seconds(20, 4);
    during(lab, Network::Swallowing, lasts, BACK_FROM_SILENCE)
}

pub fn cut(lab: &mut Lab) -> Row {
    let lasts = lab.seconds(5, 1);
    during(lab, Network::Cut, lasts, BACK)
}

pub fn late(lab: &mut Lab) -> Row {
    let lasts = lab.seconds(10, 3);
    during(lab, Network::Late(Duration::from_secs(2)), lasts, BACK_FROM_SILENCE)
}

fn during(lab: &mut Lab, network: Network, lasts: Duration, back: Duration) -> Row {
    let proxy = Proxy::start(lab.postgres.socket());
    let mut scene = lab.scene_behind(&proxy);
    scene.begin();
    lab.pause(100..900);
    let began = Instant::now();
    proxy.is_now(network);
    std::thread::sleep(lasts);
    proxy.is_now(Network::Whole);
    let ended = Instant::now();
    scene.struck(1);
    scene.recovers(ended, back);
    scene.answered_within(began, if matches!(network, Network::Late(_)) { LATE_ANSWER } else { ANSWER });
    scene.end()
}

/// Again and again, at any message of either side.
pub fn reset(lab: &mut Lab) -> Row {
    let proxy = Proxy::start(lab.postgres.socket());
    let mut scene = lab.scene_behind(&proxy);
    scene.begin();
    for _ in 0..lab.often() * 10 {
        let n = usize::try_from(lab.random.within(1..200)).unwrap();
        let side = *lab.random.one_of(&[Side::Service, Side::PostgreSql]);
        proxy.at(side, n, if lab.random.within(0..2) == 0 { Act::Reset } else { Act::Cut });
        lab.pause(20..200);
        if !proxy.forget() {
            scene.struck(1);
        }
    }
    scene.recovers(Instant::now(), BACK);
    scene.end()
}

/// A start whose connection is cut while it waits for a lock is carried out only after its finish was recorded.
pub fn given_up(lab: &mut Lab) -> Row {
    let proxy = Proxy::start(lab.postgres.socket());
    let mut scene = lab.scene_behind(&proxy);
    scene.begin();
    for number in 0..lab.often() {
        let session = Session::open(&scene.url());
        let pid = session.rows("select pg_backend_pid()")[0].get(0).unwrap().to_owned();
        // Whoever sends the same key waits for the end of this.
        session.run(&format!(
            "begin; insert into records (component, version, owner, status, phase, idempotency_key)
             values ('given-up', '1', 'ann', 'queued', 'noted', '{number}')"
        ));
        let post = |status: &str, headers: &[(&str, &str)]| {
            let record =
                format!(r#"{{"component":"given-up","version":"{number}","owner":"ann","status":"{status}"}}"#);
            scene.services[0].request("POST", "/api/", headers, Some(&record)).status
        };
        let json = ("content-type", "application/json");
        let start = std::thread::scope(|scope| {
            let start = scope.spawn(|| post("started", &[json, ("idempotency-key", &number.to_string())]));
            eventually("the start waits", || {
                let waits = format!("select from pg_stat_activity where {pid} = any (pg_blocking_pids(pid))");
                !scene.sql(&waits).is_empty()
            });
            proxy.cut();
            start.join().unwrap()
        });
        eventually("the finish is recorded", || post("deployed", &[json]) == 201);
        session.run("rollback");
        if start != 503 {
            scene.complain(format!("the start is answered {start}"));
        }
        scene.struck(1);
    }
    scene.recovers(Instant::now(), BACK);
    scene.end()
}
