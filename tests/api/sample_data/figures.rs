//! Compares the reports with plain SQL over the generated file.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{SINCE, UNTIL, Week};

/// Returns the columns of `dora.sql` by component.
fn expected(week: &Week, since: &str, until: &str, zone: &str) -> BTreeMap<String, Vec<Option<f64>>> {
    let sql = include_str!("../../sample-data/dora.sql");
    let sql = [("since", since), ("until", until), ("tz", zone)]
        .iter()
        .fold(sql.to_owned(), |sql, (name, value)| sql.replace(&format!(":'{name}'"), &format!("'{value}'")));
    let figures = |row: Vec<String>| {
        let (component, figures) = row.split_first().unwrap();
        (component.clone(), figures.iter().map(|figure| figure.parse().ok()).collect())
    };
    week.sql(&sql).into_iter().map(figures).collect()
}

#[track_caller]
fn assert_same(reported: &[Value], expected: &[Option<f64>], name: &str) {
    let reported: Vec<_> = reported.iter().map(Value::as_f64).collect();
    // Both are rounded to three decimal places, and the last one can differ.
    let same = |(reported, expected): (&Option<f64>, &Option<f64>)| match (reported, expected) {
        (Some(reported), Some(expected)) => (reported - expected).abs() < 0.0015,
        (reported, expected) => reported == expected,
    };
    assert!(
        reported.len() == expected.len() && reported.iter().zip(expected).all(same),
        "{name}: {reported:?} is not {expected:?}"
    );
}

#[test]
fn the_dora_metrics_equal_those_of_plain_sql() {
    let week = Week::load();
    for (zone, since, until) in [
        ("UTC", SINCE, UNTIL),
        // The clocks change on the last day, which has 23 hours.
        ("Europe/Lisbon", SINCE, "2026-03-29T23:00:00Z"),
        ("Pacific/Auckland", "2026-03-22T11:00:00Z", "2026-03-29T11:00:00Z"),
    ] {
        let target = format!("/api/dora?since={since}&until={until}&tz={zone}");
        let report = week.service.get(&target).expect(200);
        let components = report["components"].as_array().unwrap();
        let expected = expected(&week, since, until, zone);
        assert_eq!((components.len(), expected.len()), (8, 8));
        for metrics in components {
            let component = metrics["component"].as_str().unwrap();
            let frequency = &metrics["deployment_frequency_per_day"];
            let lead_time = &metrics["change_lead_time_seconds"];
            let fail_rate = &metrics["change_fail_rate_percent"];
            let recovery = &metrics["failed_deployment_recovery_time_seconds"];
            let rework = &metrics["deployment_rework_rate_percent"];
            // Plain SQL does not distinguish an unknown rework rate from zero.
            let rework_value = if rework["basis"] == "not computable" { 0.0.into() } else { rework["value"].clone() };
            let reported = [
                frequency["numerator"].clone(),
                frequency["value"].clone(),
                frequency["days_with_deploys"].clone(),
                lead_time["value"].clone(),
                lead_time["numerator"].clone(),
                fail_rate["value"].clone(),
                fail_rate["failed"].clone(),
                fail_rate["rolled_back"].clone(),
                fail_rate["undone"].clone(),
                recovery["value"].clone(),
                recovery["unrecovered"].clone(),
                rework_value,
                rework["numerator"].clone(),
            ];
            let (_p50, columns) = expected[component].split_last().unwrap();
            assert_same(&reported, columns, &format!("{component} in {zone}"));
        }
    }
}

#[test]
fn the_median_durations_equal_those_of_plain_sql() {
    let week = Week::load();
    let report = week.service.get(&format!("/api/durations?since={SINCE}&until={UNTIL}")).expect(200);
    let groups = report["groups"].as_array().unwrap();
    let expected = expected(&week, SINCE, UNTIL, "UTC");
    assert_eq!(groups.len(), 8);
    for group in groups {
        let name = group["name"].as_str().unwrap();
        let p50 = expected[name].last().copied().unwrap();
        assert_same(&[group["window"]["p50_seconds"].clone()], &[p50], name);
    }
}
