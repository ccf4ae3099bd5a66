//! The command `deploylog token`.

use super::{Client, create};
use crate::harness::{DEPLOYED, Database, PROGRAM, Service, TempDirectory, run};

fn token(database: &Database, arguments: &[&str]) -> (i32, String, String) {
    run(&[&["token"], arguments].concat(), &[("DATABASE_URL", &database.url())])
}

/// The line of the list that begins so, its columns parted.
#[track_caller]
fn listed(database: &Database, name: &str) -> Vec<String> {
    let (code, out, err) = token(database, &["list"]);
    assert_eq!(code, 0, "{err}");
    let line = out.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} is not in:\n{out}"));
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
}

#[test]
fn a_token_is_printed_once_and_only_its_digest_is_stored() {
    let database = Database::new();
    let (code, out, err) = token(&database, &["create", "ci", "--scope", "write"]);
    assert_eq!(code, 0, "{err}");
    let secret = out.strip_suffix('\n').unwrap();
    assert!(secret.starts_with("dl_") && secret.len() == 46, "standard output is not just the token: {out}");
    assert!(err.contains("It cannot be shown again") && !err.contains(secret), "{err}");
    let digest = format!("select encode(digest, 'hex') = encode(sha256('{secret}'), 'hex') from tokens");
    assert_eq!(database.sql(&digest), [["t"]]);
    let row = database.sql("select to_jsonb(t)::text from tokens t")[0][0].clone();
    assert!(!row.contains(&secret[3..]), "{row}");
    let (_, list, _) = token(&database, &["list"]);
    assert!(!list.contains(&secret[3..]), "{list}");
}

#[test]
fn a_token_that_cannot_be_printed_is_revoked_and_the_command_fails() {
    let database = Database::new();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = std::process::Command::new(PROGRAM)
        .args(["token", "create", "ci", "--scope=write"])
        .env("DATABASE_URL", database.url())
        .stdout(full)
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("the token ci could not be printed") && err.contains("is revoked"), "{err}");
    assert_eq!(listed(&database, "ci ").last().unwrap(), "revoked");
}

#[test]
fn the_list_shows_the_scope_pattern_and_state_of_every_token() {
    let database = Database::new();
    assert_eq!(listed(&database, "name").len(), 7, "an empty list has a header too");
    create(&database, "ci", "write", &["--component", "web-*", "--expires", "2099-01-01T00:00:00+01:00"]);
    create(&database, "dashboard", "read", &["--expires=1d"]);
    create(&database, "ops", "admin", &[]);
    let ci = listed(&database, "ci ");
    assert_eq!(
        (&ci[..3], &ci[4..]),
        (
            &["ci", "write", "web-*"].map(String::from)[..],
            &["2098-12-31T23:00:00Z", "never", "active"].map(String::from)[..]
        )
    );
    assert_eq!(listed(&database, "dashboard")[6], "active");
    database.sql("update tokens set expires_at = now() where name = 'dashboard'");
    assert_eq!(listed(&database, "dashboard")[6], "expired");
    assert_eq!(listed(&database, "ops")[2..5].iter().filter(|cell| *cell == "*" || *cell == "never").count(), 2);
    assert_eq!(token(&database, &["revoke", "ops"]).0, 0);
    assert_eq!(listed(&database, "ops")[6], "revoked");
}

#[test]
fn a_token_name_cannot_be_reused_even_after_revocation() {
    let database = Database::new();
    create(&database, "ci", "write", &[]);
    let again = || token(&database, &["create", "ci", "--scope=admin"]);
    let (code, out, err) = again();
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("the token name ci is already used"), "{err}");
    let (code, out, _) = token(&database, &["revoke", "ci"]);
    assert_eq!((code, out.contains("ci is revoked")), (0, true), "{out}");
    let (code, out, _) = token(&database, &["revoke", "ci"]);
    assert_eq!((code, out.contains("ci was already revoked")), (0, true), "{out}");
    assert_eq!(again().0, 1);
    assert_eq!(database.sql("select count(*), max(scope) from tokens"), [["1", "write"]]);
    let (code, _, err) = token(&database, &["revoke", "nobody"]);
    assert_eq!((code, err.contains("there is no token nobody")), (1, true), "{err}");
}

#[test]
fn all_invalid_arguments_of_the_token_command_are_reported_at_once() {
    let database = Database::new();
    for (arguments, messages) in [
        (&["create", "ci"][..], &["--scope is missing"][..]),
        (
            &["create", "ci", "--scope=all", "--expires=soon"],
            &["--scope must be read, write or admin", "--expires must be a number of days such as 90d"],
        ),
        (&["create", "ci", "--scope=read", "--component=web"], &["--component limits writes"]),
        (&["create", "ci", "--scope=write", "--component="], &["--component is empty"]),
        (&["create", "ci", "--scope=write", "--expires="], &["--expires must be"]),
        (&["create", "ci", "--scope=write", "--expires=0d"], &["--expires must be"]),
        (&["create", "ci", "--scope=write", "--expires=2020-01-01T00:00:00Z"], &["--expires must be in the future"]),
        (&["create", " ", "--scope=write"], &["the name of a token must have"]),
        (&["create", "a\nb", "--scope=write"], &["the name of a token must have"]),
        (&["create", "a", "b", "--scope=write"], &["token create NAME --scope SCOPE"]),
        (&[], &["token list"]),
        (&["remove", "ci"], &["token revoke NAME"]),
        (&["list", "--scope=read"], &["--scope is a flag of token create"]),
        (&["revoke", "ci", "--expires=1d"], &["--expires is a flag of token create"]),
    ] {
        let (code, out, err) = token(&database, arguments);
        assert_eq!((code, out.as_str()), (64, ""), "{arguments:?} {err}");
        for message in messages {
            assert!(err.contains(message), "{arguments:?}: {message} is not in: {err}");
        }
    }
    for arguments in [["--scope=read", "migrate"], ["migrate", "--scope=read"]] {
        assert!(run(&arguments, &[]).2.contains("unknown flag --scope"));
    }
    assert_eq!(database.sql("select to_regclass('tokens') is null"), [["t"]], "no migration ran");
}

#[test]
fn tokens_can_be_created_in_the_embedded_database_with_and_without_a_running_service() {
    let directory = TempDirectory::new();
    let environment = [("DEPLOYLOG_DATA_DIR", directory.as_str())];
    let (code, alone, err) = run(&["token", "create", "alone", "--scope=admin"], &environment);
    assert_eq!(code, 0, "{err}");
    assert!(!directory.path().join("cluster/postmaster.pid").exists(), "PostgreSQL still runs");
    let service = Service::with_environment(&environment);
    Client::new(&service, alone.trim_end()).post(DEPLOYED).expect(201);
    let (code, beside, err) = run(&["token", "create", "beside", "--scope=admin"], &environment);
    assert_eq!(code, 0, "{err}");
    crate::harness::eventually("the service knows the token", || {
        Client::new(&service, beside.trim_end()).get("/api/").status == 200
    });
}
