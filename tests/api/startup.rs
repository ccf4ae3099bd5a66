//! Responses of a service that is not ready.

use crate::harness::{DEPLOYED, Database, Service, Session, TempDirectory, eventually, migrate_to, run};

#[test]
fn during_a_migration_livez_succeeds_and_readyz_names_the_migration() {
    let database = Database::new();
    migrate_to(&database, "0009_retention");
    database
        .sql("insert into records (component, version, owner, status, phase) values ('web', '1', 'ann', 'x', 'noted')");
    let table_file = || database.sql("select pg_relation_filenode('records')");
    let before = table_file();
    let session = Session::open(&database.url());
    session.execute("begin; lock table records in share mode");
    let service = Service::start_unready(&[("DATABASE_URL", &database.url())]);
    eventually("the migration has begun", || service.get("/readyz").body.contains("0010_component_locks"));
    let response = service.get("/readyz");
    assert_eq!(response.problem(503), "the service is starting: migrating the schema: 0010_component_locks");
    assert_eq!(response.header("retry-after"), Some("1"));
    service.get("/livez").expect(200);
    service.post(DEPLOYED).problem(503);
    service.get("/api/").problem(503);
    service.get("/nowhere").problem(404);
    session.execute("commit");
    eventually("the service is ready", || service.get("/readyz").status == 200);
    service.record(DEPLOYED);
    assert_eq!(table_file(), before, "the table was not rewritten");
}

#[test]
fn while_the_database_is_unreachable_livez_succeeds_and_the_service_can_be_stopped() {
    let mut service = Service::start_unready(&[("DATABASE_URL", "host=/nowhere user=deploylog")]);
    service.get("/livez").expect(200);
    assert_eq!(service.get("/readyz").problem(503), "the service is starting: waiting for the database");
    assert!(service.stop().success());
}

#[test]
fn a_database_with_another_encoding_is_refused() {
    let (database, directory) = (Database::new(), TempDirectory::new());
    let file = directory.path().join("backup").to_str().unwrap().to_owned();
    assert_eq!(run(&["migrate"], &[("DATABASE_URL", &database.url())]).0, 0);
    assert_eq!(run(&["backup", &file], &[("DATABASE_URL", &database.url())]).0, 0);
    let latin1 = format!("{}_latin1", database.schema);
    database.sql(&format!("create database {latin1} encoding 'LATIN1' locale 'C' template template0"));
    let url = format!("host={} user=deploylog dbname={latin1}", database.socket_dir().display());
    for command in [&[][..], &["migrate"], &["token", "list"], &["backup", "-"], &["restore", &file]] {
        let mut arguments = command.to_vec();
        arguments.push("--log-level=off");
        let (code, _, err) = run(&arguments, &[("DATABASE_URL", &url)]);
        assert_eq!(code, 69, "{command:?}: {err}");
        assert!(err.contains("is LATIN1, but deploylog needs UTF8: create another database"), "{command:?}: {err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
    database.sql(&format!("drop database {latin1}"));
}

#[test]
fn readyz_gets_503_while_no_new_connection_can_be_opened() {
    let database = Database::new();
    let role = &database.schema;
    database.sql(&format!("create role {role} login; grant all on schema {role} to {role}"));
    let url = database.url().replace("user=deploylog", &format!("user={role}"));
    let service = Service::with_environment(&[("DATABASE_URL", &url)]);
    let record = service.record(DEPLOYED);
    service.get("/readyz").expect(200);
    database.sql(&format!("alter role {role} nologin"));
    eventually("a new connection was refused", || service.get("/readyz").status == 503);
    assert_eq!(service.read(&record["id"]), record, "the open connections work");
    database.sql(&format!("alter role {role} login"));
    service.get("/readyz").expect(200);
}
