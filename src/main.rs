//! The process: settings, database, schema, listen, serve, exit code.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use deploylog::{
    app::App,
    config::{Config, Database, HELP, Invocation},
    embedded::{self, Cluster},
    handlers::events::Readers,
    load::{
        self,
        options::{Options, Request},
    },
    log,
    metrics::Requests,
    migrate::{self, MigrateError},
    probe, server,
    signal::Shutdown,
    store::{self, Store, connect_options},
};
use tokio::{net::TcpListener, runtime::Builder, time::sleep};
use tokio_postgres::NoTls;

/// What ends the process early: the exit code, and the sentence for the operator.
struct Failure(u8, String);

const FAILED: u8 = 1;
const BAD_SETTINGS: u8 = 64;
const NO_DATABASE: u8 = 69;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    let result =
        if arguments.next_if(|first| first == "load").is_some() { load(arguments) } else { command(arguments) };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(code, sentence)) => {
            complain(&sentence);
            ExitCode::from(code)
        }
    }
}

fn command(arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let environment = |name: &str| std::env::var_os(name);
    match Invocation::read(arguments, environment, embedded::running_as_root) {
        Ok(Invocation::Help) => {
            say(HELP);
            Ok(())
        }
        Ok(Invocation::Version) => {
            say(concat!("deploylog ", env!("CARGO_PKG_VERSION"), "\n"));
            Ok(())
        }
        Ok(Invocation::Serve(config)) => run(serve(config)),
        Ok(Invocation::Migrate(config)) => run(migrate(config)),
        Ok(Invocation::Healthcheck(listen)) => {
            run(async move { probe::ready(listen).await.map_err(|error| Failure(FAILED, error.to_string())) })
        }
        Err(mistakes) => Err(bad_settings(mistakes)),
    }
}

fn load(arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    match Request::read(arguments) {
        // One thread costs less a request than several that hand work to each other.
        Ok(Request::Run(options)) => run_on(Builder::new_current_thread(), send_load(options)),
        Ok(Request::Help) => {
            say(load::options::HELP);
            Ok(())
        }
        Err(mistakes) => Err(bad_settings(mistakes)),
    }
}

async fn send_load(options: Options) -> Result<(), Failure> {
    let outcome = load::run(&options).await.map_err(|reason| Failure(FAILED, reason))?;
    say(&outcome.text);
    outcome.complaint.map_or(Ok(()), |complaint| Err(Failure(FAILED, complaint)))
}

fn bad_settings(mut mistakes: Vec<String>) -> Failure {
    let last = mistakes.pop().unwrap_or_default();
    for mistake in &mistakes {
        complain(mistake);
    }
    Failure(BAD_SETTINGS, last)
}

/// One line for the operator.
fn complain(sentence: &str) {
    let _ = writeln!(io::stderr(), "deploylog: {}", log::escaped(sentence));
}

/// Whoever reads this may have gone: that ends nothing.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

fn run(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    run_on(Builder::new_multi_thread(), work)
}

fn run_on(mut runtime: Builder, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = runtime.enable_all().build();
    runtime.map_err(|error| Failure(FAILED, format!("the runtime does not start: {error}")))?.block_on(work)
}

async fn serve(config: Config) -> Result<(), Failure> {
    log::to_stderr(config.log);
    let mut shutdown = Shutdown::catch().map_err(|error| Failure(FAILED, error.to_string()))?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| Failure(FAILED, format!("cannot listen on {}: {error}", config.listen)))?;
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
        event_readers: Readers::new(config.limits.event_readers()),
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
        *cluster = Some(Cluster::start(dir).await.map_err(|error| Failure(NO_DATABASE, error.to_string()))?);
    }
    let database = connect_options(&database(config, cluster.as_ref()), config.pool);
    let mut pause = Duration::from_millis(100);
    loop {
        let opened = async {
            apply_migrations(&database).await?;
            Store::open(&database, config.pool).await.map_err(|error| Attempt::Again(error.to_string()))
        };
        match opened.await {
            Ok(store) => return Ok(store),
            Err(Attempt::Never(sentence)) => return Err(Failure(NO_DATABASE, sentence)),
            Err(Attempt::Again(cause)) => {
                tracing::warn!("the database is not there yet ({cause}): again in {pause:?}");
                sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
    }
}

async fn migrate(config: Config) -> Result<(), Failure> {
    log::to_stderr(config.log);
    let cluster = match &config.database {
        Database::External(_) => None,
        Database::Embedded(dir) => {
            Some(Cluster::join_or_start(dir).await.map_err(|error| Failure(NO_DATABASE, error.to_string()))?)
        }
    };
    let result = apply_migrations(&connect_options(&database(&config, cluster.as_ref()), config.pool)).await;
    if let Some(cluster) = cluster {
        cluster.stop().await;
    }
    match result {
        Ok(0) => say("the schema was up to date\n"),
        Ok(1) => say("the schema is up to date: 1 migration was run\n"),
        Ok(steps) => say(&format!("the schema is up to date: {steps} migrations were run\n")),
        Err(Attempt::Never(sentence) | Attempt::Again(sentence)) => return Err(Failure(NO_DATABASE, sentence)),
    }
    Ok(())
}

/// Why the database cannot be used: for now, or as things are.
enum Attempt {
    Again(String),
    Never(String),
}

impl From<MigrateError> for Attempt {
    fn from(error: MigrateError) -> Self {
        let sentence = error.to_string();
        if error.is_passing() { Self::Again(sentence) } else { Self::Never(sentence) }
    }
}

async fn apply_migrations(database: &tokio_postgres::Config) -> Result<usize, Attempt> {
    let (mut client, connection) = database.connect(NoTls).await.map_err(MigrateError::from)?;
    let connection = tokio::spawn(connection);
    let steps = migrate::run(&mut client).await;
    drop(client);
    let _ = connection.await;
    Ok(steps?)
}

fn database(config: &Config, cluster: Option<&Cluster>) -> tokio_postgres::Config {
    match (&config.database, cluster) {
        (Database::External(database), _) => (**database).clone(),
        (Database::Embedded(_), Some(cluster)) => cluster.config(),
        (Database::Embedded(_), None) => tokio_postgres::Config::new(),
    }
}
