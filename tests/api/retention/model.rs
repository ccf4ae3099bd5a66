//! Deploys of any shape: what goes is what the rules say, and what stays is what it was.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{days_ago, import, keeping_30_days, standing};
use crate::harness::{Database, Service};

/// Numbers that only look like chance.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// Not about 30, which another clock may take for either.
    fn days(&mut self, most: i64) -> i64 {
        let days = i64::try_from(self.below(u64::try_from(most).unwrap())).unwrap() + 1;
        if (29..=31).contains(&days) { 32 } else { days }
    }
}

/// A record of a deploy, as it is sent.
#[derive(Clone)]
struct Said {
    happened: i64,
    /// Days ago, like the above.
    recorded: i64,
    minute: usize,
    status: &'static str,
    is_complete: bool,
}

impl Said {
    fn any(numbers: &mut Numbers, minute: usize) -> Self {
        let happened = numbers.days(70);
        let recorded = if numbers.below(3) == 0 { numbers.days(happened.max(1)).min(happened) } else { happened };
        let status = ["started", "ok", "failed"][usize::try_from(numbers.below(3)).unwrap()];
        Self { happened, recorded, minute, status, is_complete: status != "started" && numbers.below(4) == 0 }
    }

    fn json(&self, component: &str) -> Value {
        let at = |second: u8| days_ago(self.happened, &format!("10:{:02}:{second:02}", self.minute));
        let mut record = json!({"component": component, "version": "1", "owner": "ann", "status": self.status});
        record[if self.status == "started" { "started_at" } else { "finished_at" }] = at(30).into();
        if self.is_complete {
            record["started_at"] = at(0).into();
        }
        record
    }

    fn is_young(&self) -> bool {
        self.happened < 30 || self.recorded < 30
    }
}

/// How many go from a deploy's beginning, and from where on all stays by itself.
fn expected(deploy: &[Said], has_start: impl Fn(usize) -> bool) -> (usize, usize) {
    let last = |statuses: &[&str]| deploy.iter().rposition(|said| statuses.contains(&said.status));
    let running = [last(&["ok", "failed"]), last(&["ok"])];
    let stays = |index: usize| deploy[index].is_young() || running.contains(&Some(index));
    let first = (0..deploy.len()).find(|index| stays(*index)).unwrap_or(deploy.len());
    let mut going = first;
    if first < deploy.len() && deploy[first].status != "started" && !deploy[first].is_complete && going > 0 {
        going -= 1;
        if has_start(going) {
            going -= 1;
        }
    }
    (going, first)
}

#[test]
fn retention_deletes_what_the_rules_say_and_changes_no_retained_duration() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let mut numbers = Numbers(12);
    // Each in the order in which it happened.
    let mut deploys: Vec<Vec<Said>> = (0..150)
        .map(|_| {
            let count = usize::try_from(numbers.below(8)).unwrap() + 1;
            let mut deploy: Vec<_> = (0..count).map(|index| Said::any(&mut numbers, 2 * index)).collect();
            deploy.sort_by_key(|said| (-said.happened, said.minute));
            deploy
        })
        .collect();
    // More than goes at a time.
    let lone = |days, minute| Said { happened: days, recorded: days, minute, status: "ok", is_complete: false };
    let many = (40..45).rev().flat_map(|days| (0..26).map(move |number| lone(days, 2 * number)));
    deploys.push(many.chain([lone(2, 0), lone(1, 0)]).collect());

    let named: Vec<_> = (0..deploys.len()).map(|number| format!("c{number}")).collect();
    let records = deploys.iter().zip(&named).flat_map(|(deploy, name)| deploy.iter().map(|said| said.json(name)));
    let mut ids = import(&service, &records.collect::<Vec<_>>()).into_iter();
    let ids: Vec<Vec<i64>> = deploys.iter().map(|deploy| ids.by_ref().take(deploy.len()).collect()).collect();
    let ages = deploys.concat().into_iter().zip(ids.concat());
    let ages = ages.map(|(said, id)| format!("({id}, {})", said.recorded)).collect::<Vec<_>>().join(", ");
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
    let mut stay: Vec<i64> = ids.iter().zip(&bounds).flat_map(|(ids, (going, _))| ids[*going..].to_vec()).collect();
    stay.sort_unstable();
    assert!(bounds.iter().any(|(going, first)| going < first), "no finish kept what is before it");

    let service = keeping_30_days(&database);
    assert_eq!(standing(&database), stay);
    let after = all(&service);
    for (id, record) in &after {
        assert_eq!(record, &before[id]);
    }
    assert_open_starts_are_right(&database);

    for (((deploy, ids), name), (going, first)) in deploys.iter().zip(&ids).zip(&named).zip(&bounds) {
        let Some(gone) = going.checked_sub(1) else { continue };
        // Before all that went, and just behind it.
        for (happened, minute) in [(80, 0), (deploy[gone].happened, deploy[gone].minute + 1)] {
            let late = Said { happened, recorded: 0, minute, status: "started", is_complete: false };
            import(&service, &[late.json(name)]);
        }
        for id in &ids[*first..] {
            assert_eq!(service.read(&json!(id)), before[id], "of {name}");
        }
    }
}

/// Every start that no stop follows is among them, once, and nothing else.
#[track_caller]
fn assert_open_starts_are_right(database: &Database) {
    let of = |sql: &str| database.sql(sql).into_iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    let noted = of("select id from open_starts order by id");
    let followed = "select id from (
        select id, phase, lead(phase) over (partition by deploy order by moment, id) as next from records
        where moment is not null) r
      where phase = 'started' and coalesce(next, 'started') = 'started' order by id";
    assert_eq!(noted, of(followed));
}
