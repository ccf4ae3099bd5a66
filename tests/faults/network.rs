//! The network between the service and PostgreSQL breaks.

use std::time::{Duration, Instant};

use crate::{
    Lab,
    api::harness::{Session, blocked_backend},
    locks::{Sent, lonely_component},
    protocol::Side,
    proxy::{Act, Network, Proxy},
    scene::{ANSWER, BACK},
    table::Row,
};

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
    scene.answered_within(began, ANSWER);
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

/// A start whose connection is cut while it waits for its lock is carried out although nobody waits for it, and before
/// its finish, which waits behind it.
pub fn given_up(lab: &mut Lab) -> Row {
    let proxy = Proxy::start(lab.postgres.socket());
    let mut scene = lab.scene_behind(&proxy);
    scene.begin();
    for _ in 0..lab.often() {
        lab.pause(100..900);
        let (service, component) = (scene.services[0].address, lonely_component(&scene));
        let session = Session::open(&scene.url());
        session.execute(&format!("begin; select lock_components(array['{component}'])"));
        let start = Sent::post(service, &component, "started", None);
        blocked_backend(&scene.url(), &session);
        proxy.cut();
        scene.is_answered(start, &[503]);
        let finish = Sent::post(service, &component, "deployed", None);
        session.execute("rollback");
        if let Some(finish) = scene.is_answered(finish, &[201])
            && finish["start_id"].is_null()
        {
            scene.complain(format!("the finish has not its start: {finish}"));
        }
        scene.struck(1);
    }
    scene.recovers(Instant::now(), BACK);
    scene.end()
}
