//! What the fuzzers once found worth keeping, tried again without them.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

#[path = "targets/json.rs"]
mod json;
#[path = "targets/keys.rs"]
mod keys;
#[path = "targets/ndjson.rs"]
mod ndjson;
#[path = "targets/settings.rs"]
mod settings;
#[path = "targets/target.rs"]
mod target;
#[path = "targets/words.rs"]
mod words;

/// Tries every file of a corpus.
fn replay(name: &str, target: fn(&[u8])) {
    let corpus = format!("{}/tests/fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in std::fs::read_dir(&corpus).unwrap() {
        let path = entry.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        assert!(std::panic::catch_unwind(|| target(&data)).is_ok(), "{} fails: see above", path.display());
        count += 1;
    }
    assert!(count > 20, "{corpus} has {count} files");
}

#[test]
fn a_target_line_is_read_only_as_it_would_be_written() {
    replay("target", target::target);
}

#[test]
fn a_record_that_is_accepted_is_answered_so_that_it_can_be_sent_again() {
    replay("json", json::target);
}

#[test]
fn a_line_by_itself_is_what_it_is_among_others() {
    replay("ndjson", ndjson::target);
}

#[test]
fn a_time_that_is_read_is_written_so_that_it_is_read_as_the_same() {
    replay("words", words::target);
}

#[test]
fn a_key_and_a_tag_are_what_they_are_and_nothing_near_them() {
    replay("keys", keys::target);
}

#[test]
fn settings_are_within_their_bounds_and_a_password_is_never_told() {
    replay("settings", settings::target);
}
