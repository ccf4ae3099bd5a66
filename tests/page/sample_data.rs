//! A month of random deploys that ends now. Apart from the times, the data is the same in every run.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use crate::rfc3339;

const COMPONENTS: [(&str, f64); 12] = [
    ("checkout-api", 180.0),
    ("web", 95.0),
    ("billing", 300.0),
    ("search-indexer", 840.0),
    ("identity", 45.0),
    ("notifications", 70.0),
    ("catalogue", 420.0),
    ("mobile-bff", 160.0),
    ("ledger", 410.0),
    ("shipping-rates", 50.0),
    ("payments-gateway", 48.0),
    ("reporting", 290.0),
];
const OWNERS: [&str; 6] = ["aoliveira", "m.haddad", "j.svensson", "priya.n", "yuki.tanaka", "renovate[bot]"];
const ENVIRONMENTS: [&str; 5] = ["production", "production", "staging", "staging", "test"];
const STAGES: [(&str, f64, f64); 8] = [
    ("Checkout", 0.0, 0.05),
    ("Build", 0.05, 0.3),
    ("Test / unit", 0.3, 0.45),
    ("Test / integration", 0.3, 0.6),
    ("Deploy", 0.6, 1.0),
    ("Deploy / eu-west", 0.6, 0.85),
    ("Deploy / us-east", 0.6, 0.95),
    ("Deploy / ap-south", 0.62, 1.0),
];
/// The service accepts 10,000 lines per body; the last deploy of a body can exceed this limit by a few lines.
const LINES: usize = 9_900;

/// A generator of numbers from 0 to 1: the linear congruential generator of Knuth.
struct Random(u64);

impl Random {
    #[allow(clippy::cast_precision_loss, reason = "53 bits")]
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[(self.next() * of.len() as f64) as usize]
    }
}

/// NDJSON bodies. The last three deploys are running, a few never finish, and some fail or are aborted.
pub fn bodies(deploys: usize) -> Vec<String> {
    let mut random = Random(7);
    let mut bodies = vec![String::new()];
    let mut lines = 0;
    for number in 0..deploys {
        if lines > LINES {
            bodies.push(String::new());
            lines = 0;
        }
        for record in deploy(&mut random, number, deploys - number) {
            lines += 1;
            let body = bodies.last_mut().unwrap();
            body.extend([&record.to_string(), "\n"]);
        }
    }
    bodies.retain(|body| !body.is_empty());
    bodies
}

#[allow(clippy::cast_precision_loss, reason = "few")]
fn deploy(random: &mut Random, number: usize, remaining: usize) -> Vec<Value> {
    let &(component, typical) = random.pick(&COMPONENTS);
    let takes = typical * (0.6 + random.next() + if random.next() < 0.03 { 3.0 } else { 0.0 });
    let total = (number + remaining) as f64;
    let is_running = remaining <= 3;
    let seconds_ago =
        if is_running { remaining as f64 * 45.0 } else { 3600.0 + 30.0 * 86_400.0 * remaining as f64 / total };
    let start = Utc::now() - TimeDelta::milliseconds(millis(seconds_ago));
    let common = json!({
        "component": component, "version": format!("2.{}.{}", number / 400, number / 40 % 10), "owner": random.pick(&OWNERS),
        "environment": random.pick(&ENVIRONMENTS), "run": format!("platform/{component}/main#{}", 1000 + number),
        "url": format!("https://ci.example.com/job/{component}/{}/", 1000 + number),
    });
    let status = match random.next() {
        number if number < 0.87 => "deployed",
        number if number < 0.94 => "failed",
        number if number < 0.975 => "aborted",
        _ => "done",
    };
    let with = |more: Value| {
        let mut record = common.clone();
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record
    };
    let after = |part: f64| rfc3339(start + TimeDelta::milliseconds(millis(takes * part)));
    let mut records = vec![with(json!({"status": "started", "started_at": after(0.0)}))];
    // Every third deploy waits for an agent before its build.
    let waits = number % 3 == 1;
    let hangs = number % 997 == 500;
    for (name, from, until) in STAGES.iter().filter(|_| remaining < 600 && !hangs) {
        let is_finished = !is_running || *until < 0.5;
        let status =
            if status != "deployed" && name.starts_with("Deploy") && *until > 0.9 { status } else { "success" };
        let stage = if is_finished {
            let waited = (*name == "Build" && waits).then_some(takes * 0.2);
            json!({"stage": name, "status": status, "started_at": after(*from), "finished_at": after(*until), "waited_seconds": waited})
        } else {
            json!({"stage": name, "status": "started", "started_at": after(*from)})
        };
        if !is_running || *from < 0.5 {
            records.push(with(stage));
        }
    }
    if !is_running && !hangs {
        let committed = rfc3339(start - TimeDelta::milliseconds(millis(random.next() * 86_400.0)));
        let unplanned = random.next() < 0.08;
        records.push(with(
            json!({"status": status, "finished_at": after(1.0), "committed_at": committed, "unplanned": unplanned, "waited_seconds": waits.then_some(takes * 0.2)}),
        ));
    }
    records
}

#[allow(clippy::cast_possible_truncation, reason = "a month")]
fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}
