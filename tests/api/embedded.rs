//! The embedded PostgreSQL: the service starts, watches and stops it.

use std::{
    io::Read as _,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
        process::CommandExt as _,
    },
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::harness::{
    self, DEPLOYED, Database, PROGRAM, Service, TempDirectory, eventually, postmaster_pid, signal, sql,
};

fn start(directory: &Path) -> Service {
    Service::with_environment(&[("DEPLOYLOG_DATA_DIR", directory.to_str().unwrap())])
}

fn run(arguments: &[&str], directory: &Path) -> (i32, String) {
    Service::run_to_end(arguments, &[("DEPLOYLOG_DATA_DIR", directory.to_str().unwrap())])
}

fn url(directory: &Path) -> String {
    format!("host={}/socket user=deploylog dbname=deploylog", directory.display())
}

fn is_root() -> bool {
    deploylog::embedded::running_as_root()
}

#[test]
fn without_a_database_url_the_service_creates_a_cluster_and_keeps_it() {
    let directory = TempDirectory::new();
    let began = Instant::now();
    let mut service = start(directory.path());
    assert!(began.elapsed() < Duration::from_secs(15), "first start: {:?}", began.elapsed());
    let record = service.record(DEPLOYED);
    assert!(service.stop().success());
    let began = Instant::now();
    let service = start(directory.path());
    assert!(began.elapsed() < Duration::from_secs(5), "later start: {:?}", began.elapsed());
    assert_eq!(service.read(&record["id"]), record);
}

#[test]
fn the_cluster_is_durable_and_listens_only_on_a_private_socket() {
    let directory = TempDirectory::new();
    let _service = start(directory.path());
    let settings = "select current_setting('fsync'), current_setting('synchronous_commit'),
        current_setting('full_page_writes'), current_setting('listen_addresses')";
    assert_eq!(sql(&url(directory.path()), settings), [["on", "on", "on", ""]]);
    let mode = |path: &str| std::fs::metadata(directory.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("socket"), mode("cluster"), mode("socket/.s.PGSQL.5432")), (0o700, 0o700, 0o700));
}

#[test]
fn a_second_start_reports_which_process_uses_the_data_directory() {
    let directory = TempDirectory::new();
    let service = start(directory.path());
    let (code, output) = run(&["--log-level=off"], directory.path());
    assert_eq!(code, 69);
    assert!(output.contains("is in use by deploylog") && output.contains(&service.pid().to_string()), "{output}");
    assert!(output.contains(directory.as_str()), "{output}");
}

#[test]
fn a_command_uses_the_running_cluster_or_starts_it_temporarily() {
    let directory = TempDirectory::new();
    let mut service = start(directory.path());
    assert_eq!(run(&["migrate"], directory.path()), (0, "the schema was up to date\n".to_owned()));
    service.record(DEPLOYED);
    assert!(service.stop().success());
    assert_eq!(run(&["migrate"], directory.path()), (0, "the schema was up to date\n".to_owned()));
    assert!(!directory.path().join("cluster/postmaster.pid").exists(), "the cluster is stopped again");
}

#[test]
fn a_command_that_only_reads_or_changes_creates_nothing_in_a_mistyped_directory() {
    let parent = TempDirectory::new();
    let file = parent.path().join("file").to_str().unwrap().to_owned();
    let empty = parent.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    for directory in [parent.path().join("missing"), empty.clone()] {
        for command in [&["token", "list"][..], &["token", "revoke", "ci"], &["backup", &file], &["migrate"]] {
            let (code, output) = run(command, &directory);
            assert_eq!(code, 69, "{command:?}: {output}");
            for words in [directory.to_str().unwrap(), "--data-dir", "DEPLOYLOG_DATA_DIR", "DATABASE_URL"] {
                assert!(output.contains(words), "{words} is not in: {output}");
            }
            assert_eq!(output.lines().count(), 1, "{output}");
        }
    }
    let left: Vec<_> = std::fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["empty"]);
    assert_eq!(std::fs::read_dir(empty).unwrap().count(), 0);
}

#[test]
fn token_create_says_that_it_created_a_cluster_which_the_service_then_uses() {
    let directory = TempDirectory::new();
    let create = |name| {
        let environment = [("DEPLOYLOG_DATA_DIR", directory.as_str()), ("DEPLOYLOG_LOG_LEVEL", "off")];
        harness::run(&["token", "create", name, "--scope=admin"], &environment)
    };
    let (code, token, err) = create("ann");
    assert_eq!((code, token.len()), (0, 47), "{err}");
    assert!(err.contains(&format!("created a private PostgreSQL in {}", directory.as_str())), "{err}");
    let (code, _, err) = create("bob");
    assert!(code == 0 && !err.contains("created"), "{err}");
    let service = start(directory.path());
    service.get("/api/").problem(401);
}

#[test]
fn ctrl_c_to_the_whole_process_group_reaches_the_service_first_and_stops_postgresql_cleanly() {
    let directory = TempDirectory::new();
    let mut child = Command::new(PROGRAM)
        .env("DEPLOYLOG_DATA_DIR", directory.path())
        .env("DEPLOYLOG_LISTEN", "127.0.0.1:0")
        .env_remove("DATABASE_URL")
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut ready = [0; 5];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    let group = format!("-{}", child.id());
    assert!(Command::new("kill").args(["-INT", "--", &group]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!directory.path().join("cluster/postmaster.pid").exists());
    let _again = start(directory.path());
    let log: String = std::fs::read_dir(directory.path().join("cluster/log"))
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(log.contains("database system is shut down") && !log.contains("not properly shut down"), "{log}");
}

#[test]
fn a_killed_postmaster_is_restarted() {
    let directory = TempDirectory::new();
    let service = start(directory.path());
    let record = service.record(DEPLOYED);
    let killed = postmaster_pid(directory.path());
    signal(killed, "KILL");
    // During the restart the file can be missing or empty.
    let pid_file = directory.path().join("cluster/postmaster.pid");
    let pid = || std::fs::read_to_string(&pid_file).ok()?.lines().next()?.parse::<u32>().ok();
    eventually("a new postmaster has started", || pid().is_some_and(|pid| pid != killed));
    eventually("the service works again", || service.get("/api/1").status == 200);
    assert_eq!(service.read(&record["id"]), record);
    service.record(DEPLOYED);
}

#[test]
fn a_deleted_socket_is_restored_and_new_connections_work_again() {
    let directory = TempDirectory::new();
    let service = start(directory.path());
    let record = service.record(DEPLOYED);
    assert_eq!(service.read(&record["id"]), record);
    let socket = directory.path().join("socket/.s.PGSQL.5432");
    std::fs::remove_file(&socket).unwrap();
    // The open connections still work. Only a list needs a new one.
    assert_eq!(service.read(&record["id"]), record);
    eventually("lists work", || socket.exists() && service.get("/api/").status == 200);
    service.record(DEPLOYED);
    service.get("/readyz").expect(200);
}

#[test]
fn on_a_full_disk_the_reserve_is_given_up_writes_get_503_and_reads_go_on() {
    let directory = TempDirectory::new();
    let (data, free) = (directory.path().join("data"), directory.path().join("free"));
    // A df that reports the kilobytes in a file as free.
    let df = directory.path().join("df");
    std::fs::write(&df, format!("#!/bin/sh\necho head\necho disk 9 9 $(cat {}) 9% /\n", free.display())).unwrap();
    std::fs::set_permissions(&df, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(&free, "1000000").unwrap();
    let path = format!("{}:{}", directory.as_str(), std::env::var("PATH").unwrap());
    let environment = [("DEPLOYLOG_DATA_DIR", data.to_str().unwrap()), ("PATH", &path), ("DEPLOYLOG_LOG_LEVEL", "off")];
    let mut service = Service::with_environment(&environment);
    let record = service.record(DEPLOYED);
    let target = format!("/api/{}", record["id"]);
    let reserve = data.join("reserve");
    let held = std::fs::metadata(&reserve).unwrap();
    assert!(held.len() == 24 << 20 && held.blocks() * 512 >= held.len(), "the space is in use: {held:?}");

    std::fs::write(&free, "4000").unwrap();
    eventually("the reserve is given up", || !reserve.exists());
    for start in ["first", "second"] {
        let full = "the disk of the database is full: free space on it, then try again";
        eventually("writes are refused", || service.post(DEPLOYED).status == 503);
        let refused = service.post(DEPLOYED);
        assert_eq!((refused.header("retry-after"), refused.problem(503)), (Some("30"), full.to_owned()), "{start}");
        assert_eq!(service.send_json("PATCH", &target, r#"{"owner":"bob"}"#).problem(503), full);
        assert_eq!(service.request("DELETE", &target, &[], None).problem(503), full);
        assert_eq!(service.read(&record["id"]), record);
        service.get("/readyz").expect(200);
        if start == "first" {
            // Also a service that starts on a full disk serves reads.
            assert!(service.stop().success());
            service = Service::with_environment(&environment);
        }
    }

    std::fs::write(&free, "1000000").unwrap();
    eventually("writes are accepted", || service.post(DEPLOYED).status == 201);
    assert!(reserve.exists());
}

#[test]
fn a_data_directory_with_a_long_path_has_its_socket_elsewhere() {
    let directory = TempDirectory::new();
    let long = directory.path().join("d".repeat(110));
    std::fs::create_dir(&long).unwrap();
    std::fs::set_permissions(&long, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut service = start(&long);
    service.record(DEPLOYED);
    assert!(!long.join("socket").exists());
    assert!(run(&["migrate"], &long).0 == 0, "the command finds the socket");
    assert!(service.stop().success());
}

#[test]
fn an_inaccessible_data_directory_is_reported_in_one_sentence() {
    let directory = TempDirectory::new();
    // Root can write everywhere, but PostgreSQL's user cannot enter a directory of root with mode 700.
    let mode = if is_root() { 0o700 } else { 0o500 };
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    let path = directory.path().join("within");
    let (code, output) = run(&["--log-level=off"], &path);
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(code, 69, "{output}");
    assert!(output.contains(path.to_str().unwrap()) && output.contains("DEPLOYLOG_DATA_DIR"), "{output}");
    assert_eq!(output.lines().count(), 1, "{output}");
}

#[test]
fn a_data_directory_that_others_can_change_is_refused_and_nothing_in_it_is_touched() {
    let directory = TempDirectory::new();
    let target = directory.path().join("target");
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(&target, "precious").unwrap();
    symlink(&target, data.join("lock")).unwrap();
    let refused = |words: &[&str]| {
        let (code, output) = run(&["--log-level=off"], &data);
        assert_eq!((code, output.lines().count()), (69, 1), "{output}");
        for words in words {
            assert!(output.contains(words), "{words} is not in: {output}");
        }
        assert_eq!(std::fs::read(&target).unwrap(), b"precious");
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1);
    };
    for mode in [0o777, 0o775, 0o757] {
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(mode)).unwrap();
        refused(&[data.to_str().unwrap(), "other users can write", "chmod go-w", "DEPLOYLOG_DATA_DIR"]);
    }
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    refused(&["lock must be a file, and not a link", "DEPLOYLOG_DATA_DIR"]);
    if is_root() {
        chown(&data, Some(12345), None).unwrap();
        refused(&["belongs to another user (id 12345)", "DEPLOYLOG_DATA_DIR"]);
    }
}

#[test]
fn links_in_the_data_directory_are_not_followed() {
    let directory = TempDirectory::new();
    let (target, elsewhere) = (directory.path().join("target"), directory.path().join("elsewhere"));
    std::fs::write(&target, "precious").unwrap();
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("file"), "precious").unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    symlink(&target, data.join("startup.log")).unwrap();
    symlink(&elsewhere, data.join("cluster.new")).unwrap();
    let mut service = start(&data);
    service.record(DEPLOYED);
    assert!(service.stop().success());
    assert_eq!(std::fs::read(&target).unwrap(), b"precious");
    assert_eq!(std::fs::read(elsewhere.join("file")).unwrap(), b"precious");
    std::fs::rename(data.join("cluster"), elsewhere.join("cluster")).unwrap();
    symlink(elsewhere.join("cluster"), data.join("cluster")).unwrap();
    let (code, output) = run(&["--log-level=off"], &data);
    assert!(code == 69 && output.contains("must be a directory, and not a link"), "{code}: {output}");
}

#[test]
fn root_does_not_run_postgresql_as_a_shared_user() {
    let directory = TempDirectory::new();
    let passwd = directory.path().join("passwd");
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let others = users.lines().filter(|user| !user.starts_with("postgres:") && !user.starts_with("deploylog:"));
    std::fs::write(&passwd, others.collect::<Vec<_>>().join("\n") + "\n").unwrap();
    let data = directory.path().join("data");
    let finished = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg("mount --bind \"$1\" /etc/passwd && exec \"$0\" --log-level=off")
        .args([PROGRAM, passwd.to_str().unwrap()])
        .env("DEPLOYLOG_DATA_DIR", &data)
        .env("DEPLOYLOG_LISTEN", "127.0.0.1:0")
        .env_remove("DATABASE_URL")
        .output()
        .unwrap();
    let output = String::from_utf8(finished.stderr).unwrap();
    assert_eq!((finished.status.code(), output.lines().count()), (Some(69), 1), "{output}");
    assert!(output.contains("no user postgres or deploylog") && output.contains("useradd --system"), "{output}");
    assert!(!data.join("cluster").exists());
}

#[test]
fn a_data_directory_of_a_version_that_is_not_installed_is_reported_with_instructions() {
    let directory = TempDirectory::new();
    std::fs::create_dir(directory.path().join("cluster")).unwrap();
    let running = Database::new().sql("show server_version")[0][0].clone();
    let is_installed = |major: &u32| {
        running.starts_with(&major.to_string()) || Path::new("/usr/lib/postgresql").join(major.to_string()).exists()
    };
    let major = (14..=18).find(|major| !is_installed(major)).expect("a version that is not installed").to_string();
    std::fs::write(directory.path().join("cluster/PG_VERSION"), format!("{major}\n")).unwrap();
    let (code, output) = run(&["--log-level=off"], directory.path());
    assert_eq!(code, 69, "{output}");
    for words in [major.as_str(), "apt-get install", "DATABASE_URL"] {
        assert!(output.contains(words), "{words} is not in: {output}");
    }
    assert_eq!(output.lines().count(), 1, "{output}");
}

#[test]
fn without_a_postgresql_server_the_service_says_how_to_install_one_or_use_another() {
    let directory = TempDirectory::new();
    // A mount namespace in which the usual directories of PostgreSQL are empty.
    let script = r#"
        for place in /usr/lib/postgresql /usr/local/bin /usr/local/pgsql; do
            if [ -d $place ]; then mount -t tmpfs none $place || exit; fi
        done
        exec "$0"
    "#;
    let finished = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, PROGRAM])
        .env_clear()
        .env("PATH", "/bin:/usr/bin:/sbin:/usr/sbin")
        .env("DEPLOYLOG_DATA_DIR", directory.path())
        .env("DEPLOYLOG_LISTEN", "127.0.0.1:0")
        .env("DEPLOYLOG_LOG_LEVEL", "off")
        .output()
        .unwrap();
    let output = String::from_utf8(finished.stderr).unwrap();
    assert_eq!(finished.status.code(), Some(69), "{output}");
    for words in ["no PostgreSQL server", "apt-get install", "DATABASE_URL"] {
        assert!(output.contains(words), "{words} is not in: {output}");
    }
    assert_eq!(output.lines().count(), 1, "{output}");
}
