//! Migrations run without timeouts, and never keep the requests of others waiting for long.

use std::time::{Duration, Instant};

use super::database_of_previous_version;
use crate::harness::{DEPLOYED, PrivateCluster, Service, Session, eventually, migration_count, sql};

#[test]
fn a_migration_can_take_longer_than_the_statement_timeout_of_the_role() {
    let cluster = PrivateCluster::start();
    let url = cluster.url();
    sql(
        &url,
        "create function pause() returns event_trigger language plpgsql as $$ begin perform pg_sleep(1.2); end $$;
         create event trigger pause on ddl_command_end when tag in ('DROP TABLE') execute function pause();
         alter role current_user set statement_timeout = '1s'",
    );
    let began = Instant::now();
    let environment = [("DATABASE_URL", url.as_str()), ("DEPLOYLOG_LOG_LEVEL", "info")];
    let (code, output) = Service::run_to_end(&["migrate"], &environment);
    assert_eq!(code, 0, "{output}");
    assert!(began.elapsed() > Duration::from_secs(1), "no migration took longer than the timeout");
    assert_eq!(output.matches("migrating the schema: ").count(), migration_count(), "{output}");
    let transactions = sql(&url, "select count(distinct xmin::text) from migrations");
    assert_eq!(transactions, [[migration_count().to_string()]], "each migration has a transaction of its own");
}

#[test]
fn a_migration_that_waits_for_a_lock_lets_others_read_and_runs_once_in_two_replicas() {
    let database = database_of_previous_version();
    let url = database.url();
    let holder = Session::open(&url);
    holder.execute("begin; select from records");
    let pid = holder.query("select pg_backend_pid()")[0].get(0).unwrap().to_owned();
    let replicas = [(); 2].map(|()| Service::start_unready(&[("DATABASE_URL", &url)]));
    let blocked = format!("select from pg_stat_activity where {pid} = any (pg_blocking_pids(pid))");
    let reader = Session::open(&url);
    reader.execute("set statement_timeout = '3s'");
    for _ in 0..2 {
        eventually("the migration waits for the lock", || !sql(&url, &blocked).is_empty());
        reader.execute("select from records");
        eventually("the migration gives up for now", || sql(&url, &blocked).is_empty());
    }
    holder.execute("commit");
    for service in &replicas {
        eventually("the service is ready", || service.get("/readyz").status == 200);
        service.record(DEPLOYED);
    }
    assert_eq!(database.sql("select count(*) from migrations"), [[migration_count().to_string()]]);
}
