//! Backups and restores that are refused and change nothing.

use super::{environment, lines, run_successfully, small_backup};
use crate::harness::{DEPLOYED, Database, Service, Session, eventually};

#[track_caller]
fn run_and_fail(arguments: &[&str], url: &str) -> String {
    let (code, output) = Service::run_to_end(arguments, &environment(url));
    assert_eq!(code, 1, "{output}");
    output
}

#[test]
fn a_changed_backup_is_refused_and_nothing_is_restored() {
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
    wrong.push(("with one line more".into(), [whole.as_slice(), b"\n"].concat()));
    wrong.push(("twice".into(), [whole.as_slice(), whole.as_slice()].concat()));
    wrong.push(("with a table of PostgreSQL's".into(), swapped("table records", "table pg_class")));
    wrong.push(("not text".into(), vec![0; 100_000]));
    let database = Database::new();
    let path = format!("{}/wrong", directory.as_str());
    for (change, bytes) in &wrong {
        std::fs::write(&path, bytes).unwrap();
        let (code, output) = Service::run_to_end(&["restore", &path], &environment(&database.url()));
        assert!(code == 1 && output.starts_with("deploylog: nothing was restored ("), "{change}: {code} {output}");
        assert_eq!(output.lines().count(), 1, "{change}: {output}");
        let relations = "select from pg_class where relnamespace = current_schema()::regnamespace";
        assert!(database.sql(relations).is_empty(), "{change}");
    }
    assert!(wrong.len() > 40);
    run_successfully(&["restore", &file], &environment(&database.url()));
}

#[test]
fn a_backup_of_a_newer_schema_is_refused_by_name() {
    let (directory, file) = small_backup();
    let newer = format!("{}/newer", directory.as_str());
    let text = std::fs::read_to_string(&file).unwrap();
    let schema = text.split(' ').nth(3).unwrap();
    std::fs::write(&newer, text.replacen(schema, "0999_later", 1)).unwrap();
    let output = run_and_fail(&["restore", &newer], &Database::new().url());
    assert!(output.contains("0999_later") && output.contains("run a newer version"), "{output}");
}

#[test]
fn a_restore_into_a_database_with_records_or_a_running_service_is_refused_and_changes_nothing() {
    let (_directory, file) = small_backup();
    let database = Database::new();
    let mut service = Service::with_database(&database);
    let output = run_and_fail(&["restore", &file], &database.url());
    assert!(output.contains("a deploylog service uses the database"), "{output}");
    service.record(DEPLOYED);
    let all = service.all_records();
    service.stop();
    let output = run_and_fail(&["restore", &file], &database.url());
    assert!(output.contains("the database is not empty: the table records has rows"), "{output}");
    assert_eq!(Service::with_database(&database).all_records(), all);
}

#[test]
fn a_restore_is_refused_while_a_service_may_still_write_and_works_right_after_a_clean_stop() {
    let (_directory, file) = small_backup();
    let database = Database::new();
    let served = "a deploylog service uses the database, or was killed within the last minute";
    let killed = Service::with_database(&database);
    drop(killed);
    let output = run_and_fail(&["restore", &file], &database.url());
    assert!(output.contains(served), "{output}");
    let mut service = Service::with_database(&database);
    database.sql("delete from heartbeats where seen_at < (select max(seen_at) from heartbeats)");
    let output = run_and_fail(&["restore", &file], &database.url());
    assert!(output.contains(served), "{output}");
    assert!(service.stop().success());
    run_successfully(&["restore", &file], &environment(&database.url()));
    assert_eq!(Service::with_database(&database).all_records().len(), 60);
}

#[test]
fn a_service_that_starts_during_a_restore_waits_for_its_end() {
    let (_directory, file) = small_backup();
    let database = Database::new();
    run_successfully(&["migrate"], &environment(&database.url()));
    // The restore waits for this lock after it has claimed the database.
    let session = Session::open(&database.url());
    session.execute("begin; lock table records in share mode");
    std::thread::scope(|scope| {
        let restore = scope.spawn(|| run_successfully(&["restore", &file], &environment(&database.url())));
        eventually("the restore waits", || session.is_blocking());
        let service = Service::start_unready(&[("DATABASE_URL", &database.url())]);
        let service_waits_for_restore = "select from pg_locks restore, pg_locks service
            where pg_backend_pid() = any (pg_blocking_pids(restore.pid)) and not restore.granted
              and restore.pid = any (pg_blocking_pids(service.pid)) and not service.granted";
        eventually("the service waits", || !session.query(service_waits_for_restore).is_empty());
        service.post(DEPLOYED).problem(503);
        session.execute("commit");
        restore.join().unwrap();
        eventually("the service is ready", || service.get("/readyz").status == 200);
        assert_eq!(service.record(DEPLOYED)["id"], 1_000_061);
        assert_eq!(service.all_records().len(), 61);
    });
}

#[test]
fn an_older_backup_is_not_restored_into_a_migrated_database() {
    let (directory, file) = small_backup();
    let older = format!("{}/older", directory.as_str());
    let text = std::fs::read_to_string(&file).unwrap();
    let schema = text.split(' ').nth(3).unwrap();
    std::fs::write(&older, text.replacen(schema, "0001_records", 1)).unwrap();
    let database = Database::new();
    run_successfully(&["migrate"], &environment(&database.url()));
    let output = run_and_fail(&["restore", &older], &database.url());
    assert!(output.contains("0001_records") && output.contains("restore into a new database"), "{output}");
}

#[test]
fn an_existing_file_is_not_overwritten_and_a_failed_backup_leaves_no_file() {
    let (directory, file) = small_backup();
    let before = std::fs::read(&file).unwrap();
    let database = Database::new();
    let service = Service::with_database(&database);
    service.import(&lines(0, 5)).expect(201);
    let output = run_and_fail(&["backup", &file], &database.url());
    assert!(output.contains("already exists"), "{output}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let another = format!("{}/another", directory.as_str());
    let output = run_and_fail(&["backup", &another], &Database::new().url());
    assert!(output.contains("nothing to back up"), "{output}");
    assert_eq!(Service::run_to_end(&["backup", &another], &environment("host=/nowhere")).0, 69);
    let output = run_and_fail(&["backup", "/nowhere/file"], &database.url());
    assert!(output.contains("No such file"), "{output}");
    let names = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["small"]);
}
