//! What is sent: each thing's content follows from its number, so that little need be kept to compare it later.

use std::{
    borrow::Cow,
    io::Write as _,
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use serde::{Deserialize, de::IgnoredAny};

use super::options::{Delivery, Options};

/// Of every record.
const OWNER: &str = "load";

/// Which part of a deploy is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// All of it, in one record.
    Whole,
    /// Its start.
    Start,
    /// Its finish.
    Finish,
}

impl Step {
    /// The status word that is sent, and the phase that it means.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Start => ("started", "started"),
            Self::Whole | Self::Finish => ("deployed", "succeeded"),
        }
    }
}

/// One record to be: a step of the deploy with this number, which is its version too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Thing(u64);

impl Thing {
    /// A step of a deploy.
    #[must_use]
    pub fn new(number: u64, step: Step) -> Self {
        Self(number * 4 + step as u64)
    }

    /// The deploy's number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0 / 4
    }

    /// Which part of it.
    #[must_use]
    pub fn step(self) -> Step {
        match self.0 % 4 {
            0 => Step::Whole,
            1 => Step::Start,
            _ => Step::Finish,
        }
    }
}

/// A record that the service said it has.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    /// What was sent.
    pub thing: Thing,
    /// As answered.
    pub id: i64,
    /// Of a finish: its start's id; 0 where there is none, or none is known.
    pub start: i64,
}

/// All things of a run.
pub struct Things {
    /// The run's token: no two runs have the same.
    pub run: String,
    components: u64,
    next: AtomicU64,
    before_body: String,
    /// Of every request.
    headers: String,
    has_keys: bool,
}

impl Things {
    /// None yet.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let Options { target, components, token, .. } = options;
        let token = token.as_ref().map(|token| format!("authorization: Bearer {token}\r\n"));
        let headers = format!("host: {}\r\n{}", target.authority, token.unwrap_or_default());
        Self {
            run: format!("{:x}-{:x}", now.as_micros(), std::process::id()),
            components: *components,
            next: AtomicU64::new(0),
            before_body: format!(
                "POST {}/api/ HTTP/1.1\r\n{headers}content-type: application/json\r\ncontent-length: ",
                target.prefix
            ),
            headers,
            has_keys: options.delivery != Delivery::Once,
        }
    }

    /// The next deploy's number.
    pub fn draw(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// How many components something was sent of.
    #[must_use]
    pub fn components_used(&self) -> u64 {
        self.components.min(self.next.load(Ordering::Relaxed))
    }

    /// Which component a thing is of.
    #[must_use]
    pub fn component_index(&self, thing: Thing) -> u64 {
        thing.number() % self.components
    }

    /// A component's name.
    #[must_use]
    pub fn component(&self, index: u64) -> String {
        format!("load-{}-{index}", self.run)
    }

    /// Writes the request that records a thing; `body` is room to work in.
    pub fn write_record(&self, thing: Thing, request: &mut Vec<u8>, body: &mut Vec<u8>) {
        let (number, index) = (thing.number(), self.component_index(thing));
        let (status, _) = thing.step().words();
        body.clear();
        request.clear();
        // Writing to memory does not fail.
        let _ = write!(
            body,
            r#"{{"component":"load-{}-{index}","version":"{number}","owner":"{OWNER}","status":"{status}"}}"#,
            self.run
        );
        request.extend_from_slice(self.before_body.as_bytes());
        let _ = write!(request, "{}\r\n", body.len());
        if self.has_keys {
            let _ = write!(request, "idempotency-key: {}-{number}-{status}\r\n", self.run);
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
    }

    /// Writes a request that reads `path`.
    pub fn write_read(&self, path: std::fmt::Arguments, request: &mut Vec<u8>) {
        request.clear();
        let _ = write!(request, "GET {path} HTTP/1.1\r\n{}\r\n", self.headers);
    }

    /// What was sent that looks like this record; none: nothing of this run.
    #[must_use]
    pub fn thing(&self, found: &Found, has_starts: bool) -> Option<Thing> {
        let number = found.version.parse().ok().filter(|number| *number < self.next.load(Ordering::Relaxed))?;
        let steps = if has_starts { [Step::Start, Step::Finish] } else { [Step::Whole; 2] };
        let step = steps.into_iter().find(|step| step.words().0 == found.status)?;
        Some(Thing::new(number, step))
    }
}

/// A record as it is read back.
#[derive(Deserialize)]
pub struct Found<'a> {
    /// Of the record.
    pub id: i64,
    #[serde(borrow)]
    component: Cow<'a, str>,
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    owner: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    phase: Cow<'a, str>,
    environment: Option<IgnoredAny>,
    run: Option<IgnoredAny>,
    stage: Option<IgnoredAny>,
    url: Option<IgnoredAny>,
    commit: Option<IgnoredAny>,
    committed_at: Option<IgnoredAny>,
    unplanned: Option<IgnoredAny>,
    duration_seconds: Option<f64>,
    start_id: Option<i64>,
}

impl Found<'_> {
    /// Whether it is what was sent, of the component of this name; a finish has the start that was acknowledged before
    /// it, and a duration.
    #[must_use]
    pub fn is_as_sent(&self, sent: Acknowledged, component: &str) -> bool {
        let (status, phase) = sent.thing.step().words();
        let has_nothing_else = self.environment.is_none()
            && self.run.is_none()
            && self.stage.is_none()
            && self.url.is_none()
            && self.commit.is_none()
            && self.committed_at.is_none()
            && self.unplanned.is_none();
        let is_measured = match sent.thing.step() {
            Step::Finish if sent.start == 0 => true,
            Step::Finish => self.start_id == Some(sent.start) && self.duration_seconds.is_some_and(|d| d >= 0.0),
            Step::Start | Step::Whole => self.start_id.is_none() && self.duration_seconds.is_none(),
        };
        has_nothing_else
            && is_measured
            && self.component == component
            && self.version.parse() == Ok(sent.thing.number())
            && self.owner == OWNER
            && self.status == status
            && self.phase == phase
    }
}
