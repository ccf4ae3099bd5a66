use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, path::Path, time::Duration};

use super::{Command, Config, Database, Invocation};

fn read(arguments: &[&str], environment: &[(&str, &str)], is_root: bool) -> Result<Invocation, Vec<String>> {
    let variable = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).into());
    Invocation::read(arguments.iter().map(Into::into), variable, || is_root)
}

#[track_caller]
fn config(arguments: &[&str], environment: &[(&str, &str)], is_root: bool) -> Config {
    match read(arguments, environment, is_root) {
        Ok(Invocation::Run(_, config)) => *config,
        other => panic!("{other:?}"),
    }
}

#[test]
fn by_default_it_serves_a_private_database_on_loopback() {
    assert!(matches!(read(&[], &[], true), Ok(Invocation::Run(Command::Serve, _))));
    let config = config(&[], &[], true);
    assert_eq!(config.listen.to_string(), "127.0.0.1:5000");
    assert!(matches!(&config.database, Database::Embedded(dir) if dir == Path::new("/var/lib/deploylog")));
    assert_eq!(config.keep_days, None, "records are kept indefinitely");
}

#[test]
fn the_default_data_directory_depends_on_the_user() {
    let data_dir = |environment: &[(&str, &str)], is_root| {
        let Database::Embedded(dir) = config(&[], environment, is_root).database else { panic!("not embedded") };
        dir.to_string_lossy().into_owned()
    };
    let home = ("HOME", "/home/ann");
    assert_eq!(data_dir(&[home], true), "/var/lib/deploylog");
    assert_eq!(data_dir(&[home], false), "/home/ann/.local/share/deploylog");
    assert_eq!(data_dir(&[home, ("XDG_DATA_HOME", "/data")], false), "/data/deploylog");
    assert_eq!(data_dir(&[home, ("DEPLOYLOG_DATA_DIR", "/srv/x")], true), "/srv/x");
    assert_eq!(read(&[], &[], false).unwrap_err(), ["DEPLOYLOG_DATA_DIR must be set if HOME is not set"]);
}

#[test]
fn a_flag_overrides_its_variable() {
    let config = config(&["--pool-timeout=0.5", "--listen", "[::1]:80"], &[("DEPLOYLOG_POOL_TIMEOUT", "7")], true);
    assert_eq!((config.pool.wait, config.listen.to_string()), (Duration::from_millis(500), "[::1]:80".to_owned()));
}

#[test]
fn one_address_and_event_subscribers_leave_connections_for_others() {
    let limits = |arguments: &[&str]| {
        let limits = config(arguments, &[], true).limits;
        (limits.connections_per_address, limits.event_subscribers)
    };
    assert_eq!(limits(&[]), (9_000, 8_000));
    assert_eq!(limits(&["--max-connections=2"]), (2, 1));
    assert_eq!(limits(&["--max-connections-per-address=50", "--max-event-readers=70"]), (50, 70));
    assert_eq!(read(&["--max-connections=0"], &[], true).unwrap_err().len(), 1);
}

#[test]
fn hosts_are_allowed_by_a_list_from_a_flag_or_a_variable() {
    assert!(config(&[], &[("DEPLOYLOG_ALLOW_HOST", "")], true).allowed_hosts.is_empty());
    assert!(!config(&["--allow-host=a.example, b:80"], &[], true).allowed_hosts.is_empty());
    assert!(!config(&[], &[("DEPLOYLOG_ALLOW_HOST", "*")], true).allowed_hosts.is_empty());
    let errors = read(&["--allow-host=http://a"], &[], true).unwrap_err();
    assert!(errors[0].starts_with("DEPLOYLOG_ALLOW_HOST (--allow-host) must be host names"), "{errors:?}");
}

#[test]
fn every_error_is_reported_at_once() {
    let environment = [
        ("DEPLOYLOG_LISTEN", "here"),
        ("DEPLOYLOG_LOG_LEVEL", "loud"),
        ("DATABASE_URL", "postgres://"),
        ("DEPLOYLOG_KEEP_DAYS", "0"),
    ];
    let errors = read(&["--pool-size", "1", "--colour=red", "repair"], &environment, true).unwrap_err();
    let all = errors.join("\n");
    for named in [
        "DEPLOYLOG_LISTEN (--listen) must be an address such as 127.0.0.1:5000 or localhost:5000, not \"here\"",
        "DEPLOYLOG_LOG_LEVEL",
        "DATABASE_URL",
        "DEPLOYLOG_KEEP_DAYS (--keep-days) must be a number of days from 1 to 36500, not \"0\"",
        "--pool-size",
        "--colour",
        "repair",
    ] {
        assert!(all.contains(named), "{named} is not in:\n{all}");
    }
    assert_eq!(errors.len(), 7);
}

#[test]
fn a_mistyped_flag_causes_one_error_that_names_the_nearest_flag() {
    let error = "unknown flag --lisen (did you mean --listen?): see deploylog --help";
    for arguments in [&["--lisen", "127.0.0.1:80"][..], &["--lisen=here"], &["--lisen", "migrate"], &["--lisen"]] {
        assert_eq!(read(arguments, &[], true).unwrap_err(), [error], "{arguments:?}");
    }
    let far = read(&["--frobnicate", "token", "create", "ci", "--scope=read"], &[], true).unwrap_err();
    assert_eq!(far, ["unknown flag --frobnicate: see deploylog --help"]);
}

#[test]
fn serve_is_answered_with_how_to_run_the_service() {
    for word in ["serve", "start", "run"] {
        let errors = read(&[word, "--listen=127.0.0.1:0"], &[], true).unwrap_err();
        let error =
            format!("{word} is not a command: leave it out, because deploylog without a command runs the service");
        assert_eq!(errors, [error]);
    }
}

#[test]
fn localhost_is_an_address() {
    let listen = |address| config(&["--listen", address], &[], true).listen.to_string();
    assert_eq!(listen("localhost:5999"), "127.0.0.1:5999");
    for wrong in ["localhost", "localhost:", "localhost:70000", "host:5000", "localhost:5000x"] {
        assert_eq!(read(&["--listen", wrong], &[], true).unwrap_err().len(), 1, "{wrong}");
    }
}

#[test]
fn unknown_variables_are_named_once_with_the_nearest_setting() {
    let named = |names: &[&str]| super::unknown_variables(names.iter().map(|name| (*name).to_owned()));
    assert_eq!(named(&["DEPLOYLOG_LISTEN", "DEPLOYLOG_TOKEN", "DATABASE_URL", "HOME"]), None);
    let found = named(&["DEPLOYLOG_LISTN", "DEPLOYLOG_LISTEN", "DEPLOYLOG_DATABASE_URL"]).unwrap();
    assert_eq!(
        found,
        "variables without effect: DEPLOYLOG_DATABASE_URL (the nearest setting is DATABASE_URL), \
         DEPLOYLOG_LISTN (the nearest setting is DEPLOYLOG_LISTEN)"
    );
    assert!(named(&["DEPLOYLOG_SERVICE_HOST"]).unwrap().contains("DEPLOYLOG_SERVICE_HOST (the nearest setting is "));
}

#[test]
fn a_database_is_shown_without_its_password() {
    let environment = [("DATABASE_URL", "postgres://ann:s3cret@a:1,b:2/log?target_session_attrs=read-write")];
    let config = config(&["migrate"], &environment, true);
    assert_eq!(config.database.to_string(), "the database log at a:1, b:2");
}

#[test]
fn a_secret_is_read_from_its_file_without_the_last_line_end() {
    let path = std::env::temp_dir().join(format!("deploylog-secret-{}", std::process::id()));
    std::fs::write(&path, "host=a user=ann password=s3cret\n").unwrap();
    let file = path.to_str().unwrap();
    let config = config(&[], &[("DATABASE_URL_FILE", file)], true);
    let both = read(&[], &[("DATABASE_URL_FILE", file), ("DATABASE_URL", "host=b")], true).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(config.database.to_string(), "the database ann at a:5432");
    assert_eq!(both, ["set DATABASE_URL or DATABASE_URL_FILE, not both"]);
}

#[test]
fn an_invalid_database_setting_does_not_select_another_database() {
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
fn the_healthcheck_needs_only_the_address_of_the_service() {
    let invocation = read(&["healthcheck"], &[("DATABASE_URL", "nonsense")], false);
    let Ok(Invocation::Healthcheck(listen)) = invocation else { panic!("{invocation:?}") };
    assert_eq!(listen.to_string(), "127.0.0.1:5000");
}

#[test]
fn a_backup_and_a_restore_need_one_file_name() {
    let invocation = read(&["backup", "--log-level=off", "out.backup"], &[], true);
    assert!(matches!(invocation, Ok(Invocation::Run(Command::Backup(file), _)) if file == "out.backup"));
    let invocation = read(&["restore", "-"], &[], true);
    assert!(matches!(invocation, Ok(Invocation::Run(Command::Restore(file), _)) if file == "-"));
    for wrong in [&["backup"][..], &["restore", "a", "b"]] {
        let errors = read(wrong, &[], true).unwrap_err();
        assert_eq!(errors, [format!("{} needs exactly one file name, or -", wrong[0])]);
    }
}
