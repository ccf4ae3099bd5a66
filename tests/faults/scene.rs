//! A service on a schema of its own, load on it, and somebody who watches: where a fault strikes.

use std::{
    net::SocketAddr,
    process::Child,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    api::harness::{self, Service, signal},
    postgres::Postgres,
    table::Row,
    witness::{COMPONENT, Sight, Witness},
};

/// Within which the service is back after what it stands on: PostgreSQL once it accepts connections, or the network.
pub const BACK: Duration = Duration::from_secs(2);
/// Of each process: its pool, and beside it one for tokens and one for each of the two to see whether it is answered.
const CONNECTIONS: u64 = 10 + 1 + 2;
/// In which what a fault left behind is tidied up: the connections of a killed process, and what is measured anew, which
/// waits for statements that were lost and may still run.
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

pub struct Scene<'a> {
    pub postgres: &'a Postgres,
    pub services: Vec<Service>,
    /// The schema, which is the name of its connections too.
    name: String,
    through: Option<SocketAddr>,
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
        Self { postgres, services, name, through, loads, witness: None, row: Row::default() }
    }

    /// Starts one more service, there or anywhere.
    pub fn serve(&self, address: Option<SocketAddr>, environment: &[(&str, &str)]) -> Service {
        let listen = address.map_or("127.0.0.1:0".to_owned(), |address| address.to_string());
        let url = self.through.map_or(self.postgres.url(), |proxy| {
            format!("host=127.0.0.1 port={} user=deploylog dbname=deploylog sslmode=disable", proxy.port())
        });
        let url = format!("{} application_name={}", self.own(&url), self.name);
        let mut all =
            vec![("DATABASE_URL", url.as_str()), ("DEPLOYLOG_LISTEN", &listen), ("DEPLOYLOG_LOG_LEVEL", "off")];
        all.extend_from_slice(environment);
        Service::with(&all)
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

    /// Begins the load on every service, and waits until it is taken.
    pub fn begin(&mut self) {
        for service in &self.services {
            let url = format!("http://{}", service.address);
            let arguments = ["load", "--url", &url, "--connections=16", "--duration=86400", "--mix=lifecycle"];
            let arguments = [&arguments[..], &["--retry", "--verify", "--json"]].concat();
            self.loads.push(Service::spawn(&arguments, &[]));
        }
        self.witness = Some(Witness::start(self.services.iter().map(|service| service.address).collect()));
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
            sights.into_iter().find(|sight| sight.is_success && sight.began >= since)
        };
        let deadline = since + Duration::from_secs(60);
        let mut success = first();
        while success.is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
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
            self.complain(format!("an answer took {:.2} s", slowest.as_secs_f64()));
        }
    }

    /// Ends the load, reads back what was acknowledged, and looks at what is left behind.
    pub fn end(mut self) -> Row {
        let (acknowledged, sent) = self.witness.take().expect("the load has begun").end();
        self.row.requests += sent;
        self.row.acknowledged += acknowledged.len() as u64;
        for load in std::mem::take(&mut self.loads) {
            self.take_verdict(load);
        }
        let ids: Vec<_> = acknowledged.iter().map(i64::to_string).collect();
        self.row.lost += self.number(&format!(
            "select count(*) from unnest('{{{}}}'::bigint[]) id where not exists (select from records r where r.id = id)",
            ids.join(",")
        ));
        self.row.doubled += self.number(&format!(
            "select count(*) - count(distinct (version, status)) from records where component = '{COMPONENT}'"
        ));
        self.leave()
    }

    /// Looks at what is left behind, and ends the services.
    pub fn leave(mut self) -> Row {
        self.settles("select count(*) from second_looks", "second looks are left");
        self.row.wrong += self.settles(WRONG, "durations are wrong");
        self.has_clean_pool();
        self.services.clear();
        self.sql(&format!("drop schema {} cascade", self.name));
        self.row
    }

    /// No transaction is left open, and no more connections are there than may be.
    pub fn has_clean_pool(&mut self) {
        let of_ours = format!("from pg_stat_activity where application_name = '{}'", self.name);
        let open = format!("select count(*) {of_ours} and state like 'idle in transaction%'");
        self.settles(&open, "transactions are left open");
        let most = CONNECTIONS * self.services.len() as u64;
        self.settles(&format!("select greatest(count(*) - {most}, 0) {of_ours}"), "connections are too many");
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
            self.complain(format!("load: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
    }

    /// A count that becomes 0 in a moment, or what is left of it.
    fn settles(&mut self, count: &str, complaint: &str) -> u64 {
        let deadline = Instant::now() + TIDY;
        loop {
            match self.number(count) {
                0 => return 0,
                left if Instant::now() > deadline => {
                    self.complain(format!("{left} {complaint}"));
                    return left;
                }
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn number(&self, sql: &str) -> u64 {
        self.sql(sql)[0][0].parse().unwrap()
    }
}
