//! `deploylog load` against a service that requires tokens.

use super::create;
use crate::harness::{Database, Service, run};

/// Returns the exit code, standard output and standard error.
fn load(service: &Service, token: Option<&str>, flags: &[&str]) -> (i32, String, String) {
    let url = format!("http://{}", service.address);
    let arguments = [&["load", "--json", "--duration=1", "--connections=4", "--url", &url], flags].concat();
    run(&arguments, &token.map(|token| ("DEPLOYLOG_TOKEN", token)).into_iter().collect::<Vec<_>>())
}

#[test]
fn load_sends_its_token_with_every_request() {
    let database = Database::new();
    let admin = create(&database, "load", "admin", &["--component=load-*"]);
    let write = create(&database, "writer", "write", &[]);
    let service = Service::with_database(&database);
    for mix in ["record", "lifecycle", "read"] {
        let (code, out, err) = load(&service, Some(&admin), &["--mix", mix, "--verify"]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
    }
    assert_eq!(load(&service, Some(&write), &[]).0, 0);
    let public = Service::with_environment(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_PUBLIC_READS", "true")]);
    assert_eq!(load(&public, Some(&write), &["--verify"]).0, 0);
}

#[test]
fn a_refused_token_ends_the_run_at_once_with_one_sentence() {
    let database = Database::new();
    let read = create(&database, "reader", "read", &[]);
    let write = create(&database, "writer", "write", &[]);
    let other = create(&database, "other", "admin", &["--component=web"]);
    let service = Service::with_database(&database);
    for (token, flags, expected) in [
        (None, &["--duration=600"][..], "401, this call needs a token"),
        (Some("nonsense"), &["--duration=600"], "401, the token is unknown or revoked"),
        (Some(&read), &["--duration=600", "--rate=100"], "403, this call needs a token with the scope write"),
        (Some(&read), &["--duration=600", "--retry"], "403, this call needs a token with the scope write"),
        (Some(&other), &["--duration=600"], "does not match web, the pattern of the token other"),
        (Some(&write), &["--mix=read"], "403, this call needs a token with the scope read"),
    ] {
        let (code, out, err) = load(&service, token, flags);
        assert_eq!((code, out.as_str()), (1, ""), "{flags:?} {err}");
        assert!(err.contains(expected) && err.contains("DEPLOYLOG_TOKEN"), "{flags:?}: {err}");
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(!token.is_some_and(|token| err.contains(token)), "{err}");
    }
    let (code, out, err) = load(&service, Some(&write), &["--verify"]);
    assert_eq!(code, 1);
    assert!(out.contains("\"requests\""), "the measurements are printed: {out}");
    assert!(err.contains("cannot be read: 403, this call needs a token with the scope read or admin"), "{err}");
}

#[test]
fn an_invalid_token_is_refused_and_not_printed() {
    let service = Service::start();
    let (code, _, err) = load(&service, Some("s3cret\r\nx-evil: 1"), &[]);
    assert_eq!(code, 64);
    assert!(err.contains("DEPLOYLOG_TOKEN is not a token") && !err.contains("s3cret"), "{err}");
    assert_eq!(load(&service, Some(""), &[]).0, 0, "an empty variable counts as unset");
}
