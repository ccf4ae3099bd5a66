//! Property test: the figures of random deploys in random windows match a simple model.

use std::{cell::Cell, collections::BTreeSet};

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use super::{FAIL_RATE, FREQUENCY, LEAD_TIME, RECOVERY, REWORK, report};
use crate::harness::{Service, deployed_with};

const HOURS: u32 = 60;

/// A record at an hour; records of the same hour keep the order of the list.
#[derive(Clone, Debug)]
struct Input {
    hour: u32,
    status: &'static str,
    version: u8,
    hours_since_commit: Option<i32>,
    unplanned: Option<bool>,
    environment: &'static str,
}

fn input() -> impl Strategy<Value = Input> {
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
    // Mostly two versions, so that redeploys and rollbacks are frequent.
    let version = prop::sample::select(vec![0, 0, 0, 0, 0, 1, 1, 2]);
    let environment = prop::sample::select(vec!["production", "production", "production", "staging"]);
    let change = (prop::option::of(-1..50), prop::option::of(any::<bool>()));
    (0..HOURS, status, version, change, environment).prop_map(
        |(hour, status, version, (hours_since_commit, unplanned), environment)| Input {
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

fn line(component: &str, input: &Input) -> String {
    let hour = input.hour.cast_signed();
    deployed_with(&json!({
        "component": component, "environment": input.environment, "status": input.status,
        "version": input.version.to_string(), "finished_at": time(hour), "unplanned": input.unplanned,
        "committed_at": input.hours_since_commit.map(|hours| time(hour - hours)),
    }))
}

/// The succeeded deploys that count as failures: those named by a `rolled_back` record, and those undone by a rollback.
fn failures(all: &[&Input]) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let notes = all.iter().filter(|note| note.status == "rolled_back");
    let named = notes.filter_map(|note| {
        all.iter().rposition(|deploy| {
            ["deployed", "failed"].contains(&deploy.status)
                && deploy.version == note.version
                && deploy.hour <= note.hour
        })
    });
    let mut undone = BTreeSet::new();
    // The running version with the index of its last deploy and whether it came by a rollback; the version before it.
    let (mut running, mut before): (Option<(u8, usize, bool)>, Option<u8>) = (None, None);
    for (index, deploy) in all.iter().enumerate().filter(|(_, deploy)| deploy.status == "deployed") {
        running = match running {
            None => Some((deploy.version, index, false)),
            Some((version, _, was_rollback)) if version == deploy.version => Some((version, index, was_rollback)),
            Some((version, last, was_rollback)) => {
                let is_rollback = !was_rollback && before == Some(deploy.version);
                if is_rollback {
                    undone.insert(last);
                }
                before = Some(version);
                Some((deploy.version, index, is_rollback))
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

/// Counts and medians of the window, in the order of [`reported`].
fn expected(all: &[&Input], since: u32, until: u32) -> Value {
    let (named, undone) = failures(all);
    let inside: Vec<_> = all.iter().enumerate().filter(|(_, input)| (since..until).contains(&input.hour)).collect();
    let with_status = |status: &str| inside.iter().filter(|(_, input)| input.status == status).collect::<Vec<_>>();
    let (succeeded, failed) = (with_status("deployed"), with_status("failed"));
    let lead = succeeded.iter().filter_map(|(_, input)| u32::try_from(input.hours_since_commit?).ok());
    let lead: Vec<_> = lead.collect();
    let only_named: Vec<_> = succeeded.iter().filter(|(index, _)| named.contains(index)).collect();
    let only_undone: Vec<_> =
        succeeded.iter().filter(|(index, _)| undone.contains(index) && !named.contains(index)).collect();
    let failures = failed.iter().chain(only_named.iter().copied()).chain(only_undone.iter().copied());
    let recovery: Vec<Option<u32>> = failures
        .map(|(index, input)| {
            let next = all[index + 1..].iter().find(|next| next.status == "deployed");
            next.map(|next| next.hour - input.hour)
        })
        .collect();
    let recovered: Vec<_> = recovery.iter().copied().flatten().collect();
    let unplanned = succeeded.iter().chain(&failed).filter(|(_, input)| input.unplanned == Some(true)).count();
    json!([
        [succeeded.len(), with_status("done").len()],
        [lead.len(), succeeded.len(), median(lead)],
        [recovery.len(), succeeded.len() + failed.len(), failed.len(), only_named.len(), only_undone.len()],
        [recovered.len(), recovery.len(), recovery.len() - recovered.len(), median(recovered)],
        [unplanned, succeeded.len() + failed.len()],
    ])
}

fn reported(service: &Service, component: &str, since: u32, until: u32) -> Value {
    let [since, until] = [since, until].map(|hour| time(hour.cast_signed()).replace('+', "%2B"));
    let component_report = report(service, &format!("component={component}&since={since}&until={until}"));
    let picked = [
        (FREQUENCY, ["numerator", "result_unstated"].as_slice()),
        (LEAD_TIME, &["numerator", "denominator", "value"]),
        (FAIL_RATE, &["numerator", "denominator", "failed", "rolled_back", "undone"]),
        (RECOVERY, &["numerator", "denominator", "unrecovered", "value"]),
        (REWORK, &["numerator", "denominator"]),
    ];
    let read = |(metric, fields): &(&str, &[&str])| -> Value {
        fields.iter().map(|field| component_report[metric][field].clone()).collect()
    };
    picked.iter().map(read).collect()
}

#[test]
fn the_figures_of_random_deploys_match_the_model_in_every_window() {
    let service = Service::start();
    let count = Cell::new(0);
    let config = ProptestConfig { cases: 100, max_shrink_iters: 300, failure_persistence: None, ..Default::default() };
    let windows = prop::collection::vec((0..HOURS, 1..HOURS), 6);
    let result = TestRunner::new(config).run(&(prop::collection::vec(input(), 1..70), windows), |(input, windows)| {
        count.set(count.get() + 1);
        let component = format!("c{}", count.get());
        let lines: Vec<_> = input.iter().map(|input| line(&component, input)).collect();
        // Ensures that the report lists the component, whatever the input is.
        let aborted = deployed_with(&json!({
            "component": component, "environment": "production", "status": "aborted", "finished_at": time(0)
        }));
        service.import(&lines.join("\n")).expect(201);
        service.record(&aborted);
        let mut all: Vec<_> = input.iter().filter(|input| input.environment == "production").collect();
        all.sort_by_key(|input| input.hour);
        for (since, length) in windows {
            let until = since + length;
            let reported = reported(&service, &component, since, until);
            prop_assert_eq!(reported, expected(&all, since, until), "from hour {} to {} of {:#?}", since, until, all);
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
