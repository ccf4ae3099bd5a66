//! From when till when a token counts, and what is known of its use.

use std::time::{Duration, Instant};

use super::{Bearer, create};
use crate::harness::{
    DEPLOYED, Database, PrivateCluster, Service, Subscriber, eventually, insert_large_records, run, signal, sql,
};

const WITHIN: Duration = Duration::from_secs(5);

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
        replicas.iter().filter(|service| Bearer::new(service, token).get("/api/").status == status).count()
    };
    assert_eq!(count(&first, 200), 2);
    let second = create(&database, "second", "admin", &[]);
    let made = Instant::now();
    eventually("both know the second", || count(&second, 200) == 2);
    assert!(made.elapsed() < WITHIN, "{:?}", made.elapsed());
    revoke(&database.url(), "first");
    let revoked = Instant::now();
    eventually("both refuse the first", || count(&first, 401) == 2);
    assert!(revoked.elapsed() < WITHIN, "{:?}", revoked.elapsed());
    assert_eq!(count(&second, 200), 2);
}

#[test]
fn a_token_is_valid_until_it_expires() {
    let database = Database::new();
    let token = create(&database, "short", "admin", &[]);
    let service = Service::with_database(&database);
    let short = Bearer::new(&service, &token);
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
    let mut nobody = Subscriber::start(&open, "/api/events");
    let [revoked, expiring, kept] = ["revoked", "expiring", "kept"].map(|name| create(&database, name, "read", &[]));
    assert!(nobody.try_next().is_err(), "the first token lets nobody in without one");
    let service = Service::with_database(&database);
    let listen = |token: &str| Subscriber::start_with_token(&service, "/api/events", token);
    let (mut revoked, mut expiring, mut kept) = (listen(&revoked), listen(&expiring), listen(&kept));
    revoke(&database.url(), "revoked");
    let began = Instant::now();
    assert!(revoked.try_next().is_err());
    assert!(began.elapsed() < WITHIN, "{:?}", began.elapsed());
    database.sql("update tokens set expires_at = now() + interval '2 seconds' where name = 'expiring'");
    assert!(expiring.try_next().is_err());
    let admin = create(&database, "all", "admin", &[]);
    eventually("a new token is known", || Bearer::new(&service, &admin).post(DEPLOYED).status == 201);
    assert_eq!(kept.try_next().unwrap().name, "recorded");
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
    // Refused for its scope it was used all the same.
    Bearer::new(&service, &used).get("/api/").problem(403);
    eventually("its use is noted", || last("used") == [["t"]]);
    assert_eq!(last("unused"), [["null"]]);
    let noted = || database.sql("select last_used_at, xmin from tokens where name = 'used'");
    let first = noted();
    Bearer::new(&service, &used).post(DEPLOYED).expect(201);
    eventually("its next use is noted", || noted() != first);
}

#[test]
fn the_last_use_before_shutdown_is_stored() {
    let database = Database::new();
    let token = create(&database, "used", "write", &[]);
    let mut service = Service::with_database(&database);
    Bearer::new(&service, &token).post(DEPLOYED).expect(201);
    assert!(service.stop().success());
    assert_eq!(database.sql("select last_used_at > created_at from tokens"), [["t"]]);
}

#[test]
fn known_tokens_stay_valid_while_the_database_is_unreachable() {
    let mut cluster = PrivateCluster::start();
    let url = cluster.url();
    let environment = [("DATABASE_URL", url.as_str())];
    let create = |name: &str| run(&["token", "create", name, "--scope=admin"], &environment).1.trim_end().to_owned();
    let [kept, short, away] = ["kept", "short", "away"].map(create);
    let service = Service::with_environment(&environment);
    let [kept, short, away] = [&kept, &short, &away].map(|token| Bearer::new(&service, token));
    sql(&url, "update tokens set expires_at = now() + interval '6 seconds' where name = 'short'");
    let later = create("later");
    eventually("all that was before is known, too", || Bearer::new(&service, &later).get("/api/").status == 200);
    cluster.stop();
    kept.get("/api/").problem(503);
    short.get("/api/").problem(503);
    away.get("/api/").problem(503);
    kept.get("/api/?x=1").problem(400);
    Bearer::new(&service, "dl_none").get("/api/").problem(401);
    service.get("/api/").problem(401);
    eventually("its time is over by the clock", || short.get("/api/").status == 401);
    assert_eq!(short.get("/api/").problem(401), "the token has expired");
    cluster.restart();
    eventually("the database is back", || kept.post(DEPLOYED).status == 201);
    let noted = "select last_used_at is not null from tokens where name = 'away'";
    eventually("the use meanwhile is noted", || sql(&url, noted) == [["t"]]);
    revoke(&url, "kept");
    eventually("the revocation is known", || kept.get("/api/").status == 401);
}

#[test]
fn a_revocation_takes_effect_even_if_all_database_connections_hang() {
    let cluster = PrivateCluster::start();
    let url = cluster.url();
    let environment = [("DATABASE_URL", url.as_str())];
    let token = run(&["token", "create", "ci", "--scope=admin"], &environment).1;
    let service = Service::with_environment(&environment);
    let ci = Bearer::new(&service, token.trim_end());
    // Refused without a look at the database.
    let ask = || ci.get("/api/?x=1").status;
    eventually("the token is known", || ask() == 400);
    // All that it has, that for tokens among them.
    let backends = sql(&url, "select pid from pg_stat_activity where application_name = 'deploylog'").concat();
    for backend in &backends {
        signal(backend.parse().unwrap(), "STOP");
    }
    revoke(&url, "ci");
    let revoked = Instant::now();
    eventually("it is refused", || ask() == 401);
    let waited = revoked.elapsed();
    for backend in &backends {
        signal(backend.parse().unwrap(), "CONT");
    }
    assert!(waited < WITHIN, "{waited:?}");
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
    let mut begun = export();
    assert_eq!(begun.head().status, 200, "it has begun, and waits for who reads it");
    revoke(&database.url(), "reader");
    eventually("it is refused", || Bearer::new(&service, &token).get("/api/").status == 401);
    let mut chunks = std::iter::repeat_with(|| begun.chunk());
    let last = chunks.find(|chunk| chunk.as_ref().map_or(true, Vec::is_empty)).unwrap();
    assert!(last.is_err(), "it is not ended as if whole");
}

#[test]
fn a_body_completed_after_its_token_was_revoked_is_not_recorded() {
    let database = Database::new();
    let [kept, revoked] = ["kept", "revoked"].map(|name| create(&database, name, "admin", &[]));
    let service = Service::with_database(&database);
    let kept = Bearer::new(&service, &kept);
    kept.post(DEPLOYED).expect(201);
    let begun = [
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
        assert_eq!(connection.head().status, 100, "its token counts");
        connection
    });
    let before = kept.get("/api/").body;
    revoke(&database.url(), "revoked");
    eventually("it is refused", || Bearer::new(&service, &revoked).get("/api/").status == 401);
    for mut connection in begun {
        connection.send(DEPLOYED);
        connection.response().problem(401);
    }
    assert_eq!(kept.get("/api/").body, before);
}
