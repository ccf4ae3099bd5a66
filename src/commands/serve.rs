//! `deploylog` without a command: listens, opens the database, and serves until a signal stops it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{oneshot, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::database::CommandDatabase;
use super::result::{CommandError, print};
use crate::app::{App, Ready, WAITING_FOR_DATABASE};
use crate::auth::{guard::Guard, hosts::AllowedHosts};
use crate::config::{Config, Limits};
use crate::embedded::Access;
use crate::error::Error;
use crate::server;
use crate::signal::Shutdown;
use crate::store::{Store, Tokens};

/// Connections that can wait to be accepted. The usual 128 are too few for a burst of clients.
const BACKLOG: u32 = 4096;
/// Open files besides connections of clients and of the pool: streams, listener, runtime, other connections, a reserve.
const RESERVED_FILES: usize = 30;
/// The pause between two reads of the tokens. A revocation must hold everywhere within five seconds.
const TOKENS_PAUSE: Duration = Duration::from_secs(1);
/// How often the last use of tokens is stored.
const PAUSES_PER_USE: u32 = 3;
/// For storing the last use when the service stops.
const USE_TIMEOUT: Duration = Duration::from_secs(1);
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);

pub async fn run(config: &Config) -> Result<(), CommandError> {
    let mut shutdown = Shutdown::catch().map_err(CommandError::failed)?;
    let listener = listen(config.listen)
        .map_err(|error| CommandError::failed(format!("cannot listen on {}: {error}", config.listen)))?;
    let address = listener.local_addr().unwrap_or(config.listen);
    tracing::info!("deploylog {} listens on {address} and uses {}", env!("CARGO_PKG_VERSION"), config.database);
    let limits = limits_within_open_files(config);
    let app = Arc::new(App::new(&limits));
    let (stop, stopped) = oneshot::channel::<()>();
    // `/livez` responds from the beginning, even if the database takes long.
    let accepting = tokio::spawn(server::serve(listener, app.clone(), limits, stopped));
    let mut database = None;
    let serve = async {
        let (ready, tokens) = tokio::select! {
            opened = open(config, &mut database, &app.startup) => opened?,
            signal = shutdown.requested() => {
                tracing::info!("{signal}: stopping before the database is available");
                return Ok(());
            }
        };
        let (store, guard) = (ready.store.clone(), ready.guard.clone());
        let protected = require_protection(&guard, address, config.is_open, &config.allowed_hosts);
        if protected.is_ok() {
            let _tasks = start_tasks(&store, &tokens, &guard, config.keep_days);
            let _ = app.ready.set(ready);
            print(&format!("ready on http://{address}\n"));
            let signal = shutdown.requested().await;
            tracing::info!("{signal}: finishing the requests in progress");
            store.events.end();
            let _ = stop.send(());
            let _ = accepting.await;
        }
        let _ = tokio::join!(timeout(USE_TIMEOUT, store_token_use(&tokens, &guard)), store.close());
        tokens.close();
        protected
    };
    let result = serve.await;
    if let Some(database) = database {
        // A second signal ends the wait. The next start then recovers the private PostgreSQL.
        tokio::select! {
            () = database.close() => {}
            _ = shutdown.requested() => {}
        }
    }
    result
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Raises the limit of open files, and lowers the limit of connections if each cannot have an open file.
fn limits_within_open_files(config: &Config) -> Limits {
    let Ok(files) = rlimit::increase_nofile_limit(u64::MAX) else { return config.limits };
    let rest = usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(config.pool.size + RESERVED_FILES);
    // A client with too many connections gets its 429 on a further connection.
    let for_clients = rest.saturating_sub(server::max_refusals(rest)).max(1);
    let limits = config.limits.within(for_clients);
    if limits.connections < config.limits.connections {
        tracing::warn!(
            "the limit of {files} open files (ulimit -n) allows {} client connections instead of {}",
            limits.connections,
            config.limits.connections
        );
    }
    limits
}

/// Opens the database, brings its schema up to date and opens the store. Retries until the database is available.
async fn open(
    config: &Config,
    database: &mut Option<CommandDatabase>,
    startup: &watch::Sender<String>,
) -> Result<(Ready, Tokens), CommandError> {
    let database = database.insert(CommandDatabase::open(config, Access::Service).await?);
    let progress = |migration: &str| {
        tracing::info!("migrating the schema: {migration}");
        startup.send_replace(format!("migrating the schema: {migration}"));
    };
    let mut pause = MIN_PAUSE;
    loop {
        let cause = match database.migrate(&progress).await {
            Err(error) if !error.is_transient => return Err(CommandError::no_database(error)),
            Err(error) => error.to_string(),
            Ok(_) => match open_store(config, database).await {
                Err(error) => error.to_string(),
                Ok(opened) => return Ok(opened),
            },
        };
        tracing::warn!("the database is not available yet ({cause}): retrying in {pause:?}");
        startup.send_replace(WAITING_FOR_DATABASE.to_owned());
        sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

async fn open_store(config: &Config, database: &CommandDatabase) -> Result<(Ready, Tokens), Error> {
    let endpoint = &database.endpoint;
    let tokens = Tokens::new(endpoint, config.pool)?;
    let guard = Arc::new(Guard::new(tokens.all().await?, config.public_reads, config.allowed_hosts.clone()));
    let store = Store::open(endpoint, config.pool).await?;
    Ok((Ready { store, guard, is_disk_full: database.is_disk_full() }, tokens))
}

/// Starts the background tasks. They end when the set is dropped.
fn start_tasks(store: &Store, tokens: &Tokens, guard: &Arc<Guard>, keep_days: Option<u32>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(store.heartbeat.clone().run());
    tasks.spawn(store.retention.clone().delete_old_events());
    tasks.spawn(keep_tokens_current(tokens.clone(), guard.clone()));
    if let Some(days) = keep_days {
        tasks.spawn(store.retention.clone().delete_old_records(days));
    }
    tasks
}

/// Gives the guard the tokens in the database, and the database the last use of tokens, forever. While the database is
/// unavailable, the tokens known before stay valid.
async fn keep_tokens_current(tokens: Tokens, guard: Arc<Guard>) {
    for count in 1_u32.. {
        match tokens.all().await {
            Ok(all) => guard.update(all),
            Err(error) => tracing::debug!(%error, "tokens cannot be read; using those known before"),
        }
        if count % PAUSES_PER_USE == 0 {
            store_token_use(&tokens, &guard).await;
        }
        sleep(TOKENS_PAUSE).await;
    }
}

async fn store_token_use(tokens: &Tokens, guard: &Guard) {
    let used = guard.take_used();
    if used.is_empty() {
        return;
    }
    if let Err(error) = tokens.store_use(&used).await {
        tracing::debug!(%error, "the use of tokens cannot be stored; retrying");
        guard.mark_used(&used);
    }
}

/// Fails if everyone on the network has full access, unless `--open` allows it. Then clients use a name that is no loopback
/// name, so it must be known.
fn require_protection(
    guard: &Guard,
    address: SocketAddr,
    is_open: bool,
    hosts: &AllowedHosts,
) -> Result<(), CommandError> {
    if guard.requires_tokens() || address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    let danger = format!("no token exists, so everyone who can reach {address} has full access");
    if is_open && !hosts.is_empty() {
        tracing::warn!("{danger}");
        return Ok(());
    }
    let (open, hosts) = ("--open (DEPLOYLOG_OPEN=true)", "--allow-host HOST (DEPLOYLOG_ALLOW_HOST)");
    Err(CommandError::bad_settings(vec![if is_open {
        format!("{danger}: {open} also requires {hosts} with the host names that clients use")
    } else {
        format!(
            "{danger}: create a token with deploylog token create NAME --scope admin, or start with {open} and {hosts}"
        )
    }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_token_only_loopback_addresses_are_served() {
        let guard = Guard::new(Vec::new(), false, AllowedHosts::default());
        let (none, some) = (AllowedHosts::default(), AllowedHosts::parse("ci").unwrap());
        let start = |address: &str, is_open, hosts| {
            require_protection(&guard, SocketAddr::new(address.parse().unwrap(), 5000), is_open, hosts)
        };
        for loopback in ["127.0.0.1", "127.0.0.2", "127.255.255.254", "::1", "::ffff:127.0.0.1"] {
            assert!(start(loopback, false, &none).is_ok() && start(loopback, true, &none).is_ok(), "{loopback}");
        }
        for address in ["0.0.0.0", "::", "192.168.0.1", "128.0.0.1", "::2", "::ffff:10.0.0.1", "fe80::1"] {
            let error = start(address, false, &some).unwrap_err();
            assert_eq!(error.exit_code, 64);
            assert!(error.messages[0].contains("token create") && error.messages[0].contains("--open"));
            assert!(start(address, true, &some).is_ok(), "{address}");
            let error = start(address, true, &none).unwrap_err();
            assert_eq!(error.exit_code, 64);
            assert!(error.messages[0].contains("--allow-host") && !error.messages[0].contains("token create"));
        }
    }
}
