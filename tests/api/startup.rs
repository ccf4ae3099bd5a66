//! Responses of a service that is not ready yet.

use crate::harness::{DEPLOYED, Database, Service, Session, eventually, migrate_to};

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
