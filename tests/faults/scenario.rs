//! Services on their own schema under load, with a probe: what a fault strikes, and the checks afterwards.

use std::{
    net::SocketAddr,
    process::Child,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    api::harness::{self, Service, signal},
    locks::PendingWrite,
    postgres::Postgres,
    probe::{COMPONENT, Observation, Probe},
    table::Row,
};

/// The time in which the service must recover after PostgreSQL accepts connections or the network is up again.
pub const RECOVERY_LIMIT: Duration = Duration::from_secs(2);
/// The time in which a write must receive a response: its deadline of 3 s plus an allowance for a busy machine.
pub const WRITE_LIMIT: Duration = Duration::from_millis(3300);
/// The time in which an unobstructed read must receive its response.
const READ_LIMIT: Duration = Duration::from_secs(1);
/// The time in which PostgreSQL must notice closed connections and clean up.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);

/// Counts the finishes whose pairing differs from the pairing rules.
const WRONG_DURATIONS: &str = "select count(*) from (
    select *, lag(id) over deploy as before_id, lag(phase) over deploy as before_phase
    from records
    where moment is not null
    window deploy as (
      partition by component, environment, run, stage, case when run is null then version end order by moment, id)
  ) r
  where phase <> 'started' and (start_id is not null or started_at is null)
    and (start_id is distinct from case when before_phase = 'started' then before_id end
      or (start_id is null) <> (duration_missing = 'no start record')
      or duration_seconds is distinct from round(extract(epoch from finished_at - started_at), 3))";

/// Counts the differences between `open_starts` and the starts of whole deploys that no finish follows directly.
const WRONG_OPEN_STARTS: &str = "select count(*) from (
    select component, moment, id
    from (
      select *, lead(phase) over deploy as next_phase
      from records
      where moment is not null
      window deploy as (
        partition by component, environment, run, stage, case when run is null then version end order by moment, id)
    ) r
    where phase = 'started' and stage is null and coalesce(next_phase, 'started') = 'started'
  ) is_open
  full join open_starts o using (component, moment, id)
  where is_open is null or o is null";

pub struct Scenario<'a> {
    pub postgres: &'a Postgres,
    pub services: Vec<Service>,
    /// The name of the schema and the application name of the connections.
    name: String,
    proxy: Option<SocketAddr>,
    load_balancer: Option<SocketAddr>,
    loads: Vec<Child>,
    probe: Option<Probe>,
    row: Row,
}

impl<'a> Scenario<'a> {
    /// A scenario without services. They reach PostgreSQL through its socket, or through the proxy if given.
    pub fn new(postgres: &'a Postgres, proxy: Option<SocketAddr>) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("scenario_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        harness::sql(&postgres.url(), &format!("create schema {name}"));
        let (services, loads) = (Vec::new(), Vec::new());
        Self { postgres, services, name, proxy, load_balancer: None, loads, probe: None, row: Row::default() }
    }

    /// Starts a service on this address or a free port.
    pub fn serve(&self, address: Option<SocketAddr>, environment: &[(&str, &str)]) -> Service {
        let listen = address.map_or("127.0.0.1:0".to_owned(), |address| address.to_string());
        let url = self.proxy.map_or(self.postgres.url(), |proxy| {
            format!("host=127.0.0.1 port={} user=deploylog dbname=deploylog sslmode=disable", proxy.port())
        });
        let url = format!("{} application_name={}", self.in_schema(&url), self.name);
        // Set DEPLOYLOG_LOG_LEVEL to see the logs of the services.
        let log = std::env::var("DEPLOYLOG_LOG_LEVEL").unwrap_or_else(|_| "off".to_owned());
        let mut variables =
            vec![("DATABASE_URL", url.as_str()), ("DEPLOYLOG_LISTEN", &listen), ("DEPLOYLOG_LOG_LEVEL", &log)];
        variables.extend_from_slice(environment);
        Service::with_environment(&variables)
    }

    pub fn add_service(&mut self) {
        self.services.push(self.serve(None, &[]));
    }

    /// Restarts a service that the fault ended, and checks its recovery.
    pub fn restart_service(&mut self, address: SocketAddr) {
        let start = Instant::now();
        let service = self.serve(Some(address), &[]);
        self.services.push(service);
        self.count_faults(1);
        self.check_recovery(start, RECOVERY_LIMIT);
    }

    /// Sends all load to a load balancer.
    pub fn use_load_balancer(&mut self, load_balancer: SocketAddr) {
        self.load_balancer = Some(load_balancer);
    }

    /// Starts the load on every service and waits for the first success.
    pub fn start_load(&mut self) {
        let services: Vec<_> = self.services.iter().map(|service| service.address).collect();
        let (targets, connections) = match self.load_balancer {
            Some(load_balancer) => (vec![load_balancer], 16 * services.len()),
            None => (services, 16),
        };
        for target in &targets {
            let (url, connections) = (format!("http://{target}"), format!("--connections={connections}"));
            let arguments = ["load", "--url", &url, &connections, "--duration=86400", "--mix=lifecycle"];
            let arguments = [&arguments[..], &["--retry", "--verify", "--json"]].concat();
            self.loads.push(Service::spawn(&arguments, &[]));
        }
        self.probe = Some(Probe::start(targets));
        self.check_recovery(Instant::now(), Duration::from_secs(10));
        self.row.recovery = None;
    }

    pub fn probe(&self) -> &Probe {
        self.probe.as_ref().expect("the load has started")
    }

    pub fn count_faults(&mut self, times: u64) {
        self.row.times += times;
    }

    pub fn fail(&mut self, failure: String) {
        self.row.failures.push(failure);
    }

    /// A direct connection string for the schema, unaffected by the network faults.
    pub fn url(&self) -> String {
        self.in_schema(&self.postgres.url())
    }

    /// Runs SQL in the schema.
    pub fn sql(&self, sql: &str) -> Vec<Vec<String>> {
        harness::sql(&self.url(), sql)
    }

    fn in_schema(&self, url: &str) -> String {
        format!("{url} options='-c search_path={}'", self.name)
    }

    /// Waits for the first successful request sent after `since` and checks that it ends within the limit.
    pub fn check_recovery(&mut self, since: Instant, limit: Duration) {
        let first = || {
            let observations = self.probe().observations(since);
            observations.into_iter().find(|observation| observation.is_success() && observation.sent >= since)
        };
        let deadline = since + Duration::from_secs(60);
        let mut success = first();
        while success.is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
            success = first();
        }
        let took = success.map_or(Duration::from_secs(60), |observation| observation.received - since);
        if took > limit {
            self.fail(format!("recovered only after {:.2} s", took.as_secs_f64()));
        }
        self.row.recovery = self.row.recovery.max(Some(took));
    }

    /// Checks the response time of every request that was in flight at `since` or sent later.
    pub fn check_responses_within(&mut self, since: Instant, limit: Duration) {
        let slowest =
            self.probe().observations(since).iter().map(|Observation { sent, received, .. }| *received - *sent).max();
        if let Some(slowest) = slowest.filter(|slowest| *slowest > limit) {
            self.fail(format!("a response took {:.2} s", slowest.as_secs_f64()));
        }
    }

    /// Checks that a write receives one of these statuses in time. Returns the new record, if any.
    pub fn check_response(&mut self, write: PendingWrite, statuses: &[u16]) -> Option<Value> {
        let (response, took) = write.response();
        if took > WRITE_LIMIT {
            self.fail(format!("a response took {:.2} s", took.as_secs_f64()));
        }
        match response {
            Ok(response) if statuses.contains(&response.status) => {
                return (response.status == 201).then(|| response.json());
            }
            other => self.fail(format!("expected one of {statuses:?}, received {other:?}")),
        }
        None
    }

    /// Reads a record, a list and the readiness until `end`, and checks that each read succeeds quickly.
    pub fn check_reads_until(&mut self, end: Instant) {
        let id = self.probe().acknowledged()[0];
        let targets = [format!("/api/{id}"), "/api/?limit=5".to_owned(), "/readyz".to_owned()];
        let mut failures = Vec::new();
        while Instant::now() < end {
            for service in &self.services {
                for target in &targets {
                    let start = Instant::now();
                    let response = service.get(target);
                    if response.status != 200 || start.elapsed() > READ_LIMIT {
                        failures.push(format!("{target} took {:.2} s: {response:?}", start.elapsed().as_secs_f64()));
                    }
                }
            }
            thread::sleep(Duration::from_millis(20));
        }
        failures.into_iter().take(3).for_each(|failure| self.fail(failure));
    }

    /// Checks that a standby has these records once it has replayed what it received.
    pub fn check_copy(&mut self, url: &str, ids: &[i64]) {
        let (url, count) = (self.in_schema(url), count_missing(ids));
        let lost = settle(|| harness::sql(&url, &count)[0][0].parse().unwrap());
        self.row.lost += lost;
        if lost > 0 {
            self.fail(format!("the standby lacks {lost} acknowledged records"));
        }
    }

    /// Stops the load and checks that every acknowledged record is stored once.
    pub fn finish(mut self) -> Row {
        let (acknowledged, observations) = self.probe.take().expect("the load has started").stop();
        self.row.requests += observations.len() as u64;
        // A load balancer returns 502 and 504 if a service fails.
        let expected = if self.load_balancer.is_some() { &[502, 503, 504][..] } else { &[503] };
        let mut statuses = observations.iter().filter_map(|observation| observation.status);
        let other = statuses.find(|status| status / 100 != 2 && !expected.contains(status));
        if let Some(status) = other {
            self.fail(format!("a write received {status}"));
        }
        self.row.acknowledged += acknowledged.len() as u64;
        for load in std::mem::take(&mut self.loads) {
            self.collect_load_report(load);
        }
        self.row.lost += self.number(&count_missing(&acknowledged));
        self.row.duplicated += self.number(&format!(
            "select count(*) - count(distinct (version, status)) from records where component = '{COMPONENT}'"
        ));
        self.check_and_stop()
    }

    /// Checks pairings, locks and connections, and stops the services.
    pub fn check_and_stop(mut self) -> Row {
        // Without waiting: each commit must leave all pairings correct.
        for (count, failure) in [(WRONG_DURATIONS, "durations are wrong"), (WRONG_OPEN_STARTS, "open starts are wrong")]
        {
            let wrong = self.number(count);
            self.row.wrong += wrong;
            if wrong > 0 {
                self.fail(format!("{wrong} {failure}"));
            }
        }
        self.check_clean_connections();
        let locks = "select count(*) from pg_locks where locktype = 'advisory' and classid = 'records'::regclass";
        self.check_settled(locks, "locks of components remain");
        self.services.clear();
        self.check_no_deadlock();
        self.sql(&format!("drop schema {} cascade", self.name));
        self.row
    }

    /// Checks that no transaction is open and that the number of connections is within its limit.
    pub fn check_clean_connections(&mut self) {
        let from_services = format!("from pg_stat_activity where application_name = '{}'", self.name);
        let open = format!("select count(*) {from_services} and state like 'idle in transaction%'");
        self.check_settled(&open, "transactions remain open");
        let limit = max_connections() * self.services.len() as u64;
        self.check_settled(
            &format!("select greatest(count(*) - {limit}, 0) {from_services}"),
            "connections exceed the limit",
        );
    }

    /// Checks that there was no deadlock.
    fn check_no_deadlock(&mut self) {
        // A backend reports its statistics when it ends. A connection whose data was dropped does not end by itself.
        let terminate = format!(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = '{}'",
            self.name
        );
        self.check_settled(&terminate, "backends do not end");
        let deadlocks = self.postgres.deadlocks();
        if deadlocks > 0 {
            self.fail(format!("{deadlocks} deadlocks"));
        }
    }

    fn collect_load_report(&mut self, load: Child) {
        signal(load.id(), "INT");
        let output = load.wait_with_output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let number = |name: &str| report["verify"][name].as_u64();
        self.row.requests += report["requests"].as_u64().unwrap_or_default();
        match (number("acknowledged"), number("lost"), number("doubled"), number("wrong")) {
            (Some(acknowledged), Some(lost), Some(duplicated), Some(wrong)) => {
                self.row.acknowledged += acknowledged;
                self.row.lost += lost;
                self.row.duplicated += duplicated;
                self.row.wrong += wrong;
            }
            _ => self.fail(format!("load printed no report: {}", String::from_utf8_lossy(&output.stderr))),
        }
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            self.fail(format!("load: {} {}", error.trim(), report["statuses"]));
        }
    }

    /// Checks that a count becomes 0 in time.
    fn check_settled(&mut self, count: &str, failure: &str) {
        let remaining = settle(|| self.number(count));
        if remaining > 0 {
            self.fail(format!("{remaining} {failure}"));
        }
    }

    fn number(&self, sql: &str) -> u64 {
        self.sql(sql)[0][0].parse().unwrap()
    }
}

/// Repeats the count until it is 0 or the time limit has passed. Returns the last count.
fn settle(count: impl Fn() -> u64) -> u64 {
    let deadline = Instant::now() + SETTLE_LIMIT;
    loop {
        let remaining = count();
        if remaining == 0 || Instant::now() > deadline {
            return remaining;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// SQL that counts which of these records are not stored.
fn count_missing(ids: &[i64]) -> String {
    let ids: Vec<_> = ids.iter().map(i64::to_string).collect();
    let all = ids.join(",");
    format!("select count(*) from unnest('{{{all}}}'::bigint[]) sent where sent not in (select id from records)")
}

/// The limit of connections of one service: its pools, those of the write path, and one for tokens.
fn max_connections() -> u64 {
    10 + thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(4) as u64) + 1
}
