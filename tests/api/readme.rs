//! The manual: every `curl` in it works from top to bottom and returns what the document shows, every link and path
//! leads somewhere, and every setting and command is described.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::harness::{Database, PROGRAM, Service, TempDirectory};

const ADDRESS: &str = "127.0.0.1:5000";
/// A service learns of a new or revoked token within this time.
const TOKEN_DELAY_SECONDS: u32 = 5;

/// The documents of the manual, by path from the repository's root.
fn documents() -> Vec<String> {
    let mut paths: Vec<String> = fs::read_dir("docs")
        .unwrap()
        .map(|entry| entry.unwrap().path().to_str().unwrap().to_owned())
        .filter(|path| Path::new(path).extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.extend(["README.md", "SECURITY.md", "tests/load/README.md"].map(str::to_owned));
    paths.sort();
    paths
}

/// Fenced blocks, each with its language, and the text outside of them.
fn split(document: &str) -> (Vec<(String, String)>, String) {
    let (mut blocks, mut prose) = (Vec::new(), String::new());
    let mut block: Option<(String, String)> = None;
    for line in document.lines() {
        match (&mut block, line.strip_prefix("```")) {
            (None, Some(language)) => block = Some((language.to_owned(), String::new())),
            (None, None) => prose.extend([line, "\n"]),
            (Some(_), Some(_)) => blocks.extend(block.take()),
            (Some((_, text)), None) => text.extend([line, "\n"]),
        }
    }
    assert!(block.is_none(), "a fenced block has no end");
    (blocks, prose)
}

/// Whether a block of shell commands can run against a service that a test started.
fn is_runnable(language: &str, text: &str) -> bool {
    language == "sh" && (text.contains("curl ") && text.contains(ADDRESS) || text.contains("deploylog token "))
}

/// Runs a document's commands in one shell, so that later blocks see the variables of earlier ones. Returns the output
/// of each block by its index.
fn run_all(blocks: &[(String, String)]) -> HashMap<usize, String> {
    let database = Database::new();
    let service = Service::with_database(&database);
    let directory = TempDirectory::new();
    let program = std::env::var_os("DEPLOYLOG_BIN").map_or_else(|| PathBuf::from(PROGRAM), PathBuf::from);
    symlink(fs::canonicalize(program).unwrap(), directory.path().join("deploylog")).unwrap();
    let mut script = String::from("set -e\n");
    let mut runnable = Vec::new();
    for (index, (language, text)) in blocks.iter().enumerate() {
        if is_runnable(language, text) {
            let commands = text.replace(ADDRESS, &service.address.to_string()).replace("curl ", "curl -sS ");
            let _ = writeln!(script, "{{ {commands}\n}} > {}/{index}", directory.as_str());
            if text.contains("deploylog token create") {
                let _ = writeln!(script, "sleep {TOKEN_DELAY_SECONDS}");
            }
            runnable.push(index);
        }
    }
    let path = format!("{}:{}", directory.as_str(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &script])
        .envs([("DATABASE_URL", database.url().as_str()), ("PATH", &path), ("DEPLOYLOG_LOG_LEVEL", "error")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let outputs: HashMap<_, _> = runnable
        .iter()
        .filter_map(|index| Some((*index, fs::read_to_string(directory.path().join(index.to_string())).ok()?)))
        .collect();
    let last = outputs.keys().max().map(|index| &blocks[*index].1);
    assert!(output.status.success(), "{last:?}: {output:?}");
    assert_eq!(outputs.len(), runnable.len());
    outputs
}

/// A time that the service stamped during this run, or that the document derived from today's date.
fn is_recent(value: &Value) -> bool {
    let time = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    time.is_some_and(|time| (Utc::now() - time.to_utc()).abs() < TimeDelta::days(10))
}

/// Fails unless a document shows what was returned. Times and durations of this run may differ from those shown, and so
/// may the time of a document that was written on another day.
fn compare(shown: &Value, actual: &Value, place: &str) {
    match (shown, actual) {
        (Value::Array(shown), Value::Array(actual)) => {
            assert_eq!(shown.len(), actual.len(), "the length of {place}: {actual:?}");
            for (index, (shown, actual)) in shown.iter().zip(actual).enumerate() {
                compare(shown, actual, &format!("{place}[{index}]"));
            }
        }
        (Value::Object(shown), Value::Object(actual)) => {
            let names = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(shown), names(actual), "the fields of {place}: {actual:?}");
            let is_of_this_run = actual.get("finished_at").is_some_and(is_recent);
            for (name, shown) in shown {
                let actual = &actual[name];
                match name.as_str() {
                    "age_seconds" => assert!(actual.is_number()),
                    "duration_seconds" if is_of_this_run => assert!(shown.is_number() && actual.is_number()),
                    _ => compare(shown, actual, &format!("{place}.{name}")),
                }
            }
        }
        (Value::String(shown), Value::String(text)) if is_recent(actual) => {
            assert!(DateTime::parse_from_rfc3339(shown).is_ok(), "{place} is {text}, not {shown}");
        }
        _ => assert_eq!(shown, actual, "{place}"),
    }
}

/// Runs a document's commands and compares their output with the block after each.
fn check_commands(path: &str) {
    let (blocks, prose) = split(&fs::read_to_string(path).unwrap());
    assert!(!prose.contains("curl http"), "{path}: a command outside of a block is not tested");
    for (language, text) in &blocks {
        let is_tested = is_runnable(language, text) || !(text.contains("curl ") && text.contains(ADDRESS));
        assert!(is_tested, "{path}: a command in a block that is not `sh` is not tested: {text}");
    }
    for (index, output) in run_all(&blocks) {
        let command = &blocks[index].1;
        let shown = blocks.get(index + 1).map(|(language, text)| (language.as_str(), text.as_str()));
        match shown {
            Some(("json", shown)) => {
                // A block of several commands has several values.
                let parse = |text: &str| {
                    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
                    Value::Array(values.unwrap_or_else(|error| panic!("{path}: {command}{error}: {text}")))
                };
                compare(&parse(shown), &parse(&output), &format!("{path}: {command}"));
            }
            Some(("text", shown)) => assert_eq!(shown, output, "{path}: {command}"),
            _ => assert!(!output.contains("\"status\":4"), "{path}: {command}{output}"),
        }
    }
}

#[test]
fn every_curl_of_the_manual_works_and_returns_what_the_manual_shows() {
    std::thread::scope(|scope| {
        for path in documents() {
            scope.spawn(move || check_commands(&path));
        }
    });
}

/// What GitHub calls a heading's anchor.
fn anchors(document: &str) -> Vec<String> {
    let headings = split(document).1;
    let headings = headings.lines().filter_map(|line| line.strip_prefix('#')).map(|line| line.trim_start_matches('#'));
    let anchor = |heading: &str| -> String {
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    headings.map(anchor).collect()
}

/// The text of all source files.
fn source(directory: &Path) -> String {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let texts = entries.map(|path| match path.extension() {
        Some(extension) if extension == "rs" => fs::read_to_string(&path).unwrap(),
        _ if path.is_dir() => source(&path),
        _ => String::new(),
    });
    texts.collect()
}

#[test]
fn every_link_path_and_function_in_the_manual_exists() {
    let source = source(Path::new("src"));
    for path in documents() {
        let document = fs::read_to_string(&path).unwrap();
        let folder = Path::new(&path).parent().unwrap();
        let links = document.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        for link in links.filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { PathBuf::from(&path) } else { folder.join(file) };
            assert!(target.exists(), "{path}: {link}");
            if !anchor.is_empty() {
                let headings = anchors(&fs::read_to_string(target).unwrap());
                assert!(headings.iter().any(|known| known == anchor), "{path}: {link} is none of {headings:?}");
            }
        }
        for name in document.split('`').filter(|code| code.contains("::") && !code.contains(char::is_whitespace)) {
            let (_, function) = name.split_once("::").unwrap();
            assert!(source.contains(&format!("fn {function}")), "{path}: there is no {name}");
        }
        // Paths in code, as `src/store.rs` or `tests/load/run --history`.
        let words = document.split(|c: char| c.is_whitespace() || "`()[],;\"'".contains(c));
        let folders = ["src/", "sql/", "tests/", "ci/", "docs/", "packaging/"];
        for word in words.filter(|word| folders.iter().any(|folder| word.starts_with(folder))) {
            let file = word.split('#').next().unwrap().trim_end_matches(['.', ':']);
            assert!(Path::new(file).exists(), "{path}: there is no {word}");
        }
    }
}

#[test]
fn every_setting_and_command_of_the_help_is_in_the_manual() {
    let manual: String = documents().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let help = deploylog::config::HELP;
    let words = help.split(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c));
    let settings: Vec<_> =
        words.filter(|word| word.starts_with("--") && word.len() > 2 || word.starts_with("DEPLOYLOG_")).collect();
    assert!(settings.len() > 20);
    for setting in settings.into_iter().filter(|word| !["--help", "--version"].contains(word)) {
        assert!(manual.contains(setting), "{setting}");
    }
    let commands = help.split("\ncommands\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("commands");
    for line in commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let command = line.split_whitespace().next().unwrap();
        assert!(manual.contains(&format!("deploylog {command}")), "deploylog {command}");
    }
}

#[test]
fn the_readme_has_at_most_250_lines() {
    assert!(fs::read_to_string("README.md").unwrap().lines().count() <= 250);
}
