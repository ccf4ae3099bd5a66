//! `deploylog load`: sends load to a service, measures how it is taken, and reads back what it acknowledged. A client
//! only: it knows the service by its HTTP interface.
//!
//! - [`options`] and [`target`]: what was asked for.
//! - [`things`]: what is sent, by number.
//! - [`pace`]: when: as fast as answered, or at a fixed rate.
//! - [`connection`] and [`answer`]: HTTP/1.1 at little cost.
//! - [`sender`]: one connection's part.
//! - [`tally`], [`progress`], [`report`] and [`bars`]: what came of it, and how that is told.
//! - [`verify`]: what became of the records.

pub mod answer;
pub mod bars;
pub mod connection;
pub mod options;
pub mod pace;
pub mod progress;
pub mod report;
pub mod sender;
pub mod tally;
pub mod target;
pub mod things;
pub mod verify;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::lookup_host, task::JoinSet};

use self::{
    connection::Connection,
    options::{Delivery, Mix, Options},
    pace::Pace,
    report::Report,
    sender::{Run, Sender},
    tally::{Shared, Tally},
    things::{Acknowledged, Things},
    verify::{Ledger, verify},
};
use crate::signal::Shutdown;

/// How many records are there for the mix that reads, and how long recording them may take.
const TO_READ: (u64, Duration) = (1000, Duration::from_secs(60));

/// What a run came to.
pub struct Outcome {
    /// Its result, to be printed.
    pub text: String,
    /// What was not well, in a sentence.
    pub complaint: Option<String>,
}

/// Runs to the end. Fails where there is nothing that could be measured, with the reason.
pub async fn run(options: &Options) -> Result<Outcome, String> {
    let mut load = Load {
        options,
        addresses: resolve(options).await?,
        things: Arc::new(Things::new(options)),
        shutdown: Shutdown::catch().map_err(|error| error.to_string())?,
    };
    let mut acknowledged = Vec::new();
    if options.mix == Mix::Read {
        acknowledged = load.record_some().await?;
    }
    let ids = acknowledged.iter().map(|known| known.id).collect();
    let pace = |senders| match options.rate {
        Some(rate) => Pace::open(rate, options.duration, senders),
        None => Pace::closed(options.duration),
    };
    let (mut tally, took) = load.drive(options.mix, ids, pace).await?;
    acknowledged.append(&mut tally.acknowledged);
    let verdict = if options.is_verifying { Some(load.verify(acknowledged).await) } else { None };
    // What was measured is told, even if it cannot be read back.
    let report =
        Report { options, took, tally: &tally, verdict: verdict.as_ref().and_then(|verdict| verdict.as_ref().ok()) };
    let text =
        if options.is_json { report.json().map_err(|error| error.to_string())? + "\n" } else { report.to_string() };
    let complaint = match verdict {
        Some(Err(reason)) => Some(reason),
        Some(Ok(verdict)) if !verdict.is_clean() => Some(verdict.to_string()),
        _ => None,
    };
    Ok(Outcome { text, complaint: complaint.or_else(|| failed(&tally)) })
}

/// What is said of requests that failed, where some did.
fn failed(tally: &Tally) -> Option<String> {
    if let Some(denial) = &tally.denial {
        return Some(denial.clone());
    }
    let (failure, _) = tally.failures.iter().max_by_key(|(_, count)| **count)?;
    let (failed, requests) = (tally.failed(), tally.requests());
    Some(if tally.statuses.is_empty() {
        format!("the service never answered: {}", failure.sentence())
    } else {
        format!("{failed} of {requests} requests failed, most of them so: {}", failure.sentence())
    })
}

/// What the parts of a run share.
struct Load<'a> {
    options: &'a Options,
    addresses: Arc<[SocketAddr]>,
    things: Arc<Things>,
    shutdown: Shutdown,
}

async fn resolve(options: &Options) -> Result<Arc<[SocketAddr]>, String> {
    let (target, host) = (&options.target, options.target.host.as_str());
    let found = lookup_host((host, target.port)).await.map_err(|error| format!("{host} has no address: {error}"))?;
    Ok(found.collect())
}

impl Load<'_> {
    /// Records what is to be read later.
    async fn record_some(&mut self) -> Result<Vec<Acknowledged>, String> {
        let pace = |_| Pace::count(TO_READ.0, TO_READ.1);
        let (tally, _) = self.drive(Mix::Record, Arc::default(), pace).await?;
        if tally.acknowledged.len() as u64 == TO_READ.0 {
            return Ok(tally.acknowledged);
        }
        let says = tally.first_refusal.or_else(|| Some(tally.failures.keys().next()?.sentence().to_owned()));
        let says = says.unwrap_or_else(|| "it takes too long".to_owned());
        Err(format!("the records to be read could not be recorded: {says}"))
    }

    /// Sends on all connections, until the pace or a signal ends it: what came of it, and how long it took.
    async fn drive(
        &mut self,
        mix: Mix,
        ids: Arc<[i64]>,
        pace: impl FnOnce(usize) -> Pace,
    ) -> Result<(Tally, Duration), String> {
        let options = self.options;
        let connections = self.connect().await?;
        let tally = Shared::new().map_err(|error| error.to_string())?;
        let run = Arc::new(Run {
            prefix: options.target.prefix.clone(),
            mix,
            things: self.things.clone(),
            ids,
            pace: pace(options.connections),
            is_retrying: options.delivery == Delivery::Retried,
            keeps_ids: options.is_verifying || options.mix == Mix::Read,
            tally,
        });
        let mut senders = JoinSet::new();
        for (number, connection) in (0..).zip(connections) {
            senders.spawn(Sender::new(run.clone(), connection, number).send_all());
        }
        let progress = (!options.is_json).then(|| tokio::spawn(progress::show(run.clone(), options.duration)));
        let mut is_stopped = false;
        loop {
            tokio::select! {
                sender = senders.join_next() => match sender {
                    Some(ended) => ended.map_err(|error| error.to_string())?,
                    None => break,
                },
                signal = self.shutdown.requested() => {
                    if is_stopped {
                        return Err(format!("{signal}: given up"));
                    }
                    is_stopped = true;
                    run.pace.stop();
                }
            }
        }
        let took = run.pace.start().elapsed();
        if let Some(progress) = progress {
            progress.abort();
            progress::clear();
        }
        let mut tally = std::mem::replace(&mut *run.tally.lock(), Tally::new().map_err(|error| error.to_string())?);
        tally.miss(run.pace.left());
        match tally.denial.take() {
            Some(denial) if tally.latency.is_empty() => Err(denial),
            denial => {
                tally.denial = denial;
                Ok((tally, took))
            }
        }
    }

    /// Opens all connections at once, so that opening them is not measured.
    async fn connect(&self) -> Result<Vec<Connection>, String> {
        let mut opening = JoinSet::new();
        for _ in 0..self.options.connections {
            let mut connection = Connection::new(self.addresses.clone());
            opening.spawn(async move { connection.open().await.map(|()| connection) });
        }
        let opened = opening.join_all().await.into_iter().collect::<Result<_, _>>();
        opened.map_err(|error| format!("{} cannot be reached: {error}", self.options.target))
    }

    async fn verify(&mut self, acknowledged: Vec<Acknowledged>) -> Result<verify::Verdict, String> {
        let ledger = Ledger {
            things: self.things.clone(),
            acknowledged,
            has_starts: self.options.mix == Mix::Lifecycle,
            prefix: self.options.target.prefix.clone(),
        };
        tokio::select! {
            verdict = verify(ledger, &self.addresses, self.options.connections) => verdict,
            signal = self.shutdown.requested() => Err(format!("{signal}: not verified to the end")),
        }
    }
}
