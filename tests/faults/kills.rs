//! Processes that are killed: the service, and PostgreSQL's.

use std::time::Instant;

use crate::{
    Lab,
    postgres::Postgres,
    scene::{ANSWER, BACK},
    table::Row,
};

pub fn service(lab: &mut Lab) -> Row {
    let mut scene = lab.scene();
    scene.begin();
    for _ in 0..lab.often() {
        lab.pause(100..900);
        let killed = scene.services.remove(0);
        let address = killed.address;
        killed.signal("KILL");
        drop(killed);
        scene.comes_back(address);
    }
    scene.end()
}

pub fn backend(lab: &mut Lab) -> Row {
    kill(lab, |lab| vec![*lab.random.one_of(&lab.postgres.backends())])
}

pub fn checkpointer(lab: &mut Lab) -> Row {
    kill(lab, |lab| vec![lab.postgres.checkpointer()])
}

pub fn postmaster(lab: &mut Lab) -> Row {
    kill(lab, |lab| lab.postgres.postmaster().into_iter().collect())
}

pub fn all_of_it(lab: &mut Lab) -> Row {
    kill(lab, |lab| lab.postgres.all())
}

fn kill(lab: &mut Lab, whom: impl Fn(&mut Lab) -> Vec<u32>) -> Row {
    let mut scene = lab.scene();
    scene.begin();
    for _ in 0..lab.often() {
        lab.pause(100..900);
        let pids = whom(lab);
        let accepts = lab.postgres.kill(&pids);
        scene.struck(1);
        scene.recovers(accepts, BACK);
    }
    scene.end()
}

/// All its processes are stopped, then go on.
pub fn stopped(lab: &mut Lab) -> Row {
    let mut scene = lab.scene();
    scene.begin();
    lab.pause(100..900);
    let pids = lab.postgres.all();
    let began = Instant::now();
    Postgres::signal(&pids, "STOP");
    std::thread::sleep(lab.seconds(30, 4));
    Postgres::signal(&pids, "CONT");
    let accepts = Instant::now();
    scene.struck(1);
    scene.recovers(accepts, BACK);
    scene.answered_within(began, ANSWER);
    scene.end()
}

/// A second replica is killed, or asked to end, and comes again, under load of its own.
pub fn replica(lab: &mut Lab) -> Row {
    let mut scene = lab.scene();
    scene.add_service();
    scene.begin();
    for round in 0..lab.often() {
        lab.pause(100..900);
        let mut gone = scene.services.remove(1);
        let address = gone.address;
        if round % 2 == 0 {
            gone.signal("KILL");
            gone.wait();
        } else if !gone.stop().success() {
            scene.complain("a replica that is asked to end does so with a failure".to_owned());
        }
        scene.comes_back(address);
    }
    scene.end()
}
