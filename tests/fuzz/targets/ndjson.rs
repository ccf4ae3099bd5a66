//! The lines of an NDJSON body and their errors.

use deploylog::{
    domain::record::{Draft, NewRecord, Origin},
    error::Error,
    handlers::records::read_lines,
};

/// `data` is a body.
pub fn target(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let is_blank = |line: &[u8]| line.iter().all(u8::is_ascii_whitespace);
    match read_lines(data) {
        Ok((numbers, deliveries)) => {
            assert_eq!(numbers.len(), deliveries.len());
            assert_eq!(numbers.len(), lines.iter().filter(|line| !is_blank(line)).count());
            assert!(numbers.is_sorted_by(|a, b| a < b));
            for (number, delivery) in numbers.into_iter().zip(deliveries) {
                // A single line parses to the same record as within the body.
                let mut draft = Draft::parse(lines[number - 1], Origin::Line).unwrap();
                assert_eq!(draft.idempotency_key.take(), delivery.key);
                let alone = NewRecord::from_draft(draft, chrono::Utc::now()).unwrap();
                assert_eq!(alone, delivery.record);
            }
        }
        Err(Error::Fields(errors)) => {
            assert!((1..=100).contains(&errors.len()));
            for wrong in errors {
                let line = lines[wrong.line.unwrap() - 1];
                assert!(!is_blank(line));
                assert!(!wrong.reason.is_empty());
                assert!(read_lines(line).is_err(), "{wrong:?}");
            }
        }
        Err(Error::Malformed(_)) => assert!(lines.iter().all(|line| is_blank(line))),
        Err(Error::TooLarge(_)) => assert!(lines.len() > 10_000),
        Err(other) => panic!("{other:?}"),
    }
}
