//! The corpus as it is written: `tests/corpus/README.md` says how.

use std::{fs, path::Path};

/// What is done, or must come.
#[derive(Debug)]
pub enum Step {
    /// These bytes are sent, their placeholders filled in.
    Send(Vec<u8>),
    /// The client says no more.
    HalfClose,
    /// An answer comes.
    Response(Expected),
    /// Another request is answered on the connection.
    Open,
    /// The service closes it.
    Closed,
}

/// What an answer must be.
#[derive(Debug)]
pub struct Expected {
    pub status: u16,
    /// To HEAD: without a body.
    pub is_head: bool,
    /// Headers, each with its value; those without one must not be there.
    pub headers: Vec<(String, Option<String>)>,
}

/// A connection, from its first byte to its last answer.
pub struct Entry {
    /// File and line, and what it shows.
    pub name: String,
    pub steps: Vec<Step>,
}

impl Entry {
    /// All there are, by file.
    pub fn all() -> Vec<Self> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
        let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
        let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|name| name == "txt")).collect();
        files.sort();
        files.iter().flat_map(|file| read(file)).collect()
    }
}

fn read(file: &Path) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let file_name = file.file_name().unwrap().to_str().unwrap();
    for (index, line) in fs::read_to_string(file).unwrap().lines().enumerate() {
        let place = format!("{file_name}:{}", index + 1);
        if let Some(name) = line.strip_prefix("## ") {
            entries.push(Entry { name: format!("{place} {name}"), steps: Vec::new() });
        } else if !line.is_empty() && !line.starts_with('#') {
            let entry = entries.last_mut().unwrap_or_else(|| panic!("{place}: before the first entry"));
            step(&mut entry.steps, line).unwrap_or_else(|| panic!("{place}: {line}"));
        }
    }
    for Entry { name, steps } in &entries {
        let ends = |step: &Step| matches!(step, Step::Open | Step::Closed);
        assert!(
            steps.iter().filter(|step| ends(step)).count() == 1 && ends(steps.last().unwrap()),
            "{name} has no end"
        );
    }
    entries
}

fn step(steps: &mut Vec<Step>, line: &str) -> Option<()> {
    if line == ">" {
        send(steps, b"\r\n");
    } else if let Some(text) = line.strip_prefix("> ") {
        send(steps, &[&bytes(text)?[..], b"\r\n"].concat());
    } else if let Some(text) = line.strip_prefix(">> ") {
        send(steps, &bytes(text)?);
    } else if let Some(header) = line.strip_prefix("<: ") {
        let Some(Step::Response(expected)) = steps.last_mut() else { return None };
        expected.headers.push(match header.strip_prefix('-') {
            Some(name) => (name.to_owned(), None),
            None => header.split_once(": ").map(|(name, value)| (name.to_owned(), Some(value.to_owned())))?,
        });
    } else if let Some(response) = line.strip_prefix("< ") {
        let status = response.trim_end_matches(" HEAD");
        let is_head = status != response;
        steps.push(Step::Response(Expected { status: status.parse().ok()?, is_head, headers: Vec::new() }));
    } else {
        steps.push(match line {
            "half-close" => Step::HalfClose,
            "open" => Step::Open,
            "closed" => Step::Closed,
            _ => return None,
        });
    }
    Some(())
}

fn send(steps: &mut Vec<Step>, bytes: &[u8]) {
    match steps.last_mut() {
        Some(Step::Send(sent)) => sent.extend_from_slice(bytes),
        _ => steps.push(Step::Send(bytes.to_vec())),
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('\\');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    while let Some(part) = parts.next() {
        let (byte, length) = match part.bytes().next() {
            Some(b'r') => (b'\r', 1),
            Some(b'n') => (b'\n', 1),
            Some(b't') => (b'\t', 1),
            Some(b'0') => (0, 1),
            Some(b'x') => (u8::from_str_radix(part.get(1..3)?, 16).ok()?, 3),
            Some(_) => return None,
            // A backslash: what follows the second one stands as it is.
            None => {
                bytes.push(b'\\');
                bytes.extend_from_slice(parts.next()?.as_bytes());
                continue;
            }
        };
        bytes.push(byte);
        bytes.extend_from_slice(&part.as_bytes()[length..]);
    }
    Some(bytes)
}
