//! When tokens become valid and invalid, and how their use is recorded.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Client, create};
use crate::harness::{
    DEPLOYED, Database, PrivateCluster, Service, Subscriber, eventually, insert_large_records, run, signal, sql,
};

/// The limit for a change of tokens to reach every replica.
const PROPAGATION_LIMIT: Duration = Duration::from_secs(5);

fn revoke(url: &str, name: &str) {
    let (code, _, err) = run(&["token", "revoke", name], &[("DATABASE_URL", url)]);
    assert_eq!(code, 0, "{err}");
}

#[test]
fn a_revocation_and_a_new_token_reach_every_replica_within_five_seconds() {
    let database = Database::new();
    let first = create(&database, "first", "admin", &[]);
    let replicas = [Service::with_database(&database), Service::with_database(&database)];
    let count = |token: &str, status: u16| {
        replicas.iter().filter(|service| Client::new(service, token).get("/api/").status == status).count()
    };
    assert_eq!(count(&first, 200), 2);
    let second = create(&database, "second", "admin", &[]);
    let made = Instant::now();
    eventually("both know the second", || count(&second, 200) == 2);
    assert!(made.elapsed() < PROPAGATION_LIMIT, "{:?}", made.elapsed());
    revoke(&database.url(), "first");
    let revoked = Instant::now();
    eventually("both reject the first", || count(&first, 401) == 2);
    assert!(revoked.elapsed() < PROPAGATION_LIMIT, "{:?}", revoked.elapsed());
    assert_eq!(count(&second, 200), 2);
}

#[test]
fn a_token_is_valid_until_it_expires() {
    let database = Database::new();
    let token = create(&database, "short", "admin", &[]);
    let service = Service::with_database(&database);
    let short = Client::new(&service, &token);
    assert_eq!(short.get("/api/").status, 200);
    database.sql("update tokens set expires_at = now() + interval '3 seconds'");
    let set = Instant::now();
    eventually("it has expired", || short.get("/api/").status == 401);
    assert!(set.elapsed() > Duration::from_millis(2500), "{:?}", set.elapsed());
    assert_eq!(short.get("/api/").problem(401), "the token has expired");
}

#[test]
fn an_event_stream_ends_when_its_token_becomes_invalid() {
    let database = Database::new();
    let open = Service::with_database(&database);
    let mut anonymous = Subscriber::start(&open, "/api/events");
    let [revoked, expiring, valid] = ["revoked", "expiring", "valid"].map(|name| create(&database, name, "read", &[]));
    assert!(anonymous.try_next().is_err(), "the first token ends streams without a token");
    let service = Service::with_database(&database);
    let subscribe = |token: &str| Subscriber::start_with_token(&service, "/api/events", token);
    let (mut revoked, mut expiring, mut valid) = (subscribe(&revoked), subscribe(&expiring), subscribe(&valid));
    revoke(&database.url(), "revoked");
    let began = Instant::now();
    assert!(revoked.try_next().is_err());
    assert!(began.elapsed() < PROPAGATION_LIMIT, "{:?}", began.elapsed());
    database.sql("update tokens set expires_at = now() + interval '2 seconds' where name = 'expiring'");
    assert!(expiring.try_next().is_err());
    let admin = create(&database, "all", "admin", &[]);
    eventually("a new token is known", || Client::new(&service, &admin).post(DEPLOYED).status == 201);
    assert_eq!(valid.try_next().unwrap().name, "recorded");
}

#[test]
fn the_last_use_of_a_token_is_stored_and_null_if_it_was_never_used() {
    let database = Database::new();
    let [used, _] = ["used", "unused"].map(|name| create(&database, name, "write", &[]));
    let service = Service::with_database(&database);
    let last = |name: &str| {
        database.sql(&format!("select last_used_at > now() - interval '10 seconds' from tokens where name = '{name}'"))
    };
    assert_eq!(last("used"), [["null"]]);
    // A request that the scope forbids counts as a use too.
    Client::new(&service, &used).get("/api/").problem(403);
    eventually("the use is stored", || last("used") == [["t"]]);
    assert_eq!(last("unused"), [["null"]]);
    let stored = || database.sql("select last_used_at, xmin from tokens where name = 'used'");
    let first = stored();
    Client::new(&service, &used).post(DEPLOYED).expect(201);
    eventually("the next use is stored", || stored() != first);
}

#[test]
fn the_last_use_before_shutdown_is_stored() {
    let database = Database::new();
    let token = create(&database, "used", "write", &[]);
    let mut service = Service::with_database(&database);
    Client::new(&service, &token).post(DEPLOYED).expect(201);
    assert!(service.stop().success());
    assert_eq!(database.sql("select last_used_at > created_at from tokens"), [["t"]]);
}

#[test]
fn known_tokens_stay_valid_while_the_database_is_unreachable() {
    let mut cluster = PrivateCluster::start();
    let url = cluster.url();
    let environment = [("DATABASE_URL", url.as_str())];
    let create = |name: &str| run(&["token", "create", name, "--scope=admin"], &environment).1.trim_end().to_owned();
    let [valid, short, away] = ["valid", "short", "away"].map(create);
    let service = Service::with_environment(&environment);
    let [valid, short, away] = [&valid, &short, &away].map(|token| Client::new(&service, token));
    sql(&url, "update tokens set expires_at = now() + interval '6 seconds' where name = 'short'");
    let later = create("later");
    eventually("the service knows the last token and thus the earlier ones", || {
        Client::new(&service, &later).get("/api/").status == 200
    });
    cluster.stop();
    valid.get("/api/").problem(503);
    short.get("/api/").problem(503);
    away.get("/api/").problem(503);
    valid.get("/api/?x=1").problem(400);
    Client::new(&service, "dl_none").get("/api/").problem(401);
    service.get("/api/").problem(401);
    eventually("the token expires by the clock of the service", || short.get("/api/").status == 401);
    assert_eq!(short.get("/api/").problem(401), "the token has expired");
    cluster.restart();
    eventually("the database is back", || valid.post(DEPLOYED).status == 201);
    let stored = "select last_used_at is not null from tokens where name = 'away'";
    eventually("the use during the outage is stored", || sql(&url, stored) == [["t"]]);
    revoke(&url, "valid");
    eventually("the revocation is known", || valid.get("/api/").status == 401);
}

#[test]
fn a_revocation_takes_effect_even_if_all_database_connections_hang() {
    let cluster = PrivateCluster::start();
    let url = cluster.url();
    let environment = [("DATABASE_URL", url.as_str())];
    let token = run(&["token", "create", "ci", "--scope=admin"], &environment).1;
    let service = Service::with_environment(&environment);
    let ci = Client::new(&service, token.trim_end());
    // An invalid parameter is rejected without access to the database.
    let status = || ci.get("/api/?x=1").status;
    eventually("the token is known", || status() == 400);
    // All connections of the service, including the one for tokens.
    let backends = sql(&url, "select pid from pg_stat_activity where application_name = 'deploylog'").concat();
    for backend in &backends {
        signal(backend.parse().unwrap(), "STOP");
    }
    revoke(&url, "ci");
    let revoked = Instant::now();
    eventually("the token is rejected", || status() == 401);
    let waited = revoked.elapsed();
    for backend in &backends {
        signal(backend.parse().unwrap(), "CONT");
    }
    assert!(waited < PROPAGATION_LIMIT, "{waited:?}");
}

#[test]
fn an_export_is_cut_when_its_token_is_revoked() {
    let database = Database::new();
    let token = create(&database, "reader", "read", &[]);
    let service = Service::with_database(&database);
    insert_large_records(&database, 20_000);
    let export = || {
        let mut connection = service.connect();
        connection.send(format!(
            "GET /api/ HTTP/1.1\r\nhost: test\r\naccept: text/csv\r\nauthorization: Bearer {token}\r\n\r\n"
        ));
        connection
    };
    assert_eq!(export().response().body.lines().count(), 20_001);
    let mut started = export();
    assert_eq!(started.head().status, 200, "it has started and waits for the client");
    revoke(&database.url(), "reader");
    eventually("the token is rejected", || Client::new(&service, &token).get("/api/").status == 401);
    let mut chunks = std::iter::repeat_with(|| started.chunk());
    let last = chunks.find(|chunk| chunk.as_ref().map_or(true, Vec::is_empty)).unwrap();
    assert!(last.is_err(), "the export ended as if complete");
}

#[test]
fn a_body_completed_after_its_token_was_revoked_is_not_recorded() {
    let database = Database::new();
    let [valid, revoked] = ["valid", "revoked"].map(|name| create(&database, name, "admin", &[]));
    let service = Service::with_database(&database);
    let valid = Client::new(&service, &valid);
    valid.post(DEPLOYED).expect(201);
    let connections = [
        ("POST", "/api/", "application/json"),
        ("POST", "/api/", "application/x-ndjson"),
        ("PUT", "/api/1", "application/json"),
        ("PATCH", "/api/1", "application/merge-patch+json"),
    ]
    .map(|(method, path, content_type)| {
        let mut connection = service.connect();
        let length = DEPLOYED.len();
        connection.send(format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {revoked}\r\ncontent-type: {content_type}\r\n\
             expect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        ));
        assert_eq!(connection.head().status, 100, "the token is still valid");
        connection
    });
    let before = valid.get("/api/").body;
    revoke(&database.url(), "revoked");
    eventually("the token is rejected", || Client::new(&service, &revoked).get("/api/").status == 401);
    for mut connection in connections {
        connection.send(DEPLOYED);
        connection.response().problem(401);
    }
    assert_eq!(valid.get("/api/").body, before);
}

#[test]
fn a_history_names_the_token_of_each_change_and_deletion() {
    let database = Database::new();
    let service = Service::with_database(&database);
    service.record(DEPLOYED);
    service.send_json("PATCH", "/api/1", r#"{"owner":"bob"}"#).expect(200);
    let (ann, ben) = (create(&database, "ann", "admin", &[]), create(&database, "ben", "admin", &[]));
    let (ann, ben) = (Client::new(&service, &ann), Client::new(&service, &ben));
    eventually("the tokens are known", || service.get("/api/1").status == 401);
    ann.send_json("PUT", "/api/1", DEPLOYED).expect(200);
    assert_eq!(ben.request("DELETE", "/api/1", &[], None).status, 204);
    let history = ann.get("/api/1/history").expect(200);
    let by: Vec<&Value> = history.as_array().unwrap().iter().map(|entry| &entry["by"]).collect();
    assert_eq!(by, [&Value::from("ben"), &Value::from("ann"), &Value::Null], "the first change had no token");
}
