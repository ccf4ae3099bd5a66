//! Runs with more records than one step deletes.

use serde_json::{Value, json};

use super::{backdate_records, import, record, start_with_30_days_retention, stored_ids};
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
    let step = bind_parameters(step, &["30", "'web'", "'job#1'", "null", "null"]);
    let (mut before, mut steps) = (2500, 0);
    while stored_ids(&database) != current {
        database.sql(&step);
        let unpaired = "select from records f where start_id is not null and not exists (
            select from records s where s.id = f.start_id)";
        assert!(database.sql(unpaired).is_empty(), "after {steps} steps");
        let now = stored_ids(&database).len() - current.len();
        assert!(now < before && before - now <= 1000, "{now} of {before}");
        (before, steps) = (now, steps + 1);
    }
    assert_eq!(steps, 3);
}

#[test]
fn a_long_run_is_deleted_in_three_steps_and_writes_to_its_component_run_in_between() {
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
    for _ in 0..3 {
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
        assert!((1..=1000).contains(&(before - now)), "{now} of {before}");
        before = now;
    }
    assert_eq!(stored_ids(&database), current);
}
