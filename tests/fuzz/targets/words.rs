//! Times and status words.

use chrono::Datelike as _;
use deploylog::domain::record::{Phase, format_time, parse_time};

/// `data` is a time or a status word.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(time) = parse_time(text) {
        assert!((0..=9999).contains(&time.year()), "{time}");
        assert_eq!(time.timestamp_subsec_nanos() % 1_000, 0);
        let written = format_time(time);
        assert!(written.len() == 27 && written.ends_with('Z'), "{written}");
        assert_eq!(parse_time(&written), Some(time));
        assert_eq!(parse_time(&text.to_ascii_lowercase()), Some(time));
    }
    let phase = Phase::of_status(text);
    assert_eq!(Phase::of_status(&text.to_uppercase().to_lowercase()), Phase::of_status(&text.to_lowercase()));
    assert_eq!(Phase::of_status(&text.to_ascii_uppercase()), phase);
    assert_eq!(Phase::of_status(&text.replace(['-', '_', ' '], "")), phase);
    assert_eq!(Phase::of_status(&text.chars().flat_map(|c| [c, '-']).collect::<String>()), phase);
    assert!(phase.is_clock() || phase == Phase::Noted || phase == Phase::Skipped);
    if let Some(named) = Phase::named(text) {
        assert_eq!((named.name(), phase), (text, named));
    }
}
