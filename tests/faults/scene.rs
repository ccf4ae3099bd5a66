//! A service on a schema of its own, load on it, and somebody who watches: where a fault strikes.

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
    locks::Sent,
    postgres::Postgres,
    table::Row,
    witness::{COMPONENT, Sight, Witness},
};

/// Within which the service is back after what it stands on: PostgreSQL once it accepts connections, or the network.
pub const BACK: Duration = Duration::from_secs(2);
/// Within which a write is answered: its deadline is 3 s, and the machine is busy.
pub const ANSWER: Duration = Duration::from_millis(3300);
/// Within which a read is answered that nothing stands in the way of.
const READ: Duration = Duration::from_secs(1);
/// In which PostgreSQL notices that a connection is gone and ends what it did.
const TIDY: Duration = Duration::from_secs(5);

/// Every record that stops the clock and has not the start that the README's rules give it.
const WRONG: &str = "select count(*) from (
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

/// Every start of a whole deploy that stands in `open_starts` although a stop comes just after it, or does not although
/// none does.
const WRONG_STARTS: &str = "select count(*) from (
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

pub struct Scene<'a> {
    pub postgres: &'a Postgres,
    pub services: Vec<Service>,
    /// The schema, which is the name of its connections too.
    name: String,
    through: Option<SocketAddr>,
    front: Option<SocketAddr>,
    loads: Vec<Child>,
    witness: Option<Witness>,
    row: Row,
}

impl<'a> Scene<'a> {
    /// Services that reach PostgreSQL by its socket or through a proxy; none yet.
    pub fn new(postgres: &'a Postgres, through: Option<SocketAddr>) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("scene_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        harness::sql(&postgres.url(), &format!("create schema {name}"));
        let (services, loads) = (Vec::new(), Vec::new());
        Self { postgres, services, name, through, front: None, loads, witness: None, row: Row::default() }
    }

    /// Starts one more service, there or anywhere.
    pub fn serve(&self, address: Option<SocketAddr>, environment: &[(&str, &str)]) -> Service {
        let listen = address.map_or("127.0.0.1:0".to_owned(), |address| address.to_string());
        let url = self.through.map_or(self.postgres.url(), |proxy| {
            format!("host=127.0.0.1 port={} user=deploylog dbname=deploylog sslmode=disable", proxy.port())
        });
        let url = format!("{} application_name={}", self.own(&url), self.name);
        // For who looks into a fault.
        let log = std::env::var("DEPLOYLOG_LOG_LEVEL").unwrap_or_else(|_| "off".to_owned());
        let mut all =
            vec![("DATABASE_URL", url.as_str()), ("DEPLOYLOG_LISTEN", &listen), ("DEPLOYLOG_LOG_LEVEL", &log)];
        all.extend_from_slice(environment);
        Service::with_environment(&all)
    }

    pub fn add_service(&mut self) {
        self.services.push(self.serve(None, &[]));
    }

    /// The fault struck the service that was there: it is started again, and recovers.
    pub fn comes_back(&mut self, address: SocketAddr) {
        let began = Instant::now();
        let service = self.serve(Some(address), &[]);
        self.services.push(service);
        self.struck(1);
        self.recovers(began, BACK);
    }

    /// All load goes to a proxy in front of the services.
    pub fn stands_behind(&mut self, front: SocketAddr) {
        self.front = Some(front);
    }

    /// Begins the load on every service, and waits until it is taken.
    pub fn begin(&mut self) {
        let services: Vec<_> = self.services.iter().map(|service| service.address).collect();
        let (targets, connections) = match self.front {
            Some(front) => (vec![front], 16 * services.len()),
            None => (services, 16),
        };
        for target in &targets {
            let (url, connections) = (format!("http://{target}"), format!("--connections={connections}"));
            let arguments = ["load", "--url", &url, &connections, "--duration=86400", "--mix=lifecycle"];
            let arguments = [&arguments[..], &["--retry", "--verify", "--json"]].concat();
            self.loads.push(Service::spawn(&arguments, &[]));
        }
        self.witness = Some(Witness::start(targets));
        self.recovers(Instant::now(), Duration::from_secs(10));
        self.row.recovery = None;
    }

    pub fn witness(&self) -> &Witness {
        self.witness.as_ref().expect("the load has begun")
    }

    /// The fault struck so often.
    pub fn struck(&mut self, times: u64) {
        self.row.times += times;
    }

    pub fn complain(&mut self, complaint: String) {
        self.row.complaints.push(complaint);
    }

    /// The schema, past every fault.
    pub fn url(&self) -> String {
        self.own(&self.postgres.url())
    }

    /// Runs SQL there.
    pub fn sql(&self, sql: &str) -> Vec<Vec<String>> {
        harness::sql(&self.url(), sql)
    }

    /// In the schema.
    fn own(&self, url: &str) -> String {
        format!("{url} options='-c search_path={}'", self.name)
    }

    /// Waits for the first request that is sent from then on and succeeds, which ends within so long.
    pub fn recovers(&mut self, since: Instant, within: Duration) {
        let first = || {
            let sights = self.witness().sights(since);
            sights.into_iter().find(|sight| sight.is_success() && sight.began >= since)
        };
        let deadline = since + Duration::from_secs(60);
        let mut success = first();
        while success.is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
            success = first();
        }
        let took = success.map_or(Duration::from_secs(60), |sight| sight.ended - since);
        if took > within {
            self.complain(format!("back only after {:.2} s", took.as_secs_f64()));
        }
        self.row.recovery = self.row.recovery.max(Some(took));
    }

    /// Whatever was on its way since then was answered within so long.
    pub fn answered_within(&mut self, since: Instant, limit: Duration) {
        let slowest = self.witness().sights(since).iter().map(|Sight { began, ended, .. }| *ended - *began).max();
        if let Some(slowest) = slowest.filter(|slowest| *slowest > limit) {
            self.complain(format!("a response took {:.2} s", slowest.as_secs_f64()));
        }
    }

    /// A write that was sent is answered in time, with one of these: the record, where there is one.
    pub fn is_answered(&mut self, sent: Sent, statuses: &[u16]) -> Option<Value> {
        let (response, took) = sent.response();
        if took > ANSWER {
            self.complain(format!("a response took {:.2} s", took.as_secs_f64()));
        }
        match response {
            Ok(response) if statuses.contains(&response.status) => {
                return (response.status == 201).then(|| response.json());
            }
            other => self.complain(format!("{statuses:?} was expected: {other:?}")),
        }
        None
    }

    /// Reads a record and lists all the time until then, and is answered as ever.
    pub fn reads_until(&mut self, then: Instant) {
        let id = self.witness().acknowledged()[0];
        let targets = [format!("/api/{id}"), "/api/?limit=5".to_owned(), "/readyz".to_owned()];
        let mut complaints = Vec::new();
        while Instant::now() < then {
            for service in &self.services {
                for target in &targets {
                    let began = Instant::now();
                    let response = service.get(target);
                    if response.status != 200 || began.elapsed() > READ {
                        complaints.push(format!("{target} took {:.2} s: {response:?}", began.elapsed().as_secs_f64()));
                    }
                }
            }
            thread::sleep(Duration::from_millis(20));
        }
        complaints.into_iter().take(3).for_each(|complaint| self.complain(complaint));
    }

    /// A copy of the database has these records, once it has read what it was sent.
    pub fn has_copy(&mut self, url: &str, ids: &[i64]) {
        let (url, count) = (self.own(url), missing(ids));
        let lost = settled(|| harness::sql(&url, &count)[0][0].parse().unwrap());
        self.row.lost += lost;
        if lost > 0 {
            self.complain(format!("{lost} acknowledged records are not at the standby"));
        }
    }

    /// Ends the load, reads back what was acknowledged, and looks at what is left behind.
    pub fn end(mut self) -> Row {
        let (acknowledged, sights) = self.witness.take().expect("the load has begun").end();
        self.row.requests += sights.len() as u64;
        // What a proxy says where a service broke off.
        let refusals = if self.front.is_some() { &[502, 503, 504][..] } else { &[503] };
        let mut statuses = sights.iter().filter_map(|sight| sight.status);
        let other = statuses.find(|status| status / 100 != 2 && !refusals.contains(status));
        if let Some(status) = other {
            self.complain(format!("a write is answered {status}"));
        }
        self.row.acknowledged += acknowledged.len() as u64;
        for load in std::mem::take(&mut self.loads) {
            self.take_verdict(load);
        }
        self.row.lost += self.number(&missing(&acknowledged));
        self.row.doubled += self.number(&format!(
            "select count(*) - count(distinct (version, status)) from records where component = '{COMPONENT}'"
        ));
        self.leave()
    }

    /// Looks at what is left behind, and ends the services.
    pub fn leave(mut self) -> Row {
        // At once: every commit leaves its neighbours right.
        for (count, complaint) in [(WRONG, "durations are wrong"), (WRONG_STARTS, "open starts are wrong")] {
            let wrong = self.number(count);
            self.row.wrong += wrong;
            if wrong > 0 {
                self.complain(format!("{wrong} {complaint}"));
            }
        }
        self.has_clean_pool();
        let locks = "select count(*) from pg_locks where locktype = 'advisory' and classid = 'records'::regclass";
        self.settles(locks, "locks of components are left");
        self.services.clear();
        self.met_no_deadlock();
        self.sql(&format!("drop schema {} cascade", self.name));
        self.row
    }

    /// No transaction is left open, and no more connections are there than may be.
    pub fn has_clean_pool(&mut self) {
        let of_ours = format!("from pg_stat_activity where application_name = '{}'", self.name);
        let open = format!("select count(*) {of_ours} and state like 'idle in transaction%'");
        self.settles(&open, "transactions are left open");
        let most = connections() * self.services.len() as u64;
        self.settles(&format!("select greatest(count(*) - {most}, 0) {of_ours}"), "connections are too many");
    }

    /// No two writes ever waited for each other.
    fn met_no_deadlock(&mut self) {
        // A backend tells the statistics at its end at the latest. A connection that was swallowed does not end by itself.
        let end = format!(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = '{}'",
            self.name
        );
        self.settles(&end, "backends do not end");
        let deadlocks = self.postgres.deadlocks();
        if deadlocks > 0 {
            self.complain(format!("{deadlocks} deadlocks"));
        }
    }

    fn take_verdict(&mut self, load: Child) {
        signal(load.id(), "INT");
        let output = load.wait_with_output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let number = |name: &str| report["verify"][name].as_u64();
        self.row.requests += report["requests"].as_u64().unwrap_or_default();
        match (number("acknowledged"), number("lost"), number("doubled"), number("wrong")) {
            (Some(acknowledged), Some(lost), Some(doubled), Some(wrong)) => {
                self.row.acknowledged += acknowledged;
                self.row.lost += lost;
                self.row.doubled += doubled;
                self.row.wrong += wrong;
            }
            _ => self.complain(format!("load says nothing: {}", String::from_utf8_lossy(&output.stderr))),
        }
        if !output.status.success() {
            let says = String::from_utf8_lossy(&output.stderr);
            self.complain(format!("load: {} {}", says.trim(), report["statuses"]));
        }
    }

    /// A count that becomes 0 in a moment, or what is left of it.
    fn settles(&mut self, count: &str, complaint: &str) -> u64 {
        let left = settled(|| self.number(count));
        if left > 0 {
            self.complain(format!("{left} {complaint}"));
        }
        left
    }

    fn number(&self, sql: &str) -> u64 {
        self.sql(sql)[0][0].parse().unwrap()
    }
}

/// Counts until there is nothing left, or for so long: what is left then.
fn settled(count: impl Fn() -> u64) -> u64 {
    let deadline = Instant::now() + TIDY;
    loop {
        let left = count();
        if left == 0 || Instant::now() > deadline {
            return left;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Counts those that are not there.
pub fn missing(ids: &[i64]) -> String {
    let ids: Vec<_> = ids.iter().map(i64::to_string).collect();
    let all = ids.join(",");
    format!("select count(*) from unnest('{{{all}}}'::bigint[]) sent where sent not in (select id from records)")
}

/// The most that one service may have: its pools, those that groups of records share, and one for tokens.
fn connections() -> u64 {
    10 + thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(4) as u64) + 1
}
