//! Serving: listen, open the database, bring its schema up to date, serve until asked to stop.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{oneshot, watch},
    task::JoinHandle,
    time::sleep,
};

use super::{
    BAD_SETTINGS, FAILED, Failure, NO_DATABASE,
    database::{self, Attempt},
    say,
};
use crate::{
    app::{App, Ready, WAITING_FOR_DATABASE},
    auth::guard::Guard,
    config::{Config, Database, Limits, Open},
    database::connect_options,
    embedded::Cluster,
    error::Error,
    log, server,
    signal::Shutdown,
    store::{Store, Tokens},
};

pub async fn run(config: Config) -> Result<(), Failure> {
    log::to_stderr(config.log);
    let mut shutdown = Shutdown::catch().map_err(|error| Failure::new(FAILED, error.to_string()))?;
    let listener = listen(config.listen)
        .map_err(|error| Failure::new(FAILED, format!("cannot listen on {}: {error}", config.listen)))?;
    let address = listener.local_addr().unwrap_or(config.listen);
    tracing::info!("deploylog {} on {address} with {}", env!("CARGO_PKG_VERSION"), config.database);
    let limits = within_files(&config);
    let app = Arc::new(App::new(&limits));
    let (stop, stopped) = oneshot::channel::<()>();
    // `/livez` answers from the beginning, however long the database takes.
    let serving = tokio::spawn(server::serve(listener, app.clone(), limits, stopped));
    let mut cluster = None;
    let opened = tokio::select! {
        opened = open(&config, &mut cluster, &app.startup) => opened.map(Some),
        signal = shutdown.requested() => {
            tracing::info!("{signal}: stopped before the database was there");
            Ok(None)
        }
    };
    let result = match opened {
        Ok(Some(opened)) => match guarded(&opened.guard, address, config.open) {
            Ok(()) => {
                let Opened { store, tokens, guard } = opened;
                let tasks = start_tasks(&store, &tokens, &guard, config.keep_days);
                let _ = app.ready.set(Ready { store: store.clone(), guard: guard.clone() });
                say(&format!("ready on http://{address}\n"));
                let signal = shutdown.requested().await;
                tracing::info!("{signal}: finishing what is in flight");
                store.events.end();
                let _ = stop.send(());
                let _ = serving.await;
                for task in tasks {
                    task.abort();
                }
                tokio::join!(tokens.close(&guard), store.close());
                Ok(())
            }
            Err(failure) => {
                opened.store.close().await;
                Err(failure)
            }
        },
        Ok(None) => Ok(()),
        Err(failure) => Err(failure),
    };
    if let Some(cluster) = cluster {
        // Asked a second time, it is not waited for: its next start recovers.
        tokio::select! {
            () = cluster.stop() => {}
            _ = shutdown.requested() => {}
        }
    }
    result
}

/// Connections that wait to be accepted: a burst of clients is longer than the usual 128.
const BACKLOG: u32 = 4096;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Beside connections: streams, the listener, the runtime's, connections outside the pool, and room for new ones.
const FILES_OF_ITS_OWN: usize = 30;

/// What is there once the database answers.
struct Opened {
    store: Store,
    tokens: Tokens,
    guard: Arc<Guard>,
}

/// What runs beside requests.
fn start_tasks(store: &Store, tokens: &Tokens, guard: &Arc<Guard>, keep_days: Option<u32>) -> Vec<JoinHandle<()>> {
    let mut tasks = vec![
        tokio::spawn(store.heartbeat.clone().run()),
        tokio::spawn(store.retention.clone().delete_old_events()),
        tokio::spawn(tokens.clone().watch(guard.clone())),
    ];
    tasks.extend(keep_days.map(|days| tokio::spawn(store.retention.clone().delete_old_records(days))));
    tasks
}

/// What clients may take where each of their connections is an open file, of which the system allows only so many.
fn within_files(config: &Config) -> Limits {
    let Ok(files) = rlimit::increase_nofile_limit(u64::MAX) else { return config.limits };
    let rest = usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(config.pool.size + FILES_OF_ITS_OWN);
    // Who has too many connections is told so on one more.
    let for_clients = rest.saturating_sub(server::max_refusals(rest)).max(1);
    let limits = config.limits.within(for_clients);
    if limits.connections < config.limits.connections {
        tracing::warn!(
            "{files} files may be open (ulimit -n), so {} clients at once, and not {}",
            limits.connections,
            config.limits.connections
        );
    }
    limits
}

/// Starts an own database or waits for the named one however long it takes, brings its schema up to date, and opens
/// the store.
async fn open(
    config: &Config,
    cluster: &mut Option<Cluster>,
    startup: &watch::Sender<String>,
) -> Result<Opened, Failure> {
    if let Database::Embedded(dir) = &config.database {
        *cluster = Some(Cluster::start(dir).await.map_err(|error| Failure::new(NO_DATABASE, error.to_string()))?);
    }
    let database = connect_options(&database::endpoint(&config.database, cluster.as_ref()), config.pool);
    let mut pause = Duration::from_millis(100);
    loop {
        let opened = async {
            database::migrate(&database, &|step| {
                tracing::info!("migrating the schema: {step}");
                startup.send_replace(format!("migrating the schema: {step}"));
            })
            .await?;
            let opened = async {
                let tokens = Tokens::new(&database, config.pool)?;
                let guard = Arc::new(Guard::new(tokens.all().await?, config.open.reads));
                Ok::<_, Error>(Opened { store: Store::open(&database, config.pool).await?, tokens, guard })
            };
            opened.await.map_err(|error| Attempt::Again(error.to_string()))
        };
        match opened.await {
            Ok(opened) => return Ok(opened),
            Err(Attempt::Never(sentence)) => return Err(Failure::new(NO_DATABASE, sentence)),
            Err(Attempt::Again(cause)) => {
                tracing::warn!("the database is not there yet ({cause}): again in {pause:?}");
                startup.send_replace(WAITING_FOR_DATABASE.to_owned());
                sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
    }
}

/// Fails where everybody could do everything, and nobody said that this is meant.
fn guarded(guard: &Guard, address: SocketAddr, open: Open) -> Result<(), Failure> {
    if guard.requires_tokens() || address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    let danger = format!("there is no token, so whoever reaches {address} may do everything");
    if open.everything {
        tracing::warn!("{danger}");
        return Ok(());
    }
    let ways = "make one with deploylog token create NAME --scope admin, or start with --open (DEPLOYLOG_OPEN=true)";
    Err(Failure::new(BAD_SETTINGS, format!("{danger}: {ways}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_token_only_loopback_is_served() {
        let guard = Guard::new(Vec::new(), false);
        let start = |address: &str, everything| {
            let open = Open { everything, reads: false };
            guarded(&guard, SocketAddr::new(address.parse().unwrap(), 5000), open)
        };
        for loopback in ["127.0.0.1", "127.0.0.2", "127.255.255.254", "::1", "::ffff:127.0.0.1"] {
            assert!(start(loopback, false).is_ok(), "{loopback}");
        }
        for address in ["0.0.0.0", "::", "192.168.0.1", "128.0.0.1", "::2", "::ffff:10.0.0.1", "fe80::1"] {
            let failure = start(address, false).unwrap_err();
            assert_eq!(failure.code, BAD_SETTINGS);
            assert!(failure.sentences[0].contains("token create") && failure.sentences[0].contains("--open"));
            assert!(start(address, true).is_ok(), "{address}");
        }
    }
}
