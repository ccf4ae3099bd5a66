//! Status words and their phases.

use serde_json::json;

use crate::harness::{Service, deployed_with};

const WORDS: [(&str, &str); 7] = [
    (
        "started",
        "start, started, starting, begin, begun, running, in_progress, inprogress, executing, deploying, rolling_out",
    ),
    ("succeeded", "success, succeeded, successful, ok, pass, passed, deployed, live, unstable"),
    ("failed", "fail, failed, failure, error, errored, broken, timeout, timed_out, rollback_failed"),
    ("aborted", "abort, aborted, cancel, canceled, cancelled, interrupted, killed, stopped, superseded, rejected"),
    ("finished", "finished, done, complete, completed, ended"),
    ("skipped", "skip, skipped, not_built, not_executed, no_op"),
    ("noted", "queued, pending, waiting, rolled_back"),
];

/// Imports a record with each word and checks its phase.
fn assert_phases(words: &[(String, &str)]) {
    let service = Service::start();
    let lines: Vec<_> = words.iter().map(|(word, _)| deployed_with(&json!({ "status": word }))).collect();
    service.import(&lines.join("\n")).expect(201);
    let records = service.all_records();
    assert_eq!(records.len(), words.len());
    for (record, (word, phase)) in records.iter().zip(words) {
        assert_eq!((&record["status"], &record["phase"]), (&json!(word), &json!(phase)));
    }
}

#[test]
fn every_known_status_word_has_its_phase_and_is_stored_as_sent() {
    let words = WORDS.iter().flat_map(|(phase, words)| words.split(", ").map(|word| (word.to_owned(), *phase)));
    assert_phases(&words.collect::<Vec<_>>());
}

#[test]
fn case_hyphens_underscores_and_spaces_do_not_matter() {
    let mut spelled = Vec::new();
    for (phase, words) in WORDS {
        for word in words.split(", ") {
            let (first, rest) = word.split_at(1);
            spelled.push((word.to_uppercase(), phase));
            spelled.push((word.replace('_', "-"), phase));
            spelled.push((word.replace('_', " "), phase));
            spelled.push((word.replace('_', ""), phase));
            spelled.push((format!("-{}_ {}- ", first.to_uppercase(), rest), phase));
        }
    }
    assert_phases(&spelled);
}

#[test]
fn an_unknown_status_word_is_accepted_and_noted() {
    let words =
        ["approved", "deployed!", "deployed.", "de.ployed", "not deployed", "restarted", "0", "-", "完了", "ОК"];
    assert_phases(&words.map(|word| (word.to_owned(), "noted")));
}
