//! Reads back what was acknowledged: is it there, as it was sent, and once?

use std::{
    collections::HashSet,
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    connection::Connection,
    things::{Acknowledged, Found, Things},
};

/// The service may be away for a moment.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);
const MAX_EXAMPLES: usize = 10;

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Verdict {
    /// Records that the service said it has.
    pub acknowledged: u64,
    /// Of these: gone.
    pub lost: u64,
    /// Records beyond the one for each thing sent.
    pub doubled: u64,
    /// Of the acknowledged: not as they were sent.
    pub wrong: u64,
    /// Some of them, for people.
    #[serde(skip)]
    pub examples: Vec<String>,
}

impl Verdict {
    /// Whether all is well.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.wrong == 0
    }

    fn lose(&mut self, id: i64) {
        self.lost += 1;
        self.note(|| format!("lost: record {id}"));
    }

    fn find_double(&mut self, id: i64, component: &str) {
        self.doubled += 1;
        self.note(|| format!("doubled: record {id} of {component}"));
    }

    fn find_wrong(&mut self, id: i64, component: &str) {
        self.wrong += 1;
        self.note(|| format!("wrong: record {id}, sent as one of {component}"));
    }

    fn note(&mut self, example: impl FnOnce() -> String) {
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(example());
        }
    }

    fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.wrong += other.wrong;
        let room = MAX_EXAMPLES - self.examples.len();
        self.examples.extend(other.examples.into_iter().take(room));
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { acknowledged, lost, doubled, wrong, .. } = self;
        write!(f, "verified {acknowledged} acknowledged: lost {lost}, doubled {doubled}, wrong {wrong}")
    }
}

/// What is compared.
pub struct Ledger {
    /// What was sent.
    pub things: Arc<Things>,
    /// What the service said it has.
    pub acknowledged: Vec<Acknowledged>,
    /// Whether starts and finishes were sent, not whole deploys.
    pub has_starts: bool,
    /// Before `/api/`.
    pub prefix: String,
}

/// Reads the run's records on so many connections. Fails where the service cannot be read, with the reason.
pub async fn verify(mut ledger: Ledger, addresses: &Arc<[SocketAddr]>, connections: usize) -> Result<Verdict, String> {
    let Ledger { things, acknowledged, .. } = &mut ledger;
    acknowledged.sort_unstable_by_key(|known| (things.component_index(known.thing), known.id));
    let mut verdict = Verdict { acknowledged: acknowledged.len() as u64, ..Verdict::default() };
    let (ledger, next) = (Arc::new(ledger), Arc::new(AtomicU64::new(0)));
    let mut readers = JoinSet::new();
    for _ in 0..connections {
        let (ledger, next) = (ledger.clone(), next.clone());
        let connection = Connection::new(addresses.clone());
        readers.spawn(async move {
            let mut reader = Reader { ledger, connection, request: Vec::new(), verdict: Verdict::default() };
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= reader.ledger.things.components_used() {
                    return Ok::<_, String>(reader.verdict);
                }
                reader.check_component(index).await?;
            }
        });
    }
    while let Some(done) = readers.join_next().await {
        verdict.add(done.map_err(|error| error.to_string())??);
    }
    Ok(verdict)
}

struct Reader {
    ledger: Arc<Ledger>,
    connection: Connection,
    request: Vec<u8>,
    verdict: Verdict,
}

/// What stands where something was looked for.
struct Read {
    body: Vec<u8>,
    next_page: Option<String>,
}

impl Reader {
    /// Compares the component's list with what was sent; what it leaves out is asked for by its id.
    async fn check_component(&mut self, index: u64) -> Result<(), String> {
        let ledger = self.ledger.clone();
        let things = &ledger.things;
        let component = things.component(index);
        let first = ledger.acknowledged.partition_point(|known| things.component_index(known.thing) < index);
        let count = ledger.acknowledged[first..].partition_point(|known| things.component_index(known.thing) == index);
        let acknowledged = &ledger.acknowledged[first..first + count];
        let mut is_seen = vec![false; count];
        // What nobody acknowledged may stand once; what was acknowledged stands by another id already.
        let mut stands: Option<HashSet<_>> = None;
        let mut page = Some(format!("/api/?component={component}&limit=1000"));
        while let Some(path) = page {
            let read = self.read(&path).await?.ok_or_else(|| format!("{path} cannot be read back: 404"))?;
            let records: Vec<Found> =
                serde_json::from_slice(&read.body).map_err(|error| format!("{path} is no list of records: {error}"))?;
            for found in records {
                if let Ok(position) = acknowledged.binary_search_by_key(&found.id, |known| known.id) {
                    if !std::mem::replace(&mut is_seen[position], true)
                        && !found.is_as_sent(acknowledged[position], &component)
                    {
                        self.verdict.find_wrong(found.id, &component);
                    }
                    continue;
                }
                let stands = stands.get_or_insert_with(|| acknowledged.iter().map(|known| known.thing).collect());
                let is_first = things
                    .thing(&found, ledger.has_starts)
                    .is_some_and(|thing| things.component_index(thing) == index && stands.insert(thing));
                if !is_first {
                    self.verdict.find_double(found.id, &component);
                }
            }
            page = read.next_page;
        }
        for (known, _) in acknowledged.iter().zip(is_seen).filter(|(_, is_seen)| !is_seen) {
            if self.read(&format!("/api/{}", known.id)).await?.is_some() {
                // It stands, but not where it was sent to.
                self.verdict.find_wrong(known.id, &component);
            } else {
                self.verdict.lose(known.id);
            }
        }
        Ok(())
    }

    /// What stands at a path below the service's root; none: 404.
    async fn read(&mut self, path: &str) -> Result<Option<Read>, String> {
        let deadline = Instant::now() + PATIENCE;
        let whole = format!("{}{path}", self.ledger.prefix);
        self.ledger.things.write_read(format_args!("{whole}"), &mut self.request);
        loop {
            let (is_passing, reason) = match self.connection.exchange(&self.request).await {
                Ok(answer) if answer.head.status == 200 => {
                    return Ok(Some(Read { body: answer.body().to_vec(), next_page: answer.next_page() }));
                }
                Ok(answer) if answer.head.status == 404 => return Ok(None),
                Ok(answer) => (answer.is_passing(), answer.denial().unwrap_or_else(|| answer.excerpt())),
                Err(failure) => (failure.is_passing(), failure.sentence().to_owned()),
            };
            if !is_passing || Instant::now() > deadline {
                return Err(format!("{whole} cannot be read back: {reason}"));
            }
            sleep(PAUSE).await;
        }
    }
}
