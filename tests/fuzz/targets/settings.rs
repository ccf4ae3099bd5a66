//! The command line and the environment.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    time::Duration,
};

use deploylog::config::{Command, Config, Database, Invocation};

const SECRET: &str = "Zs3cretZ";

/// Each line of `data` is an argument or a variable (`NAME=value`).
pub fn target(data: &[u8]) {
    let words: Vec<OsString> =
        data.split(|byte| *byte == b'\n').map(|word| OsStr::from_bytes(word).to_owned()).collect();
    let is_variable = |word: &&OsString| {
        ["DEPLOYLOG_", "DATABASE_URL=", "HOME=", "XDG_"].iter().any(|name| word.as_bytes().starts_with(name.as_bytes()))
    };
    let arguments = words.iter().filter(|word| !is_variable(word)).cloned();
    let environment = |name: &str| {
        let found = words
            .iter()
            .filter(is_variable)
            .find_map(|word| word.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        // A variable with a file name could name any file, even an endless one.
        found.filter(|_| !name.ends_with("_FILE")).map(|value| OsStr::from_bytes(value).to_owned())
    };
    match Invocation::read(arguments, environment, || false) {
        Ok(Invocation::Run(command, config)) => {
            check(&config);
            if let Command::Backup(file) | Command::Restore(file) = command {
                assert!(words.iter().any(|word| *word == *file));
            }
        }
        Ok(_) => {}
        Err(errors) => assert!(!errors.is_empty() && errors.iter().all(|error| !error.is_empty())),
    }
    if let Ok(text) = std::str::from_utf8(data) {
        secret(text);
    }
}

fn check(config: &Config) {
    assert!((3..=1_000).contains(&config.pool.size));
    assert!((1..=1_000_000).contains(&config.limits.connections));
    assert!(config.limits.event_subscribers <= 1_000_000 && config.limits.connections_per_address <= 1_000_000);
    let times = [config.pool.wait, config.pool.connect, config.pool.statement];
    for time in times.into_iter().chain([config.limits.header, config.limits.body, config.limits.write]) {
        assert!((Duration::from_millis(10)..=Duration::from_secs(86_400)).contains(&time), "{time:?}");
    }
    match &config.database {
        Database::External(database) => assert!(!database.config.get_hosts().is_empty()),
        Database::Embedded(directory) => assert!(!directory.as_os_str().is_empty()),
    }
    assert!(!config.database.to_string().is_empty());
}

/// A password never appears in output, whatever text surrounds it.
fn secret(text: &str) {
    for url in [
        format!("postgres://u:{SECRET}@{text}"),
        format!("postgres://{text}:{SECRET}@h/d"),
        format!("password={SECRET} {text}"),
        format!("{text} password='{SECRET}'"),
    ] {
        let environment = |name: &str| (name == "DATABASE_URL").then(|| url.clone().into());
        let output = match Invocation::read([], environment, || false) {
            Ok(Invocation::Run(_, config)) => match config.database {
                Database::External(database) if database.config.get_password() == Some(SECRET.as_bytes()) => {
                    Database::External(database).to_string()
                }
                _ => continue,
            },
            Ok(_) => continue,
            Err(errors) => errors.join("\n"),
        };
        // With separators in the text, the secret may not be parsed as the password.
        let is_password = !text.contains(SECRET) && !text.contains(['\'', '\\', '?', '&', '=', '/', '@']);
        assert!(!is_password || !output.contains(SECRET), "{output}");
    }
}
