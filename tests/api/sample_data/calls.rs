//! Compares lists, current versions, metrics and events with the generated file.

use serde_json::Value;

use super::{SINCE, UNTIL, Week, generate, text};
use crate::harness::Service;

/// The format of times in responses.
const TIME: &str = r#"'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"#;

fn utc(time: &str) -> String {
    format!("to_char({time} at time zone 'UTC', {TIME})")
}

#[test]
fn every_record_keeps_what_was_sent_and_when_it_happened() {
    let week = Week::load();
    let instant = |value: &Value| value.as_str().unwrap().parse::<chrono::DateTime<chrono::FixedOffset>>().unwrap();
    let all = week.service.all_records();
    assert_eq!(all.len(), week.lines.len());
    for (record, line) in all.iter().zip(&week.lines) {
        for (field, sent) in line.as_object().unwrap() {
            match field.as_str() {
                "idempotency_key" => {}
                time if time.ends_with("_at") => assert_eq!(instant(&record[time]), instant(sent), "{record}"),
                other => assert_eq!(&record[other], sent, "{record}"),
            }
        }
    }
}

#[test]
fn every_deploy_is_listed_once_with_its_times_newest_first() {
    let week = Week::load();
    let listed = week.pages("/api/deploys?limit=1");
    let fields = ["component", "environment", "version", "started_at", "finished_at"];
    let of = |deploy: &Value| fields.map(|field| text(&deploy[field])).to_vec();
    let finished = week.sql(&format!(
        "select component, environment, version, coalesce({}, 'null'), {} from deploy order by at desc, line desc",
        utc("began"),
        utc("at")
    ));
    let with_stop: Vec<_> = listed.iter().filter(|deploy| deploy["state"] == "finished").map(of).collect();
    assert_eq!(with_stop, finished);
    // Two deploys have no finish: one was started again, and one still runs at the end of the week.
    let others: Vec<_> = listed.iter().filter(|deploy| deploy["state"] != "finished").collect();
    let unfinished =
        others.iter().map(|deploy| (text(&deploy["state"]), text(&deploy["started_at"]))).collect::<Vec<_>>();
    assert_eq!(
        unfinished,
        [
            ("stale".to_owned(), "2026-03-29T23:56:00.000000Z".to_owned()),
            ("superseded".to_owned(), "2026-03-27T20:00:00.000000Z".to_owned())
        ]
    );
    let moment =
        |deploy: &Value| text(&deploy["finished_at"]).replace("null", deploy["started_at"].as_str().unwrap_or(""));
    let moments: Vec<_> = listed.iter().map(moment).collect();
    assert!(moments.is_sorted_by(|newer, older| newer >= older), "{moments:?}");
    assert!(moments.iter().all(|moment| (SINCE..="2026-03-30T01").contains(&moment.as_str())), "{moments:?}");
    // Each day lists its own deploys, and the days outside the week list none.
    let days = week.sql(
        "select at::date, at::date + 1, count(*)
         from (select at at time zone 'UTC' as at from deploy
           union all select timestamp '2026-03-27 20:00' union all select '2026-03-29 23:56') moments
         group by at::date order by at::date",
    );
    assert_eq!(days.len(), 8);
    for day in &days {
        let count = week.pages(&format!("/api/deploys?since={}T00:00:00Z&until={}T00:00:00Z", day[0], day[1])).len();
        assert_eq!(count.to_string(), day[2], "{day:?}");
    }
    assert!(week.pages("/api/deploys?since=2026-03-31T00:00:00Z").is_empty());
}

#[test]
fn every_run_has_its_stages_with_their_times() {
    let week = Week::load();
    let mut listed = Vec::new();
    for deploy in week.pages("/api/deploys?stages=true&limit=100") {
        for stage in deploy["stages"].as_array().unwrap() {
            let times = ["stage", "started_at", "finished_at"].map(|field| text(&stage[field]));
            listed.push([vec![text(&deploy["run"])], times.to_vec()].concat());
        }
    }
    listed.sort();
    let mut expected = week.sql(&format!(
        "select run, stage, {}, coalesce({}, 'null')
         from (
           select *, row_number() over (partition by run, stage, status = 'started' order by line) as attempt
           from (select line, record ->> 'run' as run, record ->> 'stage' as stage, record ->> 'status' as status,
               (record ->> 'started_at')::timestamptz as began from sent) records
           where stage is not null and status = 'started'
         ) start
           left join (
             select record ->> 'run' as run, record ->> 'stage' as stage, (record ->> 'finished_at')::timestamptz as ended,
               row_number() over (partition by record ->> 'run', record ->> 'stage' order by line) as attempt
             from sent
             where record ->> 'stage' is not null and record ->> 'finished_at' is not null
           ) stop using (run, stage, attempt)",
        utc("began"),
        utc("ended")
    ));
    expected.sort();
    assert!(expected.len() > 1000);
    assert_eq!(listed, expected);
}

#[test]
fn the_current_versions_are_the_last_successful_deploys() {
    let week = Week::load();
    let fields = ["component", "environment", "version", "since", "previous_version"];
    let listed = week.pages("/api/current?limit=5");
    let listed: Vec<_> = listed.iter().map(|current| fields.map(|field| text(&current[field])).to_vec()).collect();
    let expected = week.sql(&format!(
        "select component, environment, version, {}, (
             select before.version from deploy before
             where before.status = 'deployed' and (before.component, before.environment) = (last.component, last.environment)
               and (before.at, before.line) < (last.at, last.line) and before.version <> last.version
             order by before.at desc, before.line desc limit 1)
         from (
           select distinct on (component, environment) * from deploy where status = 'deployed'
           order by component, environment, at desc, line desc
         ) last
         order by component collate \"C\", environment",
        utc("at")
    ));
    assert_eq!(listed.len(), 16);
    assert_eq!(listed, expected);
}

#[test]
fn the_metrics_give_the_last_deploy_of_each_component_and_environment() {
    let week = Week::load();
    let response = week.service.get("/metrics");
    assert_eq!(response.status, 200);
    let last = week.sql(
        "select distinct on (component, environment) component, environment, extract(epoch from at)::double precision,
           (status = 'deployed')::int
         from deploy order by component, environment, at desc, line desc",
    );
    assert_eq!(last.len(), 16);
    for deploy in last {
        let [component, environment, at, succeeded] = deploy.as_slice() else { panic!("{deploy:?}") };
        let labels = format!("{{component=\"{component}\",environment=\"{environment}\"}}");
        for (name, value) in
            [("deploylog_last_deploy_timestamp_seconds", at), ("deploylog_last_deploy_succeeded", succeeded)]
        {
            let line = response.body.lines().find_map(|line| line.strip_prefix(&format!("{name}{labels} ")));
            let shown = line.unwrap_or_else(|| panic!("no {name}{labels}")).parse::<f64>().unwrap();
            assert!((shown - value.parse::<f64>().unwrap()).abs() < 0.001, "{name}{labels} {shown} {value}");
        }
    }
    assert!(week.pages(&format!("/api/deploys?since={UNTIL}")).len() < 5);
}

#[test]
fn a_subscriber_receives_every_record_with_its_own_times() {
    let file = generate(&[], &[]);
    let service = Service::start();
    let mut connection = service.connect();
    connection.send("GET /api/events?component=billing HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(connection.head().status, 200);
    let mut received = String::from_utf8(connection.chunk().unwrap()).unwrap();
    service.import(&file).expect(201);
    let all = service.all_records();
    let expected: Vec<_> = all.iter().filter(|record| record["component"] == "billing").collect();
    assert!(expected.len() > 100);
    while received.matches("event: recorded\n").count() < expected.len() || !received.ends_with("\n\n") {
        received += &String::from_utf8(connection.chunk().unwrap()).unwrap();
    }
    let data = received.lines().filter_map(|line| line.strip_prefix("data: "));
    let received: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    assert_eq!(received.iter().collect::<Vec<_>>(), expected);
}
