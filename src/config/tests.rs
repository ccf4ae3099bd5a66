use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, path::Path, time::Duration};

use super::{Database, Invocation};

fn read(arguments: &[&str], environment: &[(&str, &str)], is_root: bool) -> Result<Invocation, Vec<String>> {
    let variable = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).into());
    Invocation::read(arguments.iter().map(Into::into), variable, || is_root)
}

fn data_dir(environment: &[(&str, &str)], is_root: bool) -> String {
    let Ok(Invocation::Serve(config)) = read(&[], environment, is_root) else { panic!("no config") };
    let Database::Embedded(dir) = config.database else { panic!("not embedded") };
    dir.to_string_lossy().into_owned()
}

#[test]
fn with_nothing_set_it_serves_its_own_database_on_loopback() {
    let Ok(Invocation::Serve(config)) = read(&[], &[], true) else { panic!("no config") };
    assert_eq!(config.listen.to_string(), "127.0.0.1:5000");
    assert!(matches!(&config.database, Database::Embedded(dir) if dir == Path::new("/var/lib/deploylog")));
    assert_eq!(config.keep_days, None, "everything is kept");
}

#[test]
fn the_data_directory_is_the_named_one_else_the_users() {
    let home = ("HOME", "/home/ann");
    assert_eq!(data_dir(&[home], true), "/var/lib/deploylog");
    assert_eq!(data_dir(&[home], false), "/home/ann/.local/share/deploylog");
    assert_eq!(data_dir(&[home, ("XDG_DATA_HOME", "/data")], false), "/data/deploylog");
    assert_eq!(data_dir(&[home, ("DEPLOYLOG_DATA_DIR", "/srv/x")], true), "/srv/x");
}

#[test]
fn a_flag_wins_over_its_variable() {
    let Ok(Invocation::Serve(config)) =
        read(&["--pool-timeout=0.5", "--listen", "[::1]:80"], &[("DEPLOYLOG_POOL_TIMEOUT", "7")], true)
    else {
        panic!("no config")
    };
    assert_eq!((config.pool.wait, config.listen.to_string()), (Duration::from_millis(500), "[::1]:80".to_owned()));
}

#[test]
fn what_one_address_and_readers_of_events_may_take_leaves_some_for_others() {
    let limits = |arguments: &[&str]| match read(arguments, &[], true) {
        Ok(Invocation::Serve(config)) => (config.limits.connections_per_address, config.limits.event_readers),
        other => panic!("{other:?}"),
    };
    assert_eq!(limits(&[]), (9_000, 8_000));
    assert_eq!(limits(&["--max-connections=2"]), (2, 1));
    assert_eq!(limits(&["--max-connections-per-address=50", "--max-event-readers=70"]), (50, 70));
    assert_eq!(read(&["--max-connections=0"], &[], true).unwrap_err().len(), 1);
}

#[test]
fn every_mistake_is_reported_at_once() {
    let environment = [
        ("DEPLOYLOG_LISTEN", "here"),
        ("DEPLOYLOG_LOG_LEVEL", "loud"),
        ("DATABASE_URL", "postgres://"),
        ("DEPLOYLOG_KEEP_DAYS", "0"),
    ];
    let mistakes = read(&["--pool-size", "1", "--colour=red", "repair"], &environment, true).unwrap_err();
    let all = mistakes.join("\n");
    for named in [
        "DEPLOYLOG_LISTEN",
        "DEPLOYLOG_LOG_LEVEL",
        "DATABASE_URL",
        "DEPLOYLOG_KEEP_DAYS",
        "--pool-size",
        "--colour",
        "repair",
    ] {
        assert!(all.contains(named), "{named} is not in:\n{all}");
    }
    assert_eq!(mistakes.len(), 7);
}

#[test]
fn a_database_is_shown_without_its_password() {
    let environment = [("DATABASE_URL", "postgres://ann:s3cret@a:1,b:2/log?target_session_attrs=read-write")];
    let Ok(Invocation::Migrate(config)) = read(&["migrate"], &environment, true) else { panic!("no config") };
    assert_eq!(config.database.to_string(), "the database log at a:1, b:2");
}

#[test]
fn a_secret_is_read_from_its_file_without_the_last_line_end() {
    let path = std::env::temp_dir().join(format!("deploylog-secret-{}", std::process::id()));
    std::fs::write(&path, "host=a user=ann password=s3cret\n").unwrap();
    let file = path.to_str().unwrap();
    let Ok(Invocation::Serve(config)) = read(&[], &[("DATABASE_URL_FILE", file)], true) else { panic!("no config") };
    let both = read(&[], &[("DATABASE_URL_FILE", file), ("DATABASE_URL", "host=b")], true).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(config.database.to_string(), "the database ann at a:5432");
    assert_eq!(both, ["DATABASE_URL and DATABASE_URL_FILE are both set"]);
}

#[test]
fn what_cannot_be_meant_does_not_fall_back_to_another_database() {
    let path = std::env::temp_dir().join(format!("deploylog-empty-{}", std::process::id()));
    std::fs::write(&path, "\n").unwrap();
    let file = path.to_str().unwrap();
    let empty = read(&[], &[("DATABASE_URL_FILE", file)], true).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(empty, [format!("DATABASE_URL_FILE is empty: {file}")]);
    let not_utf8 = |name: &str| (name == "DATABASE_URL").then(|| OsString::from_vec(vec![0xff]));
    assert_eq!(Invocation::read([], not_utf8, || true).unwrap_err(), ["DATABASE_URL is not UTF-8"]);
}

#[test]
fn the_healthcheck_needs_to_know_only_where_the_service_listens() {
    let Ok(Invocation::Healthcheck(listen)) = read(&["healthcheck"], &[("DATABASE_URL", "nonsense")], false) else {
        panic!("not understood")
    };
    assert_eq!(listen.to_string(), "127.0.0.1:5000");
}

#[test]
fn a_backup_and_a_restore_take_one_file() {
    let Ok(Invocation::Backup(_, file)) = read(&["backup", "--log-level=off", "out.backup"], &[], true) else {
        panic!("not understood")
    };
    assert_eq!(file, "out.backup");
    assert!(matches!(read(&["restore", "-"], &[], true), Ok(Invocation::Restore(_, file)) if file == "-"));
    for wrong in [&["backup"][..], &["restore", "a", "b"]] {
        let mistakes = read(wrong, &[], true).unwrap_err();
        assert_eq!(mistakes, [format!("{} takes the name of one file, or -", wrong[0])]);
    }
}
