//! `deploylog load`: its flags. Every mistake is reported at once.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsString,
    ops::RangeInclusive,
    str::FromStr,
    time::Duration,
};

use super::target::Target;

/// What `deploylog load --help` prints.
pub const HELP: &str = "\
deploylog load sends load to a deploylog and says how it was taken.

usage: deploylog load --url URL [FLAGS]

It records for good: every run's records are of components load-RUN-0,
load-RUN-1, …, RUN being a token of its own, and of the owner load.

flags
  --url URL          the service: http://host:port, with a path where it has one;
                     required, and nothing else is ever spoken to
  --connections N    [64] kept open, one request at a time on each
  --rate N           requests a second, sent when they are due (open loop); latency
                     counts from then, so that a pause of the service is seen by
                     every request that falls into it. Without it each connection
                     sends as soon as it has its answer (closed loop)
  --duration S       [10] seconds
  --mix MIX          [record]   finished deploys, each of a version of its own
                     lifecycle  a start, then its finish
                     read       one record at a time, of 1,000 recorded before
  --components N     [200] that the records are spread over
  --keys             sends an Idempotency-Key, each request its own
  --retry            sends a request again, with the same key, after 429, 502, 503,
                     504, a broken connection or 10 s without an answer: until it
                     is acknowledged, or until 30 s after the run's end
  --verify           reads every acknowledged record back. lost: it is gone; wrong:
                     it is not as sent, or a finish without its start; doubled: a
                     record too many. Where the service asks for a token it takes one
                     with the scope admin to read, or public reads
  --json             the result as one JSON object, and no progress
  -h, --help

variable
  DEPLOYLOG_TOKEN    a token that is sent along, for a service that asks for one: of the
                     scope write to record, of admin to read as well

Latency is that of the requests that succeeded, from first sent (or due) to done.
SIGINT ends the run early; its result is told all the same.

exit codes
  0   every request succeeded, and --verify found nothing
  1   some failed, --verify found something, or there is no service
  64  a wrong flag: all of them are named
";

/// What was asked for.
#[derive(Debug)]
pub enum Request {
    /// To send load.
    Run(Options),
    /// To print [`HELP`].
    Help,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Finished deploys.
    Record,
    /// A start, then its finish.
    Lifecycle,
    /// Records that were recorded before.
    Read,
}

impl Mix {
    /// As the flag has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Lifecycle => "lifecycle",
            Self::Read => "read",
        }
    }
}

/// How a record is brought to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Sent once.
    Once,
    /// Sent once, with an `Idempotency-Key`.
    Keyed,
    /// With a key, and sent again until it is acknowledged.
    Retried,
}

/// A run's settings.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who is spoken to.
    pub target: Target,
    /// Sent along with every request.
    pub token: Option<String>,
    /// Kept open.
    pub connections: usize,
    /// Requests a second; none: closed loop.
    pub rate: Option<f64>,
    /// How long.
    pub duration: Duration,
    /// What is sent.
    pub mix: Mix,
    /// That the records are spread over.
    pub components: u64,
    /// How often, at most.
    pub delivery: Delivery,
    /// Whether what was acknowledged is read back.
    pub is_verifying: bool,
    /// Whether the result is JSON.
    pub is_json: bool,
}

/// With a value, and its default (empty: none).
const FLAGS: [(&str, &str); 6] =
    [("url", ""), ("connections", "64"), ("rate", ""), ("duration", "10"), ("mix", "record"), ("components", "200")];
/// Without a value.
const SWITCHES: [&str; 4] = ["keys", "retry", "verify", "json"];

impl Request {
    /// Reads what follows `load` on the command line, and the token out of its variable. Fails with all mistakes.
    pub fn read(arguments: impl IntoIterator<Item = OsString>, token: Option<OsString>) -> Result<Self, Vec<String>> {
        use lexopt::Arg::{Long, Short};
        let mut parser = lexopt::Parser::from_args(arguments);
        let mut flags =
            Flags { values: HashMap::from(FLAGS.map(|(flag, value)| (flag, value.to_owned()))), ..Flags::default() };
        loop {
            match parser.next() {
                Ok(None) => break,
                Ok(Some(Short('h') | Long("help"))) => return Ok(Self::Help),
                Ok(Some(Long(name))) => {
                    let name = name.to_owned();
                    flags.take(&name, &mut parser);
                }
                Ok(Some(argument)) => flags.mistakes.push(argument.unexpected().to_string()),
                Err(error) => flags.mistakes.push(error.to_string()),
            }
        }
        let token = flags.token(token);
        flags.options(token).map(Self::Run).ok_or(flags.mistakes)
    }
}

/// The flags so far, and what is wrong with them.
#[derive(Default)]
struct Flags {
    values: HashMap<&'static str, String>,
    switches: HashSet<&'static str>,
    mistakes: Vec<String>,
}

impl Flags {
    fn take(&mut self, name: &str, parser: &mut lexopt::Parser) {
        if let Some(switch) = SWITCHES.into_iter().find(|switch| *switch == name) {
            self.switches.insert(switch);
            return;
        }
        let Some((flag, _)) = FLAGS.into_iter().find(|(flag, _)| *flag == name) else {
            self.mistakes.push(format!("--{name} is no flag of load: see deploylog load --help"));
            // Its value, if it has one, is nothing else.
            let _ = parser.optional_value();
            return;
        };
        match parser.value().map(OsString::into_string) {
            Ok(Ok(value)) => drop(self.values.insert(flag, value)),
            Ok(Err(_)) => self.mistakes.push(format!("--{flag} is not UTF-8")),
            Err(_) => self.mistakes.push(format!("--{flag} needs a value")),
        }
    }

    /// Reads every flag before it gives up on any.
    fn options(&mut self, token: Option<String>) -> Option<Options> {
        let target = self.target();
        let connections = self.number("connections", "a number from 1 to 10000", 1..=10_000);
        let rate = if self.value("rate").is_empty() {
            Some(None)
        } else {
            self.number("rate", "a number from 0.01 to 1000000", 0.01..=1e6).map(Some)
        };
        let duration = self.number("duration", "a number of seconds from 0.01 to 86400", 0.01..=86_400.0);
        let mix = [Mix::Record, Mix::Lifecycle, Mix::Read].into_iter().find(|mix| mix.name() == self.value("mix"));
        if mix.is_none() {
            self.mistakes.push(format!("--mix must be record, lifecycle or read, not {:?}", self.value("mix")));
        }
        let components = self.number("components", "a number from 1 to 1000000", 1..=1_000_000);
        let has = |switch| self.switches.contains(switch);
        let options = Options {
            target: target?,
            token,
            connections: connections?,
            rate: rate?,
            duration: Duration::from_secs_f64(duration?),
            mix: mix?,
            components: components?,
            delivery: match (has("retry"), has("keys")) {
                (true, _) => Delivery::Retried,
                (false, true) => Delivery::Keyed,
                (false, false) => Delivery::Once,
            },
            is_verifying: has("verify"),
            is_json: has("json"),
        };
        self.mistakes.is_empty().then_some(options)
    }

    fn value(&self, flag: &str) -> &str {
        self.values.get(flag).map_or("", String::as_str)
    }

    /// A variable that is set to nothing is not set. What it holds is never repeated.
    fn token(&mut self, variable: Option<OsString>) -> Option<String> {
        let variable = variable.filter(|value| !value.is_empty())?;
        let token = variable.into_string().ok().filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
        if token.is_none() {
            self.mistakes.push("DEPLOYLOG_TOKEN holds no token: it has something else than visible ASCII".to_owned());
        }
        token
    }

    fn target(&mut self) -> Option<Target> {
        let target = match self.value("url") {
            "" => Err("is missing: which service is meant?".to_owned()),
            url => Target::parse(url),
        };
        target.map_err(|reason| self.mistakes.push(format!("--url {reason}"))).ok()
    }

    fn number<T: FromStr + PartialOrd>(&mut self, flag: &str, wanted: &str, within: RangeInclusive<T>) -> Option<T> {
        let number = self.value(flag).parse().ok().filter(|number| within.contains(number));
        if number.is_none() {
            self.mistakes.push(format!("--{flag} must be {wanted}, not {:?}", self.value(flag)));
        }
        number
    }
}
