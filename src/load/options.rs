//! The command line of `deploylog load`. All errors are reported at once.

use std::{ffi::OsString, fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use lexopt::{
    Arg::{Long, Short},
    Parser,
};

use super::target::Target;

/// The text of `deploylog load --help`.
pub const HELP: &str = include_str!("help.txt");

/// The kind of requests to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Finished deploys.
    Record,
    /// A start, then its finish.
    Lifecycle,
    /// Reads of records that were recorded first.
    Read,
}

impl Mix {
    /// The value of the flag.
    pub fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Lifecycle => "lifecycle",
            Self::Read => "read",
        }
    }
}

/// The settings of a run.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "one for each flag without a value")]
pub struct Options {
    pub target: Target,
    pub token: Option<String>,
    pub connections: usize,
    /// Requests per second; `None` for a closed loop.
    pub rate: Option<f64>,
    pub duration: Duration,
    pub mix: Mix,
    pub components: u64,
    pub has_keys: bool,
    pub is_retrying: bool,
    pub is_verifying: bool,
    pub is_json: bool,
}

impl Options {
    /// Parses the arguments after `load` and the value of `DEPLOYLOG_TOKEN`. `Ok(None)` stands for `--help`. Fails with
    /// all errors.
    pub fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        token: Option<OsString>,
    ) -> Result<Option<Self>, Vec<String>> {
        let mut parser = Parser::from_args(arguments);
        let mut errors = Vec::new();
        let mut has_url = false;
        let mut options = Self {
            target: Target::default(),
            // An empty variable counts as unset.
            token: token.filter(|value| !value.is_empty()).map(|value| value.to_string_lossy().into_owned()),
            connections: 64,
            rate: None,
            duration: Duration::from_secs(10),
            mix: Mix::Record,
            components: 200,
            has_keys: false,
            is_retrying: false,
            is_verifying: false,
            is_json: false,
        };
        loop {
            match parser.next() {
                Ok(None) => break,
                Ok(Some(Short('h') | Long("help"))) => return Ok(None),
                Ok(Some(Long(flag))) => {
                    let flag = flag.to_owned();
                    has_url |= flag == "url";
                    let error = options.set(&flag, &mut parser).err();
                    errors.extend(error.map(|reason| format!("--{flag} {reason}")));
                }
                Ok(Some(argument)) => errors.push(argument.unexpected().to_string()),
                Err(error) => errors.push(error.to_string()),
            }
        }
        if !has_url {
            errors.push("--url is missing: add the URL of the service".to_owned());
        }
        if options.token.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            // The message does not repeat the value, because it can be a secret.
            errors.push("DEPLOYLOG_TOKEN is not a token: use visible ASCII characters only".to_owned());
        }
        if errors.is_empty() { Ok(Some(options)) } else { Err(errors) }
    }

    /// The error continues a sentence that begins with the flag.
    fn set(&mut self, flag: &str, parser: &mut Parser) -> Result<(), String> {
        match flag {
            "url" => self.target = Target::parse(&value(parser)?)?,
            "connections" => self.connections = number(parser, 1..=10_000)?,
            "rate" => self.rate = Some(number(parser, 0.01..=1e6)?),
            "duration" => self.duration = Duration::from_secs_f64(number(parser, 0.01..=86_400.0)?),
            "mix" => {
                let (name, mut mixes) = (value(parser)?, [Mix::Record, Mix::Lifecycle, Mix::Read].into_iter());
                let mix = mixes.find(|mix| mix.name() == name);
                self.mix = mix.ok_or_else(|| format!("must be record, lifecycle or read, not {name:?}"))?;
            }
            "components" => self.components = number(parser, 1..=1_000_000)?,
            "keys" => self.has_keys = true,
            "retry" => (self.has_keys, self.is_retrying) = (true, true),
            "verify" => self.is_verifying = true,
            "json" => self.is_json = true,
            _ => {
                // The value of an unknown flag is not a error of its own.
                let _ = parser.optional_value();
                return Err("is not a flag of load: see deploylog load --help".to_owned());
            }
        }
        Ok(())
    }
}

fn value(parser: &mut Parser) -> Result<String, String> {
    let value = parser.value().map_err(|_| "needs a value".to_owned())?;
    value.into_string().map_err(|_| "must be UTF-8".to_owned())
}

fn number<T: FromStr + PartialOrd + Display>(parser: &mut Parser, range: RangeInclusive<T>) -> Result<T, String> {
    let text = value(parser)?;
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("must be a number from {} to {}, not {text:?}", range.start(), range.end()))
}
