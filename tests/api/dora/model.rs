//! Any deploys, in any window: the figures are those of a small model that sees all of them.

use std::{cell::Cell, collections::BTreeSet};

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use super::{FAIL_RATE, FREQUENCY, LEAD_TIME, RECOVERY, REWORK, report};
use crate::harness::{Service, deployed_with};

const HOURS: u32 = 60;

/// What is said at an hour; of one hour the first comes first.
#[derive(Clone, Debug)]
struct Said {
    hour: u32,
    status: &'static str,
    version: u8,
    hours_since_commit: Option<i32>,
    unplanned: Option<bool>,
    environment: &'static str,
}

fn said() -> impl Strategy<Value = Said> {
    let status = prop::sample::select(vec![
        "deployed",
        "deployed",
        "deployed",
        "deployed",
        "deployed",
        "deployed",
        "failed",
        "aborted",
        "done",
        "skipped",
        "rolled_back",
    ]);
    // Two versions most of all, so that they go to and fro, and are deployed again, for long.
    let version = prop::sample::select(vec![0, 0, 0, 0, 0, 1, 1, 2]);
    let environment = prop::sample::select(vec!["production", "production", "production", "staging"]);
    let change = (prop::option::of(-1..50), prop::option::of(any::<bool>()));
    (0..HOURS, status, version, change, environment).prop_map(
        |(hour, status, version, (hours_since_commit, unplanned), environment)| Said {
            hour,
            status,
            version,
            hours_since_commit,
            unplanned,
            environment,
        },
    )
}

fn time(hour: i32) -> String {
    (chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(hour.into())).to_rfc3339()
}

fn line(component: &str, said: &Said) -> String {
    let hour = said.hour.cast_signed();
    deployed_with(&json!({
        "component": component, "environment": said.environment, "status": said.status,
        "version": said.version.to_string(), "finished_at": time(hour), "unplanned": said.unplanned,
        "committed_at": said.hours_since_commit.map(|hours| time(hour - hours)),
    }))
}

/// The deploys that are failures though they succeeded: those that a record names, and those that were undone.
fn failures(all: &[&Said]) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let notes = all.iter().filter(|note| note.status == "rolled_back");
    let named = notes.filter_map(|note| {
        all.iter().rposition(|deploy| {
            ["deployed", "failed"].contains(&deploy.status)
                && deploy.version == note.version
                && deploy.hour <= note.hour
        })
    });
    let mut undone = BTreeSet::new();
    // The version that runs, its last deploy, and whether it came back; and the one that ran before.
    let (mut running, mut before): (Option<(u8, usize, bool)>, Option<u8>) = (None, None);
    for (place, deploy) in all.iter().enumerate().filter(|(_, deploy)| deploy.status == "deployed") {
        running = match running {
            None => Some((deploy.version, place, false)),
            Some((version, _, came_back)) if version == deploy.version => Some((version, place, came_back)),
            Some((version, last, came_back)) => {
                let comes_back = !came_back && before == Some(deploy.version);
                if comes_back {
                    undone.insert(last);
                }
                before = Some(version);
                Some((deploy.version, place, comes_back))
            }
        };
    }
    (named.collect(), undone)
}

fn median(mut values: Vec<u32>) -> Value {
    values.sort_unstable();
    let (lower, upper) = match values.len() {
        0 => return Value::Null,
        size => (values[(size - 1) / 2], values[size / 2]),
    };
    json!(f64::from(lower + upper) / 2.0 * 3600.0)
}

/// Counts and medians of the window, as `told` reads them from the answer.
fn expected(all: &[&Said], since: u32, until: u32) -> Value {
    let (named, undone) = failures(all);
    let inside: Vec<_> = all.iter().enumerate().filter(|(_, said)| (since..until).contains(&said.hour)).collect();
    let of = |status: &str| inside.iter().filter(|(_, said)| said.status == status).collect::<Vec<_>>();
    let (succeeded, failed) = (of("deployed"), of("failed"));
    let lead = succeeded.iter().filter_map(|(_, said)| u32::try_from(said.hours_since_commit?).ok());
    let lead: Vec<_> = lead.collect();
    let only_named: Vec<_> = succeeded.iter().filter(|(place, _)| named.contains(place)).collect();
    let only_undone: Vec<_> =
        succeeded.iter().filter(|(place, _)| undone.contains(place) && !named.contains(place)).collect();
    let failures = failed.iter().chain(only_named.iter().copied()).chain(only_undone.iter().copied());
    let recovery: Vec<Option<u32>> = failures
        .map(|(place, said)| {
            let next = all[place + 1..].iter().find(|next| next.status == "deployed");
            next.map(|next| next.hour - said.hour)
        })
        .collect();
    let recovered: Vec<_> = recovery.iter().copied().flatten().collect();
    let unplanned = succeeded.iter().chain(&failed).filter(|(_, said)| said.unplanned == Some(true)).count();
    json!([
        [succeeded.len(), of("done").len()],
        [lead.len(), succeeded.len(), median(lead)],
        [recovery.len(), succeeded.len() + failed.len(), failed.len(), only_named.len(), only_undone.len()],
        [recovered.len(), recovery.len(), recovery.len() - recovered.len(), median(recovered)],
        [unplanned, succeeded.len() + failed.len()],
    ])
}

fn told(service: &Service, component: &str, since: u32, until: u32) -> Value {
    let [since, until] = [since, until].map(|hour| time(hour.cast_signed()).replace('+', "%2B"));
    let of = report(service, &format!("component={component}&since={since}&until={until}"));
    let picked = [
        (FREQUENCY, ["numerator", "result_unstated"].as_slice()),
        (LEAD_TIME, &["numerator", "denominator", "value"]),
        (FAIL_RATE, &["numerator", "denominator", "failed", "rolled_back", "undone"]),
        (RECOVERY, &["numerator", "denominator", "unrecovered", "value"]),
        (REWORK, &["numerator", "denominator"]),
    ];
    let read = |(metric, fields): &(&str, &[&str])| -> Value {
        fields.iter().map(|field| of[metric][field].clone()).collect()
    };
    picked.iter().map(read).collect()
}

#[test]
fn whatever_is_deployed_the_figures_of_every_window_are_those_of_the_model() {
    let service = Service::start();
    let count = Cell::new(0);
    let config = ProptestConfig { cases: 100, max_shrink_iters: 300, failure_persistence: None, ..Default::default() };
    let windows = prop::collection::vec((0..HOURS, 1..HOURS), 6);
    let result = TestRunner::new(config).run(&(prop::collection::vec(said(), 1..70), windows), |(said, windows)| {
        count.set(count.get() + 1);
        let component = format!("c{}", count.get());
        // So that it is a component of the report, whatever it has said.
        let lines: Vec<_> = said.iter().map(|said| line(&component, said)).collect();
        let aborted = deployed_with(&json!({
            "component": component, "environment": "production", "status": "aborted", "finished_at": time(0)
        }));
        service.import(&lines.join("\n")).expect(201);
        service.record(&aborted);
        let mut all: Vec<_> = said.iter().filter(|said| said.environment == "production").collect();
        all.sort_by_key(|said| said.hour);
        for (since, length) in windows {
            let until = since + length;
            let told = told(&service, &component, since, until);
            prop_assert_eq!(told, expected(&all, since, until), "from hour {} to {} of {:#?}", since, until, all);
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
