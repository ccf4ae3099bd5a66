//! Runs every fuzz target on its committed corpus, without a fuzzer.

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

/// Runs a target on every file of a corpus.
fn replay(name: &str, target: fn(&[u8])) {
    let corpus = format!("{}/tests/fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in std::fs::read_dir(&corpus).unwrap() {
        let path = entry.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        assert!(std::panic::catch_unwind(|| target(&data)).is_ok(), "{} fails: see the panic above", path.display());
        count += 1;
    }
    assert!(count > 20, "{corpus} has {count} files");
}

#[test]
fn routes_parameters_and_cursors_round_trip() {
    replay("target", target::target);
}

#[test]
fn an_accepted_record_is_valid_and_can_be_sent_back() {
    replay("json", json::target);
}

#[test]
fn each_ndjson_line_is_parsed_independently_of_the_others() {
    replay("ndjson", ndjson::target);
}

#[test]
fn times_round_trip_and_status_words_ignore_case_and_separators() {
    replay("words", words::target);
}

#[test]
fn keys_tags_media_types_and_tokens_match_exactly() {
    replay("keys", keys::target);
}

#[test]
fn settings_stay_within_their_limits_and_passwords_are_never_printed() {
    replay("settings", settings::target);
}
