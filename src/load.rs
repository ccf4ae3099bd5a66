//! `deploylog load`: sends requests to a service, measures its responses and checks that it kept what it acknowledged.
//! It is an ordinary client that uses only the HTTP interface.
//!
//! - [`options`] and [`target`]: the command line.
//! - [`workload`]: the content of the requests.
//! - [`schedule`]: when each request is sent.
//! - [`connection`]: an HTTP/1.1 client at a low cost per request.
//! - [`sender`]: sends the requests of one connection.
//! - [`stats`], [`thresholds`] and [`report`]: counts and latencies, and how they are printed.
//! - [`verify`]: reads the acknowledged records back.

mod connection;
mod options;
mod report;
mod schedule;
mod sender;
mod stats;
mod target;
mod thresholds;
mod verify;
mod workload;

use std::{
    io::{Write as _, stderr},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::try_join_all;
use tokio::{net::lookup_host, task::JoinSet, time::interval_at};

pub use self::options::{HELP, Options};
use self::{
    connection::{HttpConnection, RequestError},
    options::Mix,
    report::{LoadReport, progress},
    schedule::Schedule,
    sender::{Run, Sender},
    stats::Stats,
    verify::{Verdict, verify},
    workload::{Acknowledged, Workload},
};
use crate::signal::Shutdown;

/// The mix `read` records this many first, within this time.
const RECORDS_TO_READ: u64 = 1000;
const PROGRESS_PERIOD: Duration = Duration::from_secs(5);
const TIME_TO_RECORD: Duration = Duration::from_secs(60);

/// Runs to the end and prints the result. Fails with the reason if anything failed or nothing could be measured.
pub async fn run(options: &Options, print: impl Fn(&str)) -> Result<(), String> {
    let address = &options.target.address;
    let addresses = lookup_host(address).await.map_err(|error| format!("{address} cannot be resolved: {error}"))?;
    let mut load = Load {
        options,
        addresses: addresses.collect(),
        workload: Arc::new(Workload::new(options)),
        shutdown: Shutdown::catch().map_err(|error| error.to_string())?,
    };
    let mut acknowledged = if options.mix == Mix::Read { load.record_first().await? } else { Vec::new() };
    let ids = acknowledged.iter().map(|known| known.id).collect();
    let connections = load.connect().await?;
    let schedule = Schedule::start(options.duration, options.rate, u64::MAX, options.connections);
    let (mut stats, took) = load.drive(options.mix, ids, connections, schedule).await?;
    acknowledged.append(&mut stats.acknowledged);
    let verdict = if options.is_verifying { Some(load.verify(acknowledged).await) } else { None };
    // The measurements are printed even if the verification fails.
    let report = LoadReport { options, took, stats: &stats, verdict: verdict.as_ref().and_then(|v| v.as_ref().ok()) };
    print(&if options.is_json { format!("{}\n", report.json()) } else { report.to_string() });
    match verdict {
        Some(Err(reason)) => Err(reason),
        Some(Ok(verdict)) if !verdict.is_clean() => Err(verdict.to_string()),
        _ => failure(&stats).map_or(Ok(()), Err),
    }
}

fn failure(stats: &Stats) -> Option<String> {
    if stats.is_denied() {
        return stats.refusal.clone();
    }
    let (error, _) = stats.errors.iter().max_by_key(|(_, count)| **count)?;
    Some(if stats.statuses.is_empty() {
        format!("the service sent no response: {}", error.sentence())
    } else {
        format!("{} of {} requests failed. Most frequent: {}", stats.failed(), stats.requests(), error.sentence())
    })
}

struct Load<'a> {
    options: &'a Options,
    addresses: Arc<[SocketAddr]>,
    workload: Arc<Workload>,
    shutdown: Shutdown,
}

impl Load<'_> {
    /// Records what the mix `read` reads.
    async fn record_first(&mut self) -> Result<Vec<Acknowledged>, String> {
        let connections = self.connect().await?;
        let schedule = Schedule::start(TIME_TO_RECORD, None, RECORDS_TO_READ, self.options.connections);
        let (stats, _) = self.drive(Mix::Record, Vec::new(), connections, schedule).await?;
        if stats.acknowledged.len() as u64 == RECORDS_TO_READ {
            return Ok(stats.acknowledged);
        }
        let reason =
            stats.refusal.clone().or_else(|| failure(&stats)).unwrap_or_else(|| "the service is too slow".to_owned());
        Err(format!("the records for the mix read cannot be recorded: {reason}"))
    }

    /// Opens all connections before the run starts, so that opening them is not measured.
    async fn connect(&self) -> Result<Vec<HttpConnection>, String> {
        let opening = (0..self.options.connections).map(async |_| {
            let mut connection = HttpConnection::new(self.addresses.clone());
            connection.connect().await.map(|()| connection)
        });
        try_join_all(opening).await.map_err(|error| format!("{} cannot be reached: {error}", self.options.target))
    }

    /// Sends requests on all connections until the schedule or a signal ends the run. Returns how long that took.
    async fn drive(
        &mut self,
        mix: Mix,
        ids: Vec<i64>,
        connections: Vec<HttpConnection>,
        schedule: Arc<Schedule>,
    ) -> Result<(Stats, Duration), String> {
        let options = self.options;
        let run = Arc::new(Run {
            mix,
            workload: self.workload.clone(),
            ids,
            schedule,
            keeps_records: options.is_verifying || options.mix == Mix::Read,
            stats: Mutex::new(Stats::new()?),
        });
        let mut senders = JoinSet::new();
        for (number, connection) in (0..).zip(connections) {
            senders.spawn(Sender::new(run.clone(), connection, number).send_all());
        }
        let start = run.schedule.start;
        let mut before = (start, 0);
        let mut ticks = interval_at(start + PROGRESS_PERIOD, PROGRESS_PERIOD);
        loop {
            tokio::select! {
                sender = senders.join_next() => match sender {
                    Some(ended) => ended.map_err(|error| error.to_string())?,
                    None => break,
                },
                signal = self.shutdown.requested() => {
                    if run.schedule.is_stopped() {
                        return Err(format!("{signal}: stopped before the last responses"));
                    }
                    run.schedule.stop();
                }
                _ = ticks.tick(), if !options.is_json => {
                    let line = progress(&run.stats(), start, options.duration, &mut before);
                    // A closed standard error does not end the run.
                    let _ = writeln!(stderr(), "{line}");
                }
            }
        }
        let took = start.elapsed();
        let run = Arc::into_inner(run).ok_or("a sender is still running")?;
        let mut stats = run.stats.into_inner().unwrap_or_else(PoisonError::into_inner);
        stats.fail(RequestError::NotSent, run.schedule.unsent());
        match stats.refusal {
            Some(reason) if stats.is_denied() && stats.latency.is_empty() => Err(reason),
            _ => Ok((stats, took)),
        }
    }

    async fn verify(&mut self, acknowledged: Vec<Acknowledged>) -> Result<Verdict, String> {
        tokio::select! {
            verdict = verify(&self.workload, acknowledged, &self.addresses, self.options.connections) => verdict,
            signal = self.shutdown.requested() => Err(format!("{signal}: the verification is incomplete")),
        }
    }
}
