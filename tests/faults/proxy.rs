//! A proxy between the service and PostgreSQL that breaks connections, all of them or one at a chosen message.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream, UnixStream},
    runtime::Runtime,
    sync::{Notify, watch},
    time::sleep,
};

use crate::protocol::{BackgroundQueries, Messages, Side, StatementTracker};

/// The state of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    Up,
    /// Nothing arrives until the network is up again; then everything does.
    Stalled,
    /// Data disappears without an error, and affected connections never recover.
    Dropping,
    /// Existing and new connections are closed.
    Closed,
    /// All data arrives later by this duration.
    Delayed(Duration),
}

/// What happens at the chosen message.
pub enum Action {
    /// The connection is reset in the middle of the message.
    Reset,
    /// The connection ends before the message.
    Cut,
    /// The message arrives later by this duration.
    Delay(Duration),
    /// The sender reports that the message has arrived; the message waits for the notification.
    Hold(mpsc::Sender<()>, Arc<Notify>),
}

struct Rule {
    side: Side,
    /// The number of messages up to the chosen one, without those of background queries.
    left: usize,
    action: Action,
}

struct Link {
    socket: PathBuf,
    network: watch::Sender<Network>,
    cut: Notify,
    rule: Mutex<Option<Rule>>,
    background: BackgroundQueries,
}

pub struct Proxy {
    pub address: SocketAddr,
    link: Arc<Link>,
    _runtime: Runtime,
}

impl Proxy {
    /// Forwards to the Unix socket of PostgreSQL.
    pub fn start(socket: PathBuf) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let network = watch::channel(Network::Up).0;
        let link = Arc::new(Link {
            socket,
            network,
            cut: Notify::new(),
            rule: Mutex::default(),
            background: BackgroundQueries::default(),
        });
        let accepting = link.clone();
        runtime.spawn(async move {
            loop {
                let (service, _) = listener.accept().await.unwrap();
                let link = accepting.clone();
                tokio::spawn(async move { link.forward(service).await });
            }
        });
        Self { address, link, _runtime: runtime }
    }

    pub fn set_network(&self, network: Network) {
        self.link.network.send_replace(network);
    }

    /// Resets all current connections.
    pub fn cut(&self) {
        self.link.cut.notify_waiters();
    }

    /// Treats the queries sent so far as background queries, which never count as messages of a request.
    pub fn mark_background_queries(&self) {
        self.link.background.mark_complete();
    }

    /// Performs the action once, at the n-th message of a request from this side.
    pub fn arm(&self, side: Side, n: usize, action: Action) {
        *self.link.rule.lock().unwrap() = Some(Rule { side, left: n, action });
    }

    /// Removes the armed action; returns whether it was still pending.
    pub fn disarm(&self) -> bool {
        self.link.rule.lock().unwrap().take().is_some()
    }
}

impl Link {
    async fn forward(&self, service: TcpStream) {
        let mut network = self.network.subscribe();
        let cut = async {
            tokio::select! {
                _ = network.wait_for(|now| *now == Network::Closed) => {}
                () = self.cut.notified() => {}
            }
        };
        let Ok(server) = UnixStream::connect(&self.socket).await else { return };
        let _ = service.set_nodelay(true);
        let tracker = Mutex::new(StatementTracker::default());
        let (from_service, to_service) = service.into_split();
        let (from_server, to_server) = server.into_split();
        let (to_service, to_server) = (tokio::sync::Mutex::new(to_service), tokio::sync::Mutex::new(to_server));
        let requests = async {
            let mut messages = Messages::new(from_service, Side::Service);
            loop {
                let is_burst = messages.has_more();
                let message = messages.next().await?;
                tracker.lock().unwrap().observe(&message, &self.background);
                let end = self.pass(Side::Service, is_burst, &tracker).await;
                to_server.lock().await.write_all(delivered(&message, end)).await?;
                if end.is_some() {
                    return Ok::<_, io::Error>(end);
                }
            }
        };
        let responses = async {
            let mut messages = Messages::new(from_server, Side::PostgreSql);
            loop {
                let is_burst = messages.has_more();
                let message = messages.next().await?;
                let end = self.pass(Side::PostgreSql, is_burst, &tracker).await;
                to_service.lock().await.write_all(delivered(&message, end)).await?;
                if end.is_some() {
                    return Ok::<_, io::Error>(end);
                }
            }
        };
        let end = tokio::select! {
            end = requests => end,
            end = responses => end,
            () = cut => Ok(Some(End::Reset)),
        };
        if let Ok(Some(End::Reset)) = end {
            let _ = to_service.lock().await.as_ref().set_zero_linger();
        }
    }

    /// Waits until the message can pass. Returns how the connection ends at this message, if it does.
    async fn pass(&self, side: Side, is_burst: bool, tracker: &Mutex<StatementTracker>) -> Option<End> {
        let network = *self.network.borrow();
        match network {
            Network::Delayed(delay) if !is_burst => sleep(delay).await,
            Network::Stalled => drop(self.network.subscribe().wait_for(|now| *now != Network::Stalled).await),
            Network::Dropping => std::future::pending().await,
            _ => {}
        }
        if tracker.lock().unwrap().is_background {
            return None;
        }
        let action = {
            let mut armed = self.rule.lock().unwrap();
            let rule = armed.as_mut().filter(|rule| rule.side == side)?;
            rule.left -= 1;
            if rule.left > 0 {
                return None;
            }
            armed.take()?.action
        };
        match action {
            Action::Reset => return Some(End::Reset),
            Action::Cut => return Some(End::Cut),
            Action::Delay(delay) => sleep(delay).await,
            Action::Hold(reached, resume) => {
                let _ = reached.send(());
                resume.notified().await;
            }
        }
        None
    }
}

#[derive(Clone, Copy)]
enum End {
    Reset,
    Cut,
}

/// The part of a message that is delivered.
fn delivered(message: &[u8], end: Option<End>) -> &[u8] {
    match end {
        None => message,
        Some(End::Reset) => &message[..message.len() / 2],
        Some(End::Cut) => &[],
    }
}
