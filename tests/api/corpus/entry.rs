//! Parses the corpus; `tests/corpus/README.md` describes its format.

use std::{fs, path::Path};

#[derive(Debug)]
pub enum Step {
    /// Send these bytes, after filling in the placeholders.
    Send(Vec<u8>),
    /// Close the sending side.
    HalfClose,
    /// Read a response.
    Response(Expected),
    /// Send another request on the connection, which must succeed.
    Open,
    /// The service must close the connection.
    Closed,
}

/// A response that an entry expects.
#[derive(Debug)]
pub struct Expected {
    pub status: u16,
    /// A response to HEAD, without a body.
    pub is_head: bool,
    /// Headers with their values; those without a value must be absent.
    pub headers: Vec<(String, Option<String>)>,
}

/// The exchange on one connection.
pub struct Entry {
    /// File, line and title.
    pub name: String,
    pub steps: Vec<Step>,
}

impl Entry {
    /// All entries, sorted by file.
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
        let location = format!("{file_name}:{}", index + 1);
        if let Some(name) = line.strip_prefix("## ") {
            entries.push(Entry { name: format!("{location} {name}"), steps: Vec::new() });
        } else if !line.is_empty() && !line.starts_with('#') {
            let entry = entries.last_mut().unwrap_or_else(|| panic!("{location}: before the first entry"));
            step(&mut entry.steps, line).unwrap_or_else(|| panic!("{location}: {line}"));
        }
    }
    for Entry { name, steps } in &entries {
        let is_end = |step: &Step| matches!(step, Step::Open | Step::Closed);
        assert!(
            steps.iter().filter(|step| is_end(step)).count() == 1 && is_end(steps.last().unwrap()),
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
            // An escaped backslash: the part after it has no escape at its start.
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
