//! The five DORA metrics, each with its counts and the rule that it follows.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::record::format_time;
use super::window::{Span, Window};

const FAILURE: &str = "a failure is a deploy that failed, one whose version a rolled_back record names, or one undone \
                       by a rollback (versions A, B, A: B is the failure)";
const RECOVERY: &str = "from the finish of a failure to the next success of the component in the environment";
const NO_SUCCESS: &str = "a succeeded deploy in the window";
const NO_DEPLOY: &str = "a succeeded or failed deploy in the window";

/// Counts of the deploys of a component to an environment that finished in a window. Aborted deploys do not count.
#[derive(Debug)]
pub struct DeployFigures {
    pub component: String,
    pub succeeded: i64,
    pub failed: i64,
    /// Finished without a result. No other field counts them.
    pub unstated: i64,
    /// Days of the window's time zone with a succeeded deploy.
    pub days_with_deploys: i64,
    /// Succeeded deploys with a `committed_at` before their finish.
    pub with_commit: i64,
    /// In seconds.
    pub lead_median: Option<f64>,
    /// Deploys with `unplanned`, true or false.
    pub with_unplanned: i64,
    pub unplanned: i64,
    /// Failed deploys, and succeeded deploys that were rolled back.
    pub failures: i64,
    /// Succeeded deploys that a `rolled_back` record names.
    pub rolled_back: i64,
    /// Succeeded deploys that only a return to an older version undid.
    pub undone: i64,
    /// Failures with a later success.
    pub recovered: i64,
    /// The median time to that success, in seconds.
    pub recovery_median: Option<f64>,
    /// The newest failures without a later success, newest first.
    pub unrecovered: Vec<Unrecovered>,
}

/// A failure without a later success.
#[derive(Debug, Serialize)]
pub struct Unrecovered {
    /// Of the finish.
    id: i64,
    version: String,
    finished_at: String,
    /// The time since the finish.
    age_seconds: f64,
}

impl Unrecovered {
    pub fn new(id: i64, version: String, finished_at: DateTime<Utc>, age_seconds: f64) -> Self {
        Self { id, version, finished_at: format_time(finished_at), age_seconds: rounded(age_seconds) }
    }
}

/// The metrics of a component in an environment.
#[derive(Serialize)]
pub struct Metrics<'a> {
    component: &'a str,
    environment: &'a str,
    deployment_frequency_per_day: Metric<'a, Frequency>,
    change_lead_time_seconds: Metric<'a, Nothing>,
    change_fail_rate_percent: Metric<'a, Failures>,
    failed_deployment_recovery_time_seconds: Metric<'a, Recovery<'a>>,
    deployment_rework_rate_percent: Metric<'a, Nothing>,
}

/// The unit of `value` is in the name of the metric.
#[derive(Serialize)]
struct Metric<'a, More> {
    value: Option<f64>,
    numerator: i64,
    denominator: Denominator,
    window: &'a Span,
    basis: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'static str>,
    #[serde(flatten)]
    more: More,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Denominator {
    Deploys(i64),
    Days(f64),
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Frequency {
    days_with_deploys: i64,
    result_unstated: i64,
}

/// Each failure counts in one of these.
#[derive(Serialize)]
struct Failures {
    failed: i64,
    rolled_back: i64,
    undone: i64,
}

#[derive(Serialize)]
struct Recovery<'a> {
    unrecovered: i64,
    newest_unrecovered: &'a [Unrecovered],
}

/// How a value was computed.
enum Basis {
    Exact,
    /// With the rule in words.
    Proxy(String),
    /// With the missing data.
    NotComputable(&'static str),
}

impl<'a> Metrics<'a> {
    pub fn of(of: &'a DeployFigures, environment: &'a str, window: &Window, span: &'a Span) -> Self {
        let unstated = match of.unstated {
            0 => None,
            count => Some(format!("deploys whose result is unstated are left out: {count}")),
        };
        let with = |rule: Option<String>| match [rule, unstated.clone()].into_iter().flatten().collect::<Vec<_>>() {
            rules if rules.is_empty() => Basis::Exact,
            rules => Basis::Proxy(rules.join("; ")),
        };
        let deploys = of.succeeded + of.failed;
        Self {
            component: &of.component,
            environment,
            deployment_frequency_per_day: metric(
                (Some(ratio(of.succeeded, window.days)), of.succeeded, Denominator::Days(rounded(window.days))),
                span,
                with(None),
                Frequency { days_with_deploys: of.days_with_deploys, result_unstated: of.unstated },
            ),
            change_lead_time_seconds: metric(
                (of.lead_median, of.with_commit, Denominator::Deploys(of.succeeded)),
                span,
                match (of.succeeded, of.with_commit) {
                    (0, _) => Basis::NotComputable(NO_SUCCESS),
                    (_, 0) => Basis::NotComputable("committed_at, before the finish, on a succeeded deploy"),
                    (all, some) if all == some => with(None),
                    _ => with(Some("the median of the deploys that say committed_at, before their finish".to_owned())),
                },
                Nothing {},
            ),
            change_fail_rate_percent: metric(
                (percent(of.failures, deploys), of.failures, Denominator::Deploys(deploys)),
                span,
                if deploys == 0 { Basis::NotComputable(NO_DEPLOY) } else { with(Some(FAILURE.to_owned())) },
                Failures { failed: of.failed, rolled_back: of.rolled_back, undone: of.undone },
            ),
            failed_deployment_recovery_time_seconds: recovery(of, span, with),
            deployment_rework_rate_percent: metric(
                (
                    percent(of.unplanned, deploys).filter(|_| of.with_unplanned > 0),
                    of.unplanned,
                    Denominator::Deploys(deploys),
                ),
                span,
                match (deploys, of.with_unplanned) {
                    (0, _) => Basis::NotComputable(NO_DEPLOY),
                    (_, 0) => Basis::NotComputable("unplanned, true or false, on a deploy"),
                    (all, some) if all == some => with(None),
                    (all, some) => with(Some(format!(
                        "a deploy that does not say unplanned is taken as planned: {} of {all}",
                        all - some
                    ))),
                },
                Nothing {},
            ),
        }
    }
}

fn recovery<'a>(
    of: &'a DeployFigures,
    span: &'a Span,
    with: impl Fn(Option<String>) -> Basis,
) -> Metric<'a, Recovery<'a>> {
    let unrecovered = of.failures - of.recovered;
    let basis = match (of.failures, of.recovered, unrecovered) {
        (0, ..) => Basis::NotComputable("a failure in the window"),
        (_, 0, _) => Basis::NotComputable("a success after a failure"),
        (.., 0) => with(Some(format!("{RECOVERY}; {FAILURE}"))),
        (.., open) => {
            with(Some(format!("{RECOVERY}; {FAILURE}; failures without a success since are left out: {open}")))
        }
    };
    let more = Recovery { unrecovered, newest_unrecovered: &of.unrecovered };
    metric((of.recovery_median, of.recovered, Denominator::Deploys(of.failures)), span, basis, more)
}

fn metric<More>(
    (value, numerator, denominator): (Option<f64>, i64, Denominator),
    window: &Span,
    basis: Basis,
    more: More,
) -> Metric<'_, More> {
    let (basis, rule, missing) = match basis {
        Basis::Exact => ("exact", None, None),
        Basis::Proxy(rule) => ("proxy", Some(rule), None),
        Basis::NotComputable(missing) => ("not computable", None, Some(missing)),
    };
    Metric { value: value.map(rounded), numerator, denominator, window, basis, rule, missing, more }
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
fn whole(count: i64) -> f64 {
    count as f64
}

fn ratio(count: i64, of: f64) -> f64 {
    whole(count) / of
}

fn percent(count: i64, of: i64) -> Option<f64> {
    (of > 0).then(|| 100.0 * ratio(count, whole(of)))
}

/// Rounds to thousandths.
pub fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
