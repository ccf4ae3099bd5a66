//! Kills and stops processes of the service and of PostgreSQL.

use std::time::Instant;

use crate::{
    Context,
    postgres::Postgres,
    scenario::{RECOVERY_LIMIT, WRITE_LIMIT},
    table::Row,
};

pub fn service(context: &mut Context) -> Row {
    let mut scenario = context.scenario();
    scenario.start_load();
    for _ in 0..context.repetitions() {
        context.pause(100..900);
        let killed = scenario.services.remove(0);
        let address = killed.address;
        killed.signal("KILL");
        drop(killed);
        scenario.restart_service(address);
    }
    scenario.finish()
}

pub fn backend(context: &mut Context) -> Row {
    kill(context, |context| vec![*context.random.one_of(&context.postgres.backends())])
}

pub fn checkpointer(context: &mut Context) -> Row {
    kill(context, |context| vec![context.postgres.checkpointer()])
}

pub fn postmaster(context: &mut Context) -> Row {
    kill(context, |context| context.postgres.postmaster().into_iter().collect())
}

pub fn all_processes(context: &mut Context) -> Row {
    kill(context, |context| context.postgres.all())
}

fn kill(context: &mut Context, choose: impl Fn(&mut Context) -> Vec<u32>) -> Row {
    let mut scenario = context.scenario();
    scenario.start_load();
    for _ in 0..context.repetitions() {
        context.pause(100..900);
        let pids = choose(context);
        let accepts_since = context.postgres.kill(&pids);
        scenario.count_faults(1);
        scenario.check_recovery(accepts_since, RECOVERY_LIMIT);
    }
    scenario.finish()
}

/// Stops all processes of PostgreSQL, then continues them.
pub fn stopped(context: &mut Context) -> Row {
    let mut scenario = context.scenario();
    scenario.start_load();
    context.pause(100..900);
    let pids = context.postgres.all();
    let stopped = Instant::now();
    Postgres::signal(&pids, "STOP");
    std::thread::sleep(context.seconds(30, 4));
    Postgres::signal(&pids, "CONT");
    let continued = Instant::now();
    scenario.count_faults(1);
    scenario.check_recovery(continued, RECOVERY_LIMIT);
    scenario.check_responses_within(stopped, WRITE_LIMIT);
    scenario.finish()
}

/// Kills a second replica, or stops it gracefully, and restarts it, under load.
pub fn replica(context: &mut Context) -> Row {
    let mut scenario = context.scenario();
    scenario.add_service();
    scenario.start_load();
    for round in 0..context.repetitions() {
        context.pause(100..900);
        let mut replica = scenario.services.remove(1);
        let address = replica.address;
        if round % 2 == 0 {
            replica.signal("KILL");
            replica.wait();
        } else if !replica.stop().success() {
            scenario.fail("a replica fails to stop gracefully".to_owned());
        }
        scenario.restart_service(address);
    }
    scenario.finish()
}

/// The supervisor notices the missing socket and restarts PostgreSQL.
pub fn socket_deleted(context: &mut Context) -> Row {
    let mut scenario = context.scenario();
    scenario.start_load();
    context.pause(100..900);
    let before = context.postgres.checkpointer();
    std::fs::remove_file(context.postgres.socket()).unwrap();
    let accepted = context.postgres.wait_for_restart(before);
    scenario.count_faults(1);
    scenario.check_recovery(accepted, RECOVERY_LIMIT);
    let service = &scenario.services[0];
    let statuses = ["/api/", "/api/deploys", "/readyz"].map(|target| service.get(target).status);
    if statuses != [200; 3] {
        scenario.fail(format!("reads after the restart got {statuses:?}"));
    }
    scenario.finish()
}
