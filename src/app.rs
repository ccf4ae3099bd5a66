//! One request in, one response out.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use hyper::{
    HeaderMap, Request, Uri,
    body::Incoming,
    header::{self, HeaderValue},
};
use tokio::sync::watch;

use crate::{
    auth::guard::Guard,
    config::Limits,
    domain::record::Origin,
    error::Error,
    handlers::{current, deploys, events, health, history, metrics, openapi, page, records, reports},
    prometheus::RequestCounters,
    reply::{self, Reply},
    request::{self, Memory, Payload},
    route::{self, Miss, Route},
    store::Store,
};

/// The first step of the start.
pub const WAITING_FOR_DATABASE: &str = "waiting for the database";

/// What every handler may use.
pub struct App {
    /// What is there once the database answers.
    pub ready: OnceLock<Ready>,
    /// The current step of the start, until the service is ready.
    pub startup: watch::Sender<String>,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// What bodies may take together.
    pub body_memory: Memory,
    /// Who may read events at the same time.
    pub event_readers: events::Readers,
    pub requests: RequestCounters,
}

/// The records, and who may use them.
pub struct Ready {
    /// The records.
    pub store: Store,
    /// Who may use them.
    pub guard: Arc<Guard>,
}

impl App {
    /// One that is not ready yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            ready: OnceLock::new(),
            startup: watch::Sender::new(WAITING_FOR_DATABASE.to_owned()),
            body_timeout: limits.body,
            body_memory: Memory::new(limits.body_memory),
            event_readers: events::Readers::new(limits.event_readers),
            requests: RequestCounters::default(),
        }
    }

    /// Answers a request, whatever happens: a handler that fails or panics becomes a problem.
    pub async fn respond(self: Arc<Self>, request: Request<Incoming>) -> Result<Reply, Infallible> {
        let began = Instant::now();
        let (head, incoming) = request.into_parts();
        let found = route::find(&head.method, head.uri.path());
        let called = found.as_ref().ok().copied();
        let may_go_on = || {
            let guarded = called.zip(self.ready.get());
            guarded.map_or(Ok(()), |(route, ready)| ready.guard.admit(route, &head.headers).map(drop))
        };
        let mut payload = Payload::new(&head.headers, incoming, self.body_timeout, &self.body_memory, &may_go_on);
        let conforms = request::conforms(&head);
        let is_doubtful = conforms.is_err();
        let result = match conforms.map(|()| found) {
            Err(error) => Err(error),
            Ok(Ok(route)) => unless_it_panics(self.handle(route, &head.uri, &head.headers, &mut payload)).await,
            Ok(Err(Miss::Options(allow))) => Ok(options(&allow)),
            Ok(Err(Miss::NotFound)) => Err(Error::NotFound),
            Ok(Err(Miss::MethodNotAllowed(allow))) => Err(Error::MethodNotAllowed(allow)),
            Ok(Err(Miss::UnknownMethod)) => Err(Error::UnknownMethod),
        };
        let mut reply = result.unwrap_or_else(|error| {
            let (method, path) = (&head.method, head.uri.path());
            match error {
                Error::Internal(_) => tracing::error!(%method, path, %error, "failed"),
                Error::Unavailable(_) => tracing::warn!(%method, path, %error, "turned away"),
                _ => {}
            }
            reply::problem(&error)
        });
        let headers = reply.headers_mut();
        // What is left of a body would be read over, or taken for the next request.
        if payload.is_left() || is_doubtful {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // Nothing here may be answered from a cache that did not ask: a 404 could be, if nothing were said.
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
        self.requests.count(called, reply.status(), began.elapsed());
        tracing::debug!(method = %head.method, path = head.uri.path(), status = reply.status().as_u16(),
            ms = began.elapsed().as_secs_f64() * 1000.0, "answered");
        Ok(reply)
    }

    async fn handle(
        &self,
        route: Route,
        uri: &Uri,
        headers: &HeaderMap,
        payload: &mut Payload<'_>,
    ) -> Result<Reply, Error> {
        let Ready { store, guard } = match self.ready.get() {
            Some(ready) => ready,
            None if route == Route::Live => return health::live(uri.query()),
            None => return Err(Error::Starting(self.startup.borrow().clone())),
        };
        let caller = &guard.admit(route, headers).map_err(Error::Refused)?;
        let reply = match route {
            Route::ListRecords => records::list(store, uri.query(), headers).await,
            Route::CreateRecords => records::create(store, caller, uri.query(), headers, payload).await,
            Route::ReadRecord(id) => records::read(store, id, uri.query(), headers).await,
            Route::ReplaceRecord(id) => {
                records::change(store, caller, id, Origin::Put, uri.query(), headers, payload).await
            }
            Route::PatchRecord(id) => {
                records::change(store, caller, id, Origin::Patch, uri.query(), headers, payload).await
            }
            Route::RemoveRecord(id) => records::remove(store, caller, id, uri.query(), headers).await,
            Route::ListHistory(id) => history::list(store, id, uri.query(), headers).await,
            Route::ListDeploys => deploys::list(store, uri.query(), headers).await,
            Route::ListCurrent => current::list(store, uri.query(), headers).await,
            Route::ReadDurations => reports::durations(store, uri.query(), headers).await,
            Route::ReadDora => reports::dora(store, uri.query(), headers).await,
            Route::ReadEvents => events::listen(store, &self.event_readers, uri.query(), headers).await,
            Route::Live => health::live(uri.query()),
            Route::Ready => health::ready(store, uri.query()).await,
            Route::Metrics => {
                metrics::read(&self.requests, self.event_readers.count(), store, uri.query(), headers).await
            }
            Route::Openapi => openapi::read(uri.query(), headers),
            Route::Page | Route::PageFile => page::read(uri.path(), headers),
        };
        // What takes long is cut when the token counts no more.
        reply.map(|reply| reply::cut_when(reply, || guard.until_refused(route, caller)))
    }
}

fn options(allow: &str) -> Reply {
    let mut reply = reply::no_content();
    reply::set(reply.headers_mut(), header::ALLOW, allow);
    reply
}

fn unless_it_panics(handled: impl Future<Output = Result<Reply, Error>>) -> impl Future<Output = Result<Reply, Error>> {
    AssertUnwindSafe(handled).catch_unwind().map(|result| {
        result.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            Err(Error::Internal(format!("panicked: {}", text.unwrap_or_default()).into()))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_handler_that_panics_is_a_500_that_keeps_its_secret() {
        let error = unless_it_panics(async { panic!("of the {}", "details") }).await.unwrap_err();
        assert_eq!(error.to_string(), "panicked: of the details");
        let reply = reply::problem(&error);
        assert_eq!(reply.status(), 500);
        assert!(!String::from_utf8(error.problem()).unwrap().contains("details"));
    }
}
