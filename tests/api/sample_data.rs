//! A week of generated deploys: every call returns what plain SQL over the generated file gives, at the times in the
//! file.

mod calls;
mod figures;

use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{Database, Service, Session};

const SINCE: &str = "2026-03-23T00:00:00Z";
const UNTIL: &str = "2026-03-30T00:00:00Z";

/// Runs the script and returns its output.
fn generate(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample-data/generate");
    let output = Command::new(script).args(arguments).envs(environment.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The week, imported by a service, and as it was sent in the table `sent`, from which the session derives deploys.
struct Week {
    service: Service,
    session: Session,
    lines: Vec<Value>,
}

impl Week {
    fn load() -> Self {
        let file = generate(&[], &[]);
        let lines: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let database = Database::new();
        let service = Service::with_database(&database);
        let first = service.import(&file).expect(201);
        assert_eq!((&first["recorded"], &first["replayed"]), (&json!(lines.len()), &json!(0)));
        let second = service.import(&file).expect(201);
        assert_eq!((&second["recorded"], &second["replayed"]), (&json!(0), &json!(lines.len())));
        assert_eq!(second["ids"], first["ids"]);
        let session = Session::open(&database.url());
        session.execute(&format!(
            "create table sent as
             select line, record::jsonb
             from unnest(string_to_array(rtrim($week${file}$week$, E'\\n'), E'\\n')) with ordinality as file (record, line)"
        ));
        session.execute(include_str!("../sample-data/deploys.sql"));
        Self { service, session, lines }
    }

    /// Returns rows of text, with `null` for null.
    #[track_caller]
    fn sql(&self, sql: &str) -> Vec<Vec<String>> {
        let texts = |row: &tokio_postgres::SimpleQueryRow| {
            (0..row.len()).map(|index| row.get(index).unwrap_or("null").to_owned()).collect()
        };
        self.session.query(sql).iter().map(texts).collect()
    }

    /// Returns the items of all pages.
    #[track_caller]
    fn pages(&self, first: &str) -> Vec<Value> {
        let (mut all, mut target) = (Vec::new(), Some(first.to_owned()));
        while let Some(this) = target {
            let response = self.service.get(&this);
            all.extend(response.expect(200).as_array().unwrap().iter().cloned());
            let link =
                response.header("link").and_then(|link| link.strip_prefix('<')?.strip_suffix(r#">; rel="next""#));
            target = link.map(str::to_owned);
        }
        all
    }
}

/// Formats a field of a record as SQL returns it.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[test]
fn the_script_writes_the_same_week_wherever_it_runs() {
    let file = generate(&[], &[]);
    let elsewhere = [("LC_ALL", "C"), ("TZ", "Asia/Tokyo"), ("PYTHONHASHSEED", "7"), ("PYTHONIOENCODING", "ascii")];
    assert_eq!(generate(&["--seed", "11"], &elsewhere), file);
    // Update this after a change of the script.
    let digest: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "51fe036fb08dd4bbc4ba32ce769fff09a5446573f7c1d9b3a6056845e317e7fb");
    assert_ne!(generate(&["--seed", "12"], &[]), file);
    let later = generate(&["--first-day", "2026-03-24"], &[]);
    let times = |file: &str| {
        let time = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let time = line["finished_at"].as_str().or(line["started_at"].as_str())?;
            Some(time.parse::<chrono::DateTime<chrono::FixedOffset>>().unwrap())
        };
        file.lines().map(time).collect::<Vec<_>>()
    };
    let a_day = chrono::TimeDelta::days(1);
    assert_eq!(times(&later), times(&file).into_iter().map(|time| Some(time? + a_day)).collect::<Vec<_>>());
}

#[test]
fn the_week_contains_every_kind_of_deploy() {
    let week = Week::load();
    assert!((3000..10_000).contains(&week.lines.len()), "{}", week.lines.len());
    let has = |kind: &str, sql: &str| {
        let count: u64 = week.sql(&format!("select count(*) from {sql}"))[0][0].parse().unwrap();
        assert!(count > 0, "{kind}");
        count
    };
    let deploys = has("deploys", "deploy");
    assert!((200..1000).contains(&deploys), "{deploys}");
    assert_eq!(has("components", "(select distinct component from deploy) d"), 8);
    for status in ["failed", "aborted"] {
        has(status, &format!("deploy where status = '{status}'"));
    }
    for status in ["rolled_back", "skipped", "not_executed"] {
        has(status, &format!("sent where record ->> 'status' = '{status}'"));
    }
    has("a hotfix", "deploy where unplanned and environment = 'production'");
    has("a stop without a start", "deploy where began is null");
    has("a deploy across midnight", "deploy where began::date < at::date and environment = 'production'");
    has("a deploy across the start of the week", &format!("deploy where began < '{SINCE}' and at >= '{SINCE}'"));
    has("a deploy across the end of the week", &format!("deploy where began < '{UNTIL}' and at >= '{UNTIL}'"));
    has(
        "a redeploy",
        "deploy d join deploy e using (component, environment, version)
         where d.status = 'deployed' and e.status = 'deployed' and d.line < e.line",
    );
    has(
        "overlapping deploys",
        "deploy d join deploy e using (component, environment) where d.began < e.began and e.began < d.at",
    );
    has(
        "parallel stages",
        "(select record ->> 'run' as run, record ->> 'stage' as stage, min(line) as first, max(line) as last from sent
          where record ->> 'stage' is not null group by 1, 2) a
         join (select record ->> 'run' as run, record ->> 'stage' as stage, min(line) as first from sent
          where record ->> 'stage' is not null group by 1, 2) b
         using (run) where a.stage < b.stage and b.first between a.first + 1 and a.last - 1",
    );
    has(
        "a retried stage",
        "(select from sent where record ->> 'stage' is not null and record ->> 'status' = 'started'
          group by record ->> 'run', record ->> 'stage' having count(*) > 1) retried",
    );
    has("a time that is not UTC", "sent where record ->> 'finished_at' like '%-05:00'");
}
