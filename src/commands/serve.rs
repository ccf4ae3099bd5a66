//! Serving: settings, database, schema, listen, serve.

use std::{sync::Arc, time::Duration};

use tokio::{net::TcpListener, time::sleep};

use super::{
    FAILED, Failure, NO_DATABASE,
    database::{self, Attempt},
    say,
};
use crate::{
    app::App,
    config::{Config, Database},
    embedded::Cluster,
    handlers::events::Readers,
    log,
    metrics::Requests,
    server,
    signal::Shutdown,
    store::{self, Store, connect_options},
};

pub async fn run(config: Config) -> Result<(), Failure> {
    log::to_stderr(config.log);
    let mut shutdown = Shutdown::catch().map_err(|error| Failure::new(FAILED, error.to_string()))?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| Failure::new(FAILED, format!("cannot listen on {}: {error}", config.listen)))?;
    let address = listener.local_addr().unwrap_or(config.listen);
    tracing::info!("deploylog {} on {address} with {}", env!("CARGO_PKG_VERSION"), config.database);
    let mut cluster = None;
    let opened = tokio::select! {
        opened = open(&config, &mut cluster) => opened.map(Some),
        signal = shutdown.requested() => {
            tracing::info!("{signal}: stopped before the database was there");
            Ok(None)
        }
    };
    let result = match opened {
        Ok(Some(store)) => {
            say(&format!("ready on http://{address}\n"));
            serve_until(listener, store, &config, &mut shutdown).await;
            Ok(())
        }
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

async fn serve_until(listener: TcpListener, store: Store, config: &Config, shutdown: &mut Shutdown) {
    let looks = tokio::spawn(store::second_looks(store.clone()));
    let forgetting = tokio::spawn(store::forget_events(store.clone()));
    let app = Arc::new(App {
        store: store.clone(),
        body_timeout: config.limits.body,
        event_readers: Readers::new(config.limits.event_readers),
        requests: Requests::default(),
    });
    let requested = async {
        let signal = shutdown.requested().await;
        tracing::info!("{signal}: finishing what is in flight");
        store.end_feed();
    };
    server::serve(listener, app, config.limits, requested).await;
    looks.abort();
    forgetting.abort();
    store.close().await;
}

/// Starts an own database or waits for the named one however long it takes, brings its schema up to date, and opens
/// the store.
async fn open(config: &Config, cluster: &mut Option<Cluster>) -> Result<Store, Failure> {
    if let Database::Embedded(dir) = &config.database {
        *cluster = Some(Cluster::start(dir).await.map_err(|error| Failure::new(NO_DATABASE, error.to_string()))?);
    }
    let database = connect_options(&database::config(&config.database, cluster.as_ref()), config.pool);
    let mut pause = Duration::from_millis(100);
    loop {
        let opened = async {
            database::migrate(&database).await?;
            Store::open(&database, config.pool).await.map_err(|error| Attempt::Again(error.to_string()))
        };
        match opened.await {
            Ok(store) => return Ok(store),
            Err(Attempt::Never(sentence)) => return Err(Failure::new(NO_DATABASE, sentence)),
            Err(Attempt::Again(cause)) => {
                tracing::warn!("the database is not there yet ({cause}): again in {pause:?}");
                sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
    }
}
