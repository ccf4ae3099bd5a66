//! A synchronous standby that stops and returns.

use std::time::{Duration, Instant};

use crate::{
    Context,
    api::harness::{ReplicatedCluster, STANDBY_NAME, eventually},
    postgres::Postgres,
    scenario::{RECOVERY_LIMIT, Scenario, WRITE_LIMIT},
    table::Row,
};

/// The interval at which the test cancels commits that wait for the standby.
const CANCEL_INTERVAL: Duration = Duration::from_millis(200);

/// No record is acknowledged that the standby lacks, even if the wait for the standby is cancelled: by the test in
/// every second round, otherwise by the service at its deadline.
pub fn standby_down(context: &mut Context) -> Row {
    let mut cluster = ReplicatedCluster::start();
    cluster.add_standby();
    cluster.set_synchronous_standby(STANDBY_NAME);
    let postgres = Postgres::existing(cluster.url(), cluster.primary.clone(), &cluster.primary);
    let mut scenario = Scenario::new(&postgres, None);
    scenario.add_service();
    scenario.start_load();
    for round in 0..context.repetitions() {
        context.pause(100..900);
        let start = Instant::now();
        cluster.stop_standby();
        let stopped = Instant::now();
        while stopped.elapsed() < context.seconds(20, 5) {
            if round % 2 == 0 {
                scenario.sql("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'");
            }
            scenario.check_reads_until(Instant::now() + CANCEL_INTERVAL);
        }
        scenario.check_responses_within(start, WRITE_LIMIT);
        let acknowledged = scenario.probe().acknowledged();
        if scenario
            .probe()
            .observations(stopped)
            .iter()
            .any(|observation| observation.sent > stopped && observation.is_success())
        {
            scenario.fail("a write was acknowledged while the standby was down".to_owned());
        }
        cluster.start_standby_alone();
        scenario.check_copy(&cluster.standby_url(), &acknowledged);
        cluster.stop_standby();
        cluster.start_standby();
        eventually("the standby confirms commits", || {
            !scenario.sql("select from pg_stat_replication where sync_state = 'sync'").is_empty()
        });
        let caught_up = Instant::now();
        scenario.count_faults(1);
        scenario.check_recovery(caught_up, RECOVERY_LIMIT);
    }
    scenario.finish()
}
