//! Random deploys: retention deletes the records that a model of the rules names, and changes no other record.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{days_ago, import, start_with_30_days_retention, stored_ids};
use crate::harness::{Database, Service};

/// Pseudo-random numbers with a fixed seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// Avoids values close to 30, which depend on the exact time.
    fn days(&mut self, max: i64) -> i64 {
        let days = i64::try_from(self.below(u64::try_from(max).unwrap())).unwrap() + 1;
        if (29..=31).contains(&days) { 32 } else { days }
    }
}

/// A record as sent.
#[derive(Clone)]
struct Sent {
    happened_days_ago: i64,
    recorded_days_ago: i64,
    minute: usize,
    status: &'static str,
    is_complete: bool,
}

impl Sent {
    fn any(numbers: &mut Numbers, minute: usize) -> Self {
        let happened_days_ago = numbers.days(70);
        let recorded_days_ago = if numbers.below(3) == 0 {
            numbers.days(happened_days_ago.max(1)).min(happened_days_ago)
        } else {
            happened_days_ago
        };
        let status = ["started", "ok", "failed"][usize::try_from(numbers.below(3)).unwrap()];
        Self {
            happened_days_ago,
            recorded_days_ago,
            minute,
            status,
            is_complete: status != "started" && numbers.below(4) == 0,
        }
    }

    fn json(&self, component: &str) -> Value {
        let at = |second: u8| days_ago(self.happened_days_ago, &format!("10:{:02}:{second:02}", self.minute));
        let mut record = json!({"component": component, "version": "1", "owner": "ann", "status": self.status});
        record[if self.status == "started" { "started_at" } else { "finished_at" }] = at(30).into();
        if self.is_complete {
            record["started_at"] = at(0).into();
        }
        record
    }

    fn is_recent(&self) -> bool {
        self.happened_days_ago < 30 || self.recorded_days_ago < 30
    }
}

/// The number of records deleted from the start of a deploy, and the index of the first record that is retained for its
/// own sake. The records between them are retained because a retained finish depends on them.
fn expected(deploy: &[Sent], has_start: impl Fn(usize) -> bool) -> (usize, usize) {
    let last = |statuses: &[&str]| deploy.iter().rposition(|sent| statuses.contains(&sent.status));
    let current = [last(&["ok", "failed"]), last(&["ok"])];
    let is_retained = |index: usize| deploy[index].is_recent() || current.contains(&Some(index));
    let first = (0..deploy.len()).find(|index| is_retained(*index)).unwrap_or(deploy.len());
    let mut deleted = first;
    if first < deploy.len() && deploy[first].status != "started" && !deploy[first].is_complete && deleted > 0 {
        deleted -= 1;
        if has_start(deleted) {
            deleted -= 1;
        }
    }
    (deleted, first)
}

#[test]
fn retention_deletes_what_the_rules_say_and_changes_no_retained_duration() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let mut numbers = Numbers(12);
    // The records of each deploy in the order of their moments.
    let mut deploys: Vec<Vec<Sent>> = (0..150)
        .map(|_| {
            let count = usize::try_from(numbers.below(8)).unwrap() + 1;
            let mut deploy: Vec<_> = (0..count).map(|index| Sent::any(&mut numbers, 2 * index)).collect();
            deploy.sort_by_key(|sent| (-sent.happened_days_ago, sent.minute));
            deploy
        })
        .collect();
    // One deploy with more records than one step deletes.
    let finish = |days, minute| Sent {
        happened_days_ago: days,
        recorded_days_ago: days,
        minute,
        status: "ok",
        is_complete: false,
    };
    let many = (40..45).rev().flat_map(|days| (0..26).map(move |number| finish(days, 2 * number)));
    deploys.push(many.chain([finish(2, 0), finish(1, 0)]).collect());

    let named: Vec<_> = (0..deploys.len()).map(|number| format!("c{number}")).collect();
    let records = deploys.iter().zip(&named).flat_map(|(deploy, name)| deploy.iter().map(|sent| sent.json(name)));
    let mut ids = import(&service, &records.collect::<Vec<_>>()).into_iter();
    let ids: Vec<Vec<i64>> = deploys.iter().map(|deploy| ids.by_ref().take(deploy.len()).collect()).collect();
    let ages = deploys.concat().into_iter().zip(ids.concat());
    let ages = ages.map(|(sent, id)| format!("({id}, {})", sent.recorded_days_ago)).collect::<Vec<_>>().join(", ");
    database.sql(&format!(
        "update records r set recorded_at = now() - age.days * interval '1 day'
         from (values {ages}) age (id, days) where age.id = r.id"
    ));
    let all = |service: &Service| -> BTreeMap<i64, Value> {
        service.all_records().into_iter().map(|record| (record["id"].as_i64().unwrap(), record)).collect()
    };
    let before = all(&service);
    drop(service);

    let bounds: Vec<(usize, usize)> = deploys
        .iter()
        .zip(&ids)
        .map(|(deploy, ids)| expected(deploy, |index| before[&ids[index]]["start_id"].is_i64()))
        .collect();
    let mut retained: Vec<i64> =
        ids.iter().zip(&bounds).flat_map(|(ids, (deleted, _))| ids[*deleted..].to_vec()).collect();
    retained.sort_unstable();
    assert!(bounds.iter().any(|(deleted, first)| deleted < first), "no finish retained the records before it");

    let service = start_with_30_days_retention(&database);
    assert_eq!(stored_ids(&database), retained);
    let after = all(&service);
    for (id, record) in &after {
        assert_eq!(record, &before[id]);
    }
    assert_open_starts_are_right(&database);

    for (((deploy, ids), name), (deleted, first)) in deploys.iter().zip(&ids).zip(&named).zip(&bounds) {
        let Some(last_deleted) = deleted.checked_sub(1) else { continue };
        // A late start before all deleted records, and one just after them.
        for (happened_days_ago, minute) in
            [(80, 0), (deploy[last_deleted].happened_days_ago, deploy[last_deleted].minute + 1)]
        {
            let late = Sent { happened_days_ago, recorded_days_ago: 0, minute, status: "started", is_complete: false };
            import(&service, &[late.json(name)]);
        }
        for id in &ids[*first..] {
            assert_eq!(service.read(&json!(id)), before[id], "of {name}");
        }
    }
}

/// Checks that `open_starts` contains exactly the starts that no finish follows directly.
#[track_caller]
fn assert_open_starts_are_right(database: &Database) {
    let ids = |sql: &str| database.sql(sql).into_iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    let stored = ids("select id from open_starts order by id");
    let expected = "select id from (
        select id, phase, lead(phase) over (partition by deploy order by moment, id) as next from records
        where moment is not null) r
      where phase = 'started' and coalesce(next, 'started') = 'started' order by id";
    assert_eq!(stored, ids(expected));
}
