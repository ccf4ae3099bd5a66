//! Migrations, the choice of database and schema, and checks of the schema.

use crate::harness::{DEPLOYED, Database, Service, Session, migration_count};

fn run(arguments: &[&str], url: &str) -> (i32, String) {
    Service::run_to_end(arguments, &[("DATABASE_URL", url)])
}

#[test]
fn the_migrate_command_runs_each_migration_once() {
    let database = Database::new();
    assert_eq!(
        run(&["migrate"], &database.url()),
        (0, format!("the schema is up to date: ran {} migrations\n", migration_count()))
    );
    assert_eq!(run(&["migrate"], &database.url()), (0, "the schema was up to date\n".to_owned()));
    Service::with_database(&database).record(DEPLOYED);
}

#[test]
fn services_that_start_together_on_one_empty_database_migrate_it_once() {
    let database = Database::new();
    let services: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| Service::with_database(&database))).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    for service in &services {
        service.record(DEPLOYED);
    }
    assert_eq!(services[0].all_records().len(), 4);
    assert_eq!(database.sql("select count(*) from migrations"), [[migration_count().to_string()]]);
}

#[test]
fn a_database_newer_than_the_program_is_refused() {
    let database = Database::new();
    run(&["migrate"], &database.url());
    database.sql("insert into migrations (name, checksum) values ('9999_from_the_future', '')");
    let (code, output) = run(&["migrate"], &database.url());
    assert_eq!(code, 69);
    assert!(output.contains("9999_from_the_future") && output.contains("run a newer deploylog"), "{output}");
}

#[test]
fn a_migration_edited_after_its_release_is_refused() {
    let database = Database::new();
    run(&["migrate"], &database.url());
    database.sql("update migrations set checksum = 'another'");
    let (code, output) = run(&["migrate"], &database.url());
    assert_eq!(code, 69);
    assert!(output.contains("0001_records") && output.contains("edited after its release"), "{output}");
}

#[test]
fn a_missing_database_role_or_schema_ends_the_command_with_an_explanation() {
    let database = Database::new();
    for (url, words) in [
        (database.url().replace("dbname=deploylog", "dbname=nowhere"), "database \"nowhere\" does not exist"),
        (database.url().replace("user=deploylog", "user=nobody"), "role \"nobody\" does not exist"),
        (database.url().replace(&database.schema, "nowhere"), "first schema of the search path does not exist"),
    ] {
        let (code, output) = run(&["migrate"], &url);
        assert_eq!(code, 69, "{output}");
        assert!(output.contains(words), "{output}");
    }
}

#[test]
fn records_are_stored_in_the_first_schema_of_the_search_path() {
    let database = Database::new();
    let service = Service::with_database(&database);
    service.record(DEPLOYED);
    assert_eq!(database.sql(&format!("select component from {}.records", database.schema)), [["web"]]);
}

#[test]
fn a_url_and_a_key_value_string_with_several_hosts_are_accepted() {
    let database = Database::new();
    let socket = database.socket_dir().to_str().unwrap().replace('/', "%2F");
    let options = format!("-csearch_path%3D{}", database.schema);
    let url = format!("postgres://deploylog@{socket}/deploylog?target_session_attrs=read-write&options={options}");
    Service::with_environment(&[("DATABASE_URL", &url)]).record(DEPLOYED);
    let key_values = database.url().replacen("host=", "host=/nowhere,", 1) + " target_session_attrs=read-write";
    let service = Service::with_environment(&[("DATABASE_URL", &key_values)]);
    service.record(DEPLOYED);
    assert_eq!(service.all_records().len(), 2);
}

#[test]
fn readyz_gets_503_while_the_schema_does_not_match_the_program() {
    let database = Database::new();
    let service = Service::with_database(&database);
    service.get("/readyz").expect(200);
    for (change, undo) in [
        ("alter table records rename to old", "alter table old rename to records"),
        ("insert into migrations values ('9999_later', '')", "delete from migrations where name = '9999_later'"),
        ("alter table migrations rename to old", "alter table old rename to migrations"),
    ] {
        database.sql(change);
        service.get("/readyz").problem(503);
        database.sql(undo);
        service.get("/readyz").expect(200);
    }
}

#[test]
fn a_role_without_the_right_to_create_can_serve_a_migrated_schema() {
    let database = Database::new();
    run(&["migrate"], &database.url());
    let schema = &database.schema;
    database.sql(&format!(
        "create role {schema}; grant usage on schema {schema} to {schema};
         grant select, insert, update, delete on all tables in schema {schema} to {schema};
         grant usage on all sequences in schema {schema} to {schema}; alter role {schema} login"
    ));
    let url = database.url().replace("user=deploylog", &format!("user={schema}"));
    Service::with_environment(&[("DATABASE_URL", &url)]).record(DEPLOYED);
}

#[test]
fn a_second_replica_starts_without_waiting_for_transactions_in_other_databases() {
    let database = Database::new();
    let other = database.url().replace("dbname=deploylog", "dbname=postgres");
    let session = Session::open(&other);
    session.execute("begin; select pg_current_xact_id()");
    let _first = Service::with_database(&database);
    let began = std::time::Instant::now();
    Service::with_database(&database).record(DEPLOYED);
    assert!(began.elapsed().as_secs_f64() < 3.0, "{:?}", began.elapsed());
}
