//! A synchronous standby that goes and comes back.

use std::time::{Duration, Instant};

use crate::{
    Lab,
    api::harness::{ReplicatedCluster, STANDBY_NAME, eventually},
    postgres::Postgres,
    scene::{ANSWER, BACK, Scene},
    table::Row,
};

/// How often somebody cancels what waits for the standby.
const CANCEL: Duration = Duration::from_millis(200);

/// Nobody is told of a record that the standby does not have, even if the wait for it is cancelled: by somebody in every
/// second round, by the service at its deadline otherwise.
pub fn standby_away(lab: &mut Lab) -> Row {
    let mut cluster = ReplicatedCluster::start();
    cluster.add_standby();
    cluster.set_synchronous_standby(STANDBY_NAME);
    let postgres = Postgres::of(cluster.url(), cluster.primary.clone(), &cluster.primary);
    let mut scene = Scene::new(&postgres, None);
    scene.add_service();
    scene.begin();
    for round in 0..lab.often() {
        lab.pause(100..900);
        let began = Instant::now();
        cluster.stop_standby();
        let away = Instant::now();
        while away.elapsed() < lab.seconds(20, 5) {
            if round % 2 == 0 {
                scene.sql("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'");
            }
            scene.reads_until(Instant::now() + CANCEL);
        }
        scene.answered_within(began, ANSWER);
        let acknowledged = scene.witness().acknowledged();
        if scene.witness().sights(away).iter().any(|sight| sight.began > away && sight.is_success()) {
            scene.complain("a write is acknowledged while the standby is away".to_owned());
        }
        cluster.start_standby_alone();
        scene.has_copy(&cluster.standby_url(), &acknowledged);
        cluster.stop_standby();
        cluster.start_standby();
        eventually("the standby confirms", || {
            !scene.sql("select from pg_stat_replication where sync_state = 'sync'").is_empty()
        });
        let follows = Instant::now();
        scene.struck(1);
        scene.recovers(follows, BACK);
    }
    scene.end()
}
