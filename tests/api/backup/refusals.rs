//! What is refused, and leaves everything as it was.

use super::{lines, small_backup, succeed, there};
use crate::harness::{DEPLOYED, Database, Service, Session, eventually};

#[track_caller]
fn refused(arguments: &[&str], url: &str) -> String {
    let (code, said) = Service::run_to_end(arguments, &there(url));
    assert_eq!(code, 1, "{said}");
    said
}

#[test]
fn a_file_that_is_not_as_it_was_written_is_refused_and_leaves_nothing() {
    let (directory, file) = small_backup();
    let whole = std::fs::read(&file).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    let end_of_first = text.find('\n').unwrap();
    let mut wrong: Vec<(String, Vec<u8>)> = Vec::new();
    let ends = text.match_indices('\n').map(|(at, _)| at + 1).step_by(13);
    for at in ends.chain((0..whole.len()).step_by(whole.len() / 12)).chain([whole.len() - 1]) {
        if at < whole.len() {
            wrong.push((format!("cut at {at}"), whole[..at].to_vec()));
        }
    }
    for at in (0..whole.len()).step_by(whole.len() / 15).chain([end_of_first, whole.len() - 3]) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        wrong.push((format!("flipped at {at}"), flipped));
    }
    let swapped = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        changed.into_bytes()
    };
    wrong.push(("of another format".into(), swapped("deploylog backup 1 ", "deploylog backup 2 ")));
    wrong.push(("of a newer schema".into(), swapped(" 0", " 9")));
    wrong.push(("goes on".into(), [whole.as_slice(), b"\n"].concat()));
    wrong.push(("twice".into(), [whole.as_slice(), whole.as_slice()].concat()));
    wrong.push(("has a table of somebody else's".into(), swapped("table records", "table pg_class")));
    wrong.push(("not a file of text".into(), vec![0; 100_000]));
    let database = Database::new();
    let path = format!("{}/wrong", directory.as_str());
    for (what, bytes) in &wrong {
        std::fs::write(&path, bytes).unwrap();
        let (code, said) = Service::run_to_end(&["restore", &path], &there(&database.url()));
        assert!(code == 1 && said.starts_with("deploylog: nothing was restored ("), "{what}: {code} {said}");
        assert_eq!(said.lines().count(), 1, "{what}: {said}");
        let found = "select from pg_class where relnamespace = current_schema()::regnamespace";
        assert!(database.sql(found).is_empty(), "{what}");
    }
    assert!(wrong.len() > 40);
    succeed(&["restore", &file], &there(&database.url()));
}

#[test]
fn a_newer_schema_is_told_by_name() {
    let (directory, file) = small_backup();
    let newer = format!("{}/newer", directory.as_str());
    let text = std::fs::read_to_string(&file).unwrap();
    let schema = text.split(' ').nth(3).unwrap();
    std::fs::write(&newer, text.replacen(schema, "0999_later", 1)).unwrap();
    let said = refused(&["restore", &newer], &Database::new().url());
    assert!(said.contains("0999_later") && said.contains("run a newer one"), "{said}");
}

#[test]
fn a_database_that_has_records_or_is_served_is_refused_and_keeps_what_it_has() {
    let (_directory, file) = small_backup();
    let database = Database::new();
    let mut service = Service::with_database(&database);
    let said = refused(&["restore", &file], &database.url());
    assert!(said.contains("a deploylog serves the database"), "{said}");
    service.record(DEPLOYED);
    let all = service.all_records();
    service.stop();
    let said = refused(&["restore", &file], &database.url());
    assert!(said.contains("the database is not empty: there are records"), "{said}");
    assert_eq!(Service::with_database(&database).all_records(), all);
}

#[test]
fn while_a_service_may_write_a_restore_is_refused_and_right_after_a_clean_stop_it_works() {
    let (_directory, file) = small_backup();
    let database = Database::new();
    let served = "a deploylog serves the database, or ended within the last minute and may still write";
    let killed = Service::with_database(&database);
    drop(killed);
    let said = refused(&["restore", &file], &database.url());
    assert!(said.contains(served), "{said}");
    let mut service = Service::with_database(&database);
    database.sql("delete from heartbeats where seen_at < (select max(seen_at) from heartbeats)");
    let said = refused(&["restore", &file], &database.url());
    assert!(said.contains(served), "{said}");
    assert!(service.stop().success());
    succeed(&["restore", &file], &there(&database.url()));
    assert_eq!(Service::with_database(&database).all_records().len(), 60);
}

#[test]
fn a_service_that_starts_during_a_restore_waits_for_its_end() {
    let (_directory, file) = small_backup();
    let database = Database::new();
    succeed(&["migrate"], &there(&database.url()));
    // The restore has claimed the database when it comes to this lock.
    let session = Session::open(&database.url());
    session.execute("begin; lock table records in share mode");
    std::thread::scope(|scope| {
        let restore = scope.spawn(|| succeed(&["restore", &file], &there(&database.url())));
        eventually("the restore waits", || session.is_blocking());
        let service = Service::start_unready(&[("DATABASE_URL", &database.url())]);
        let behind_the_restore = "select from pg_locks restore, pg_locks service
            where pg_backend_pid() = any (pg_blocking_pids(restore.pid)) and not restore.granted
              and restore.pid = any (pg_blocking_pids(service.pid)) and not service.granted";
        eventually("the service waits", || !session.query(behind_the_restore).is_empty());
        service.post(DEPLOYED).problem(503);
        session.execute("commit");
        restore.join().unwrap();
        eventually("it is ready", || service.get("/readyz").status == 200);
        assert_eq!(service.record(DEPLOYED)["id"], 1_000_061);
        assert_eq!(service.all_records().len(), 61);
    });
}

#[test]
fn an_older_backup_is_not_put_into_a_newer_schema() {
    let (directory, file) = small_backup();
    let older = format!("{}/older", directory.as_str());
    let text = std::fs::read_to_string(&file).unwrap();
    let schema = text.split(' ').nth(3).unwrap();
    std::fs::write(&older, text.replacen(schema, "0001_records", 1)).unwrap();
    let database = Database::new();
    succeed(&["migrate"], &there(&database.url()));
    let said = refused(&["restore", &older], &database.url());
    assert!(said.contains("0001_records") && said.contains("restore it into a new database"), "{said}");
}

#[test]
fn a_file_that_exists_is_not_overwritten_and_a_failed_backup_leaves_none() {
    let (directory, file) = small_backup();
    let before = std::fs::read(&file).unwrap();
    let database = Database::new();
    let service = Service::with_database(&database);
    service.import(&lines(0, 5)).expect(201);
    let said = refused(&["backup", &file], &database.url());
    assert!(said.contains("exists already"), "{said}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let another = format!("{}/another", directory.as_str());
    let said = refused(&["backup", &another], &Database::new().url());
    assert!(said.contains("nothing to back up"), "{said}");
    assert_eq!(Service::run_to_end(&["backup", &another], &there("host=/nowhere")).0, 69);
    let said = refused(&["backup", "/nowhere/file"], &database.url());
    assert!(said.contains("No such file"), "{said}");
    let names = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["small"]);
}
