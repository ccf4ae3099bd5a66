//! Runs with more records than one step deletes, and steps that fail.

use serde_json::{Value, json};

use super::{SENTINEL, backdate_records, import, record, start_with_30_days_retention, stored_ids, wait_for_sentinel};
use crate::harness::{Database, Service, Session, bind_parameters, count_lock_waits, eventually};

/// A run of 2,500 records: a deploy, and a stage with an odd number of records, so that a step of even size can separate
/// a start from its finish.
fn run(component: &str) -> Vec<Value> {
    let in_stage = |stage: Option<&str>| json!({"run": "job#1", "stage": stage});
    let stage = |status: &str, second: usize| {
        let time = format!("10:{:02}:{:02}", second / 60, second % 60);
        record(component, status, 40, &time, &in_stage(Some("Build")))
    };
    let mut records = vec![record(component, "started", 40, "09:00:00", &in_stage(None)), stage("ok", 0)];
    records.extend((1..1249).flat_map(|second| [stage("started", second), stage("ok", second)]));
    records.push(record(component, "queued", 40, "11:00:00", &in_stage(None)));
    records.push(record(component, "ok", 40, "11:00:00", &in_stage(None)));
    assert_eq!(records.len(), 2500);
    records
}

#[test]
fn a_long_run_is_deleted_whole_or_retained_whole() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let retained = import(&service, &run("web"));
    import(&service, &run("api"));
    let current = import(&service, &[record("api", "ok", 20, "10:00:00", &json!({}))]);
    backdate_records(&database);
    let finish = service.read(&json!(retained[2499]));
    assert_eq!(finish["start_id"], retained[0]);
    drop(service);

    let service = start_with_30_days_retention(&database);
    assert_eq!(stored_ids(&database), [&retained[..], &current].concat());
    import(&service, &[record("web", "started", 41, "10:00:00", &json!({"run": "job#1"}))]);
    assert_eq!(service.read(&json!(retained[2499])), finish);
}

#[test]
fn no_finish_loses_its_start_between_the_steps_of_deleting_a_long_run() {
    let database = Database::new();
    let service = Service::with_database(&database);
    import(&service, &run("web"));
    let current = import(&service, &[record("web", "ok", 20, "10:00:00", &json!({}))]);
    backdate_records(&database);
    drop(service);
    let step = include_str!("../../../sql/records_delete_old.sql");
    let first = "array(select id from records where run = 'job#1' order by recorded_at, id limit 500)";
    let step = bind_parameters(step, &["30", "'web'", "'job#1'", first]);
    let (mut before, mut steps) = (2500, 0);
    while stored_ids(&database) != current {
        database.sql(&step);
        let unpaired = "select from records f where start_id is not null and not exists (
            select from records s where s.id = f.start_id)";
        assert!(database.sql(unpaired).is_empty(), "after {steps} steps");
        let now = stored_ids(&database).len() - current.len();
        assert!(now < before && before - now <= 501, "{now} of {before}");
        (before, steps) = (now, steps + 1);
    }
    assert!(steps <= 6, "{steps}");
}

#[test]
fn a_long_run_is_deleted_in_steps_and_writes_to_its_component_run_in_between() {
    let database = Database::new();
    let service = Service::with_database(&database);
    import(&service, &run("web"));
    let current = import(&service, &[record("web", "ok", 20, "10:00:00", &json!({}))]);
    backdate_records(&database);
    drop(service);
    let url = database.url();
    let mut holder = Session::open(&url);
    holder.lock_components(&["web"]);
    let _service = Service::with_environment(&[("DATABASE_URL", &url), ("DEPLOYLOG_KEEP_DAYS", "30")]);
    let mut before = stored_ids(&database).len();
    while before > current.len() {
        eventually("the next step waits for the component", || count_lock_waits(&url) == 1);
        // A write that queues meanwhile gets the lock right after the step.
        holder = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let writer = Session::open(&url);
                writer.lock_components(&["web"]);
                writer
            });
            eventually("a write waits after it", || count_lock_waits(&url) == 2);
            drop(holder);
            writer.join().unwrap()
        });
        let now = stored_ids(&database).len();
        assert!((1..=501).contains(&(before - now)), "{now} of {before}");
        before = now;
    }
    assert_eq!(stored_ids(&database), current);
}

/// Inserts a run of 150,001 old records: a stage that was retried again and again, and the finish of the deploy.
fn insert_huge_run(database: &Database) {
    database.sql(
        "insert into records (id, component, version, owner, status, phase, run, stage, started_at, finished_at, start_id,
           recorded_at, updated_at, deploy, moment)
         select n, 'web', '1', 'ann', phase, phase, 'job#1', stage,
           case phase when 'started' then at when 'succeeded' then at - interval '1 second' end,
           case when phase <> 'started' then at end, case phase when 'succeeded' then n - 1 end, at, at,
           deploy_of('web', null, 'job#1', stage, '1'), at
         from (
           select n, now() - interval '40 days' + n * interval '1 second' as at,
             case when n = 150001 then 'failed' when n % 2 = 1 then 'started' else 'succeeded' end as phase,
             case when n < 150001 then 'Build' end as stage
           from generate_series(1, 150001) n
         ) r;
         select setval('record_id', 200000)",
    );
}

#[test]
fn retention_handles_a_run_of_150_000_records_in_steps_shorter_than_the_statement_timeout() {
    let database = Database::new();
    drop(Service::with_database(&database));
    insert_huge_run(&database);
    database.sql("alter table records set (autovacuum_enabled = false); analyze records");
    let service = Service::with_database(&database);
    let other = import(&service, &[record("api", "queued", 35, "10:00:00", &json!({}))]);
    database.sql(&format!("update records set recorded_at = now() - interval '35 days' where id = {}", other[0]));
    drop(service);
    let count = || database.sql("select count(*) from records")[0][0].parse::<usize>().unwrap();

    // The run contains the current deploy.
    database.sql(SENTINEL);
    let url = database.url().replace("-c search_path", "-c statement_timeout=250ms -c search_path");
    let settings = [("DATABASE_URL", url.as_str()), ("DEPLOYLOG_KEEP_DAYS", "30")];
    let service = Service::with_environment(&settings);
    wait_for_sentinel(&database);
    assert_eq!(count(), 150_001, "the run stays, the other record is deleted");
    assert_failures(&service, 0);

    let current = record("web", "ok", 20, "10:00:00", &json!({}));
    import(&service, &[current]);
    drop(service);
    let service = Service::with_environment(&settings);
    eventually("the run is being deleted", || count() < 148_000);
    assert_failures(&service, 0);
    drop(service);
    let unpaired = "select from records f where start_id is not null and not exists (
        select from records s where s.id = f.start_id)";
    assert!(database.sql(unpaired).is_empty());
}

#[test]
fn a_step_that_fails_is_counted_and_the_other_units_are_deleted() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let is_noted = |component: &str| record(component, "queued", 40, "10:00:00", &json!({"run": "job#1"}));
    let bad = import(&service, &vec![is_noted("bad"); 600]);
    import(&service, &[is_noted("good")]);
    database.sql(
        "update records set recorded_at = now() - interval '40 days';
         create function fail() returns trigger language plpgsql as $$ begin raise 'it fails'; end $$;
         create trigger fail before delete on records for each row when (old.component = 'bad') execute function fail()",
    );
    drop(service);
    let service = start_with_30_days_retention(&database);
    assert_eq!(stored_ids(&database), bad);
    assert_failures(&service, 1);
}

#[track_caller]
fn assert_failures(service: &Service, count: usize) {
    let metrics = service.get("/metrics").body;
    assert!(metrics.contains(&format!("\ndeploylog_retention_failures_total {count}\n")), "{metrics}");
}
