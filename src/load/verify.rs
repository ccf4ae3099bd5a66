//! Reads the acknowledged records back and checks that each exists once and as it was sent.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use futures_util::{TryStreamExt as _, stream};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::connection::HttpConnection;
use super::workload::{Acknowledged, Workload};

/// How long a read is retried while the service is away.
const RETRY_TIME: Duration = Duration::from_secs(30);
const RETRY_PAUSE: Duration = Duration::from_millis(100);
const MAX_EXAMPLES: usize = 10;

/// The result of a verification, as counts of records.
#[derive(Debug, Default, Serialize)]
pub struct Verdict {
    pub acknowledged: u64,
    /// Acknowledged, but not found.
    pub lost: u64,
    /// More than one record for the same item.
    pub doubled: u64,
    /// Acknowledged, but not as sent.
    pub wrong: u64,
    #[serde(skip)]
    pub examples: Vec<String>,
}

impl Verdict {
    pub fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.wrong == 0
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { acknowledged, lost, doubled, wrong, .. } = self;
        write!(f, "verified {acknowledged} acknowledged: lost {lost}, doubled {doubled}, wrong {wrong}")
    }
}

/// Reads the records of a run on this many connections. Fails with the reason if a read fails.
pub async fn verify(
    workload: &Workload,
    mut acknowledged: Vec<Acknowledged>,
    addresses: &Arc<[SocketAddr]>,
    connections: usize,
) -> Result<Verdict, String> {
    acknowledged.sort_unstable_by_key(|known| known.id);
    let verdict = Verdict { acknowledged: acknowledged.len() as u64, ..Verdict::default() };
    let mut by_component: HashMap<_, Vec<_>> = HashMap::new();
    for known in acknowledged {
        by_component.entry(workload.component_index(known.item)).or_default().push(known);
    }
    let verification = Verification {
        workload,
        by_component,
        verdict: RefCell::new(verdict),
        idle: RefCell::new((0..connections).map(|_| HttpConnection::new(addresses.clone())).collect()),
    };
    let components = stream::iter((0..workload.components_used()).map(Ok::<_, String>));
    components.try_for_each_concurrent(connections, |index| verification.check_component(index)).await?;
    Ok(verification.verdict.into_inner())
}

/// What is wrong with a record: its name and its count.
type Finding = (&'static str, fn(&mut Verdict) -> &mut u64);

const LOST: Finding = ("lost", |verdict| &mut verdict.lost);
const DOUBLED: Finding = ("doubled", |verdict| &mut verdict.doubled);
const WRONG: Finding = ("wrong", |verdict| &mut verdict.wrong);

struct Verification<'a> {
    workload: &'a Workload,
    /// Each component's acknowledged records, by id.
    by_component: HashMap<u64, Vec<Acknowledged>>,
    verdict: RefCell<Verdict>,
    idle: RefCell<Vec<HttpConnection>>,
}

impl Verification<'_> {
    /// Compares the component's list with what was sent, then reads each record that the list lacks by its id.
    async fn check_component(&self, index: u64) -> Result<(), String> {
        let workload = self.workload;
        let acknowledged = self.by_component.get(&index).map_or(&[][..], Vec::as_slice);
        let component = workload.component_name(index);
        let mut is_found = vec![false; acknowledged.len()];
        // An item that was not acknowledged can still have one record. Every further record of an item is a double.
        let mut recorded: HashSet<_> = acknowledged.iter().map(|known| known.item).collect();
        let mut next = Some(format!("/api/?component={component}&limit=1000"));
        while let Some(path) = next {
            let (page, following) = self.read(&path).await?.ok_or_else(|| format!("{path} cannot be read: 404"))?;
            let records = page.as_array().ok_or_else(|| format!("{path} does not return a list of records"))?;
            for record in records {
                let id = record["id"].as_i64().unwrap_or_default();
                if let Ok(position) = acknowledged.binary_search_by_key(&id, |known| known.id) {
                    let is_repeated = std::mem::replace(&mut is_found[position], true);
                    if !is_repeated && !workload.is_as_sent(record, acknowledged[position]) {
                        self.note(WRONG, id, &component);
                    }
                } else if workload
                    .item(record)
                    .is_none_or(|item| workload.component_index(item) != index || !recorded.insert(item))
                {
                    self.note(DOUBLED, id, &component);
                }
            }
            next = following;
        }
        for (known, _) in acknowledged.iter().zip(is_found).filter(|(_, is_found)| !is_found) {
            // A record that exists, but not in the list of its component, is wrong.
            let is_lost = self.read(&format!("/api/{}", known.id)).await?.is_none();
            self.note(if is_lost { LOST } else { WRONG }, known.id, &component);
        }
        Ok(())
    }

    fn note(&self, (name, count): Finding, id: i64, component: &str) {
        let verdict = &mut *self.verdict.borrow_mut();
        *count(verdict) += 1;
        if verdict.examples.len() < MAX_EXAMPLES {
            verdict.examples.push(format!("{name}: record {id} of {component}"));
        }
    }

    /// Reads a path below the URL of the service, with retries. Returns the body and the next page; `None` for 404.
    async fn read(&self, path: &str) -> Result<Option<(Value, Option<String>)>, String> {
        let (deadline, mut request) = (Instant::now() + RETRY_TIME, Vec::new());
        self.workload.write_read(format_args!("{path}"), &mut request);
        let mut connection = self.idle.borrow_mut().pop().ok_or("too many reads at once")?;
        let read = loop {
            let (is_transient, reason) = match connection.exchange(&request).await {
                Ok(response) if response.head.status == 404 => break None,
                Ok(response) if response.head.status == 200 => {
                    let body = serde_json::from_slice(response.body);
                    break Some((body.map_err(|error| format!("{path}: {error}"))?, response.head.next_page));
                }
                Ok(response) => (response.is_transient(), response.refusal()),
                Err(error) => (error.is_transient(), error.sentence().to_owned()),
            };
            if !is_transient || Instant::now() > deadline {
                return Err(format!("{path} cannot be read: {reason}"));
            }
            sleep(RETRY_PAUSE).await;
        };
        self.idle.borrow_mut().push(connection);
        Ok(read)
    }
}
