//! One request in, one response out.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use hyper::{
    Method,
    body::Incoming,
    header::{self, HeaderValue},
    http::request::Parts,
};
use tokio::{sync::watch, time::timeout};

use crate::auth::guard::Guard;
use crate::budget::Budget;
use crate::config::Limits;
use crate::domain::record::Origin;
use crate::error::Error;
use crate::handlers::{current, deploys, events, health, history, metrics, openapi, page, records, reports};
use crate::prometheus::RequestCounters;
use crate::reply::{self, AnswerBudget, Reply};
use crate::request::{Payload, Query, Request, validate_head};
use crate::route::{self, Miss, Route};
use crate::store::{READ_TIMEOUT, Store};

/// The first step of the start.
pub const WAITING_FOR_DATABASE: &str = "waiting for the database";

/// The state that all requests share.
pub struct App {
    /// Set once the database answers.
    pub ready: OnceLock<Ready>,
    /// The current step of the start, until the service is ready.
    pub startup: watch::Sender<String>,
    body_timeout: Duration,
    body_budget: Budget,
    answer_budget: AnswerBudget,
    event_subscribers: events::Subscribers,
    requests: RequestCounters,
}

/// hyper closes the connection without an answer.
#[derive(Debug)]
pub struct ClientLeft;

impl fmt::Display for ClientLeft {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the client left before its answer was ready")
    }
}

impl std::error::Error for ClientLeft {}

pub struct Ready {
    pub store: Store,
    pub guard: Arc<Guard>,
    /// Writes are refused.
    pub is_disk_full: Arc<AtomicBool>,
}

impl App {
    pub fn new(limits: &Limits) -> Self {
        Self {
            ready: OnceLock::new(),
            startup: watch::Sender::new(WAITING_FOR_DATABASE.to_owned()),
            body_timeout: limits.body,
            body_budget: Budget::new(limits.body_memory),
            answer_budget: AnswerBudget::default(),
            event_subscribers: events::Subscribers::new(limits.event_subscribers),
            requests: RequestCounters::default(),
        }
    }

    /// Answers every request. A handler that fails or panics becomes a problem document. A request that only reads ends
    /// when its client has left. If `is_last`, the connection closes after the answer.
    pub async fn respond(
        self: Arc<Self>,
        request: hyper::Request<Incoming>,
        is_last: bool,
        client_left: impl Future<Output = ()>,
    ) -> Result<Reply, ClientLeft> {
        let began = Instant::now();
        let (head, incoming) = request.into_parts();
        let (method, path) = (&head.method, head.uri.path());
        let mut payload = Payload::new(&head.headers, incoming, self.body_timeout, &self.body_budget);
        let found = route::find(method, path);
        let route = found.as_ref().ok().copied();
        let valid = validate_head(&head);
        let is_doubtful = valid.is_err();
        let result = match valid.map(|()| found) {
            Err(error) => Err(error),
            Ok(Ok(route)) => {
                let handled = unless_it_panics(self.handle(route, &head, &mut payload));
                tokio::select! {
                    biased;
                    result = handled => result,
                    () = client_left, if method.is_safe() => return Err(ClientLeft),
                }
            }
            Ok(Err(Miss::Options(allow))) => Ok(options(&allow)),
            Ok(Err(Miss::NotFound)) => Err(Error::NotFound),
            Ok(Err(Miss::MethodNotAllowed(allow))) => Err(Error::MethodNotAllowed(allow)),
            Ok(Err(Miss::UnknownMethod)) => Err(Error::UnknownMethod),
        };
        // The answer to a write is small. After the write, it is too late to refuse it.
        let result = match result {
            Ok(reply) if method == Method::GET => self.answer_budget.charge(reply).await,
            result => result,
        };
        let mut reply = result.unwrap_or_else(|error| {
            match error {
                Error::Internal(_) => tracing::error!(%method, path, %error, "request failed"),
                Error::Unavailable(_) | Error::TooSlow(_) | Error::DiskFull => {
                    tracing::warn!(%method, path, %error, "request refused");
                }
                _ => {}
            }
            reply::problem(&error)
        });
        let headers = reply.headers_mut();
        // On an open connection, hyper would read the rest of the body, or take it for the next request.
        if payload.is_left() || is_doubtful || is_last {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // A page of another origin must not load records as an image or a script.
        if path.starts_with("/api") {
            headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
        }
        // Without this header, caches can store some answers, for example a 404.
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
        self.requests.count(route, reply.status(), began.elapsed());
        tracing::debug!(%method, path, status = reply.status().as_u16(), ms = began.elapsed().as_secs_f64() * 1000.0,
            "request answered");
        Ok(reply)
    }

    async fn handle(&self, route: Route, head: &Parts, payload: &mut Payload) -> Result<Reply, Error> {
        let query = Query::parse(head.uri.query());
        let Ready { store, guard, is_disk_full } = match self.ready.get() {
            Some(ready) => ready,
            None if route == Route::Live => return health::live(&mut { query }),
            None => return Err(Error::Starting(self.startup.borrow().clone())),
        };
        let admit = || guard.admit(route, &head.headers).map_err(Error::Refused);
        guard.check_hosts(route, head).map_err(Error::Refused)?;
        let caller = admit()?;
        if !head.method.is_safe() && is_disk_full.load(Ordering::Relaxed) {
            return Err(Error::DiskFull);
        }
        let readmit = || admit().map(drop);
        let request = &mut Request { head, query, caller: caller.clone(), payload, readmit: &readmit };
        let handled = async {
            match route {
                Route::ListRecords => records::list(store, request).await,
                Route::CreateRecords => records::create(store, request).await,
                Route::ReadRecord(id) => records::read(store, id, request).await,
                Route::ReplaceRecord(id) => records::change(store, id, Origin::Put, request).await,
                Route::PatchRecord(id) => records::change(store, id, Origin::Patch, request).await,
                Route::RemoveRecord(id) => records::remove(store, id, request).await,
                Route::ListHistory(id) => history::list(store, id, request).await,
                Route::ListDeploys => deploys::list(store, request).await,
                Route::ListCurrent => current::list(store, request).await,
                Route::ReadDurations => reports::durations(store, request).await,
                Route::ReadDora => reports::dora(store, request).await,
                Route::ReadEvents => events::subscribe(store, &self.event_subscribers, request).await,
                Route::Live => health::live(&mut request.query),
                Route::Ready => health::ready(store, &mut request.query).await,
                Route::Metrics => metrics::read(store, &self.requests, self.event_subscribers.count(), request).await,
                Route::Openapi => openapi::read(request),
                Route::Page | Route::PageFile => page::read(request),
            }
        };
        let reply = match time_limit(store, route) {
            Some(limit) => timeout(limit, handled)
                .await
                .unwrap_or_else(|_| Err(Error::Unavailable("the queries of the request took too long".into()))),
            None => handled.await,
        };
        // A stream ends when its token is no longer valid.
        reply.map(|reply| reply::cut_when(reply, || guard.until_refused(route, &caller)))
    }
}

/// For a read with all its queries. Writes and streams limit themselves.
fn time_limit(store: &Store, route: Route) -> Option<Duration> {
    match route {
        Route::ListRecords | Route::ReadRecord(_) | Route::ListHistory(_) | Route::ListDeploys | Route::ListCurrent => {
            Some(READ_TIMEOUT)
        }
        Route::ReadDurations | Route::ReadDora => Some(store.reports.timeout),
        _ => None,
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
    async fn a_panic_in_a_handler_returns_500_without_details() {
        let error = unless_it_panics(async { panic!("of the {}", "details") }).await.unwrap_err();
        assert_eq!(error.to_string(), "panicked: of the details");
        let reply = reply::problem(&error);
        assert_eq!(reply.status(), 500);
        assert!(!String::from_utf8(error.problem()).unwrap().contains("details"));
    }
}
