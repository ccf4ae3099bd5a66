//! The README's tour, word by word.

use std::process::Command;

use serde_json::Value;

use crate::harness::Service;

/// The fenced blocks of a section, with their language.
fn blocks(section: &str) -> Vec<(String, String)> {
    let readme = include_str!("../../README.md");
    let section = readme.split(section).nth(1).and_then(|rest| rest.split("\n## ").next()).expect("the section");
    let mut parts = section.split("```").skip(1);
    let mut blocks = Vec::new();
    while let (Some(block), Some(_)) = (parts.next(), parts.next()) {
        let (language, text) = block.split_once('\n').expect("a language");
        blocks.push((language.to_owned(), text.to_owned()));
    }
    blocks
}

/// With what differs from run to run made the same: times and durations.
fn without_times(text: &str) -> Value {
    fn level(value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(level),
            Value::Object(fields) => {
                for (name, value) in fields {
                    if name.ends_with("_at") || name == "duration_seconds" {
                        *value = name.as_str().into();
                    } else {
                        level(value);
                    }
                }
            }
            _ => {}
        }
    }
    let mut value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    level(&mut value);
    value
}

#[test]
fn the_tour_works_word_by_word_and_answers_what_the_readme_shows() {
    let service = Service::start();
    let tour = blocks("\n## A tour\n");
    assert!(tour.len() > 10);
    for (index, (language, command)) in tour.iter().enumerate() {
        if language != "sh" {
            continue;
        }
        let here = command.replace("127.0.0.1:5000", &service.address.to_string());
        let output = Command::new("sh").args(["-c", &here.replace("curl ", "curl -sS ")]).output().unwrap();
        assert!(output.status.success(), "{command}{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        match tour.get(index + 1) {
            Some((language, shown)) if language == "json" => {
                assert_eq!(without_times(&said), without_times(shown), "{command}");
            }
            _ => assert!(!said.contains("\"status\":4"), "{command}{said}"),
        }
    }
}

#[test]
fn every_setting_and_command_of_the_help_is_in_the_readme() {
    let readme = include_str!("../../README.md");
    let words = deploylog::config::HELP.split(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c));
    let settings: Vec<_> =
        words.filter(|word| word.starts_with("--") && word.len() > 2 || word.starts_with("DEPLOYLOG_")).collect();
    assert!(settings.len() > 20);
    for setting in settings.into_iter().filter(|word| !["--help", "--version"].contains(word)) {
        assert!(readme.contains(setting), "{setting}");
    }
}
