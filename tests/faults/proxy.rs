//! The network between the service and PostgreSQL: one that can break, as a whole or at one message.

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

use crate::protocol::{Conversation, Messages, OwnQuestions, Side};

/// How the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    Whole,
    /// Nothing arrives until it is whole again; then all of it does.
    Still,
    /// Nothing arrives, ever, and nobody says so: connections of that time are of no more use.
    Swallowing,
    /// Connections are cut, and new ones too.
    Cut,
    /// Everything arrives so much later.
    Late(Duration),
}

/// What happens at a message.
pub enum Act {
    /// The connection is reset amid it.
    Reset,
    /// The connection ends before it.
    Cut,
    /// It arrives so much later.
    Delay(Duration),
    /// It waits: who is told of it says when it goes on.
    Hold(mpsc::Sender<()>, Arc<Notify>),
}

struct Rule {
    side: Side,
    /// Messages until then, of a call.
    left: usize,
    act: Act,
}

struct Line {
    socket: PathBuf,
    network: watch::Sender<Network>,
    cut: Notify,
    rule: Mutex<Option<Rule>>,
    own: OwnQuestions,
}

pub struct Proxy {
    pub address: SocketAddr,
    line: Arc<Line>,
    _runtime: Runtime,
}

impl Proxy {
    /// To PostgreSQL's socket.
    pub fn start(socket: PathBuf) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let network = watch::channel(Network::Whole).0;
        let line = Arc::new(Line {
            socket,
            network,
            cut: Notify::new(),
            rule: Mutex::default(),
            own: OwnQuestions::default(),
        });
        let accepting = line.clone();
        runtime.spawn(async move {
            loop {
                let (service, _) = listener.accept().await.unwrap();
                let line = accepting.clone();
                tokio::spawn(async move { line.carry(service).await });
            }
        });
        Self { address, line, _runtime: runtime }
    }

    pub fn is_now(&self, network: Network) {
        self.line.network.send_replace(network);
    }

    /// Cuts all connections, once.
    pub fn cut(&self) {
        self.line.cut.notify_waiters();
    }

    /// What the service has asked by itself until now is no part of any call.
    pub fn knows_own_questions(&self) {
        self.line.own.are_known();
    }

    /// Does this at the n-th message from that side that is part of a call, once.
    pub fn at(&self, side: Side, n: usize, act: Act) {
        *self.line.rule.lock().unwrap() = Some(Rule { side, left: n, act });
    }

    /// Forgets what was to be done; whether it still was.
    pub fn forget(&self) -> bool {
        self.line.rule.lock().unwrap().take().is_some()
    }
}

impl Line {
    async fn carry(&self, service: TcpStream) {
        let mut network = self.network.subscribe();
        let broken = async {
            tokio::select! {
                _ = network.wait_for(|now| *now == Network::Cut) => {}
                () = self.cut.notified() => {}
            }
        };
        let Ok(server) = UnixStream::connect(&self.socket).await else { return };
        let _ = service.set_nodelay(true);
        let conversation = Mutex::new(Conversation::default());
        let (from_service, to_service) = service.into_split();
        let (from_server, to_server) = server.into_split();
        let (to_service, to_server) = (tokio::sync::Mutex::new(to_service), tokio::sync::Mutex::new(to_server));
        let asked = async {
            let mut messages = Messages::new(from_service, Side::Service);
            loop {
                let is_burst = messages.has_more();
                let message = messages.next().await?;
                conversation.lock().unwrap().hear(&message, &self.own);
                let act = self.pass(Side::Service, is_burst, &conversation).await;
                to_server.lock().await.write_all(until(&message, act)).await?;
                if act.is_some() {
                    return Ok::<_, io::Error>(act);
                }
            }
        };
        let answered = async {
            let mut messages = Messages::new(from_server, Side::PostgreSql);
            loop {
                let is_burst = messages.has_more();
                let message = messages.next().await?;
                let act = self.pass(Side::PostgreSql, is_burst, &conversation).await;
                to_service.lock().await.write_all(until(&message, act)).await?;
                if act.is_some() {
                    return Ok::<_, io::Error>(act);
                }
            }
        };
        let end = tokio::select! {
            end = asked => end,
            end = answered => end,
            () = broken => Ok(Some(End::Reset)),
        };
        if let Ok(Some(End::Reset)) = end {
            let _ = to_service.lock().await.as_ref().set_zero_linger();
        }
    }

    /// Waits until a message may pass; or says how the connection ends at it.
    async fn pass(&self, side: Side, is_burst: bool, conversation: &Mutex<Conversation>) -> Option<End> {
        let network = *self.network.borrow();
        match network {
            Network::Late(delay) if !is_burst => sleep(delay).await,
            Network::Still => drop(self.network.subscribe().wait_for(|now| *now != Network::Still).await),
            Network::Swallowing => std::future::pending().await,
            _ => {}
        }
        if conversation.lock().unwrap().is_own {
            return None;
        }
        let act = {
            let mut standing = self.rule.lock().unwrap();
            let rule = standing.as_mut().filter(|rule| rule.side == side)?;
            rule.left -= 1;
            if rule.left > 0 {
                return None;
            }
            standing.take()?.act
        };
        match act {
            Act::Reset => return Some(End::Reset),
            Act::Cut => return Some(End::Cut),
            Act::Delay(delay) => sleep(delay).await,
            Act::Hold(reached, goes_on) => {
                let _ = reached.send(());
                goes_on.notified().await;
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

/// What of a message arrives.
fn until(message: &[u8], end: Option<End>) -> &[u8] {
    match end {
        None => message,
        Some(End::Reset) => &message[..message.len() / 2],
        Some(End::Cut) => &[],
    }
}
