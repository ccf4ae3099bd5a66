//! Shortages of locks, disk space and memory.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    Context,
    api::harness::{Connection, DEPLOYED, Service, Session, TempDirectory, postmaster_pid, signal},
    locks::PendingWrite,
    postgres::Postgres,
    scenario::{RECOVERY_LIMIT, Scenario, WRITE_LIMIT},
    table::Row,
};

/// Another session holds an exclusive lock on the table.
pub fn table_lock(context: &mut Context) -> Row {
    with_locks(context, "lock table records in access exclusive mode")
}

/// Another session holds a lock on every row.
pub fn row_locks(context: &mut Context) -> Row {
    with_locks(context, "select from records for update; select from open_starts for update")
}

fn with_locks(context: &mut Context, locks: &str) -> Row {
    let mut scenario = context.scenario();
    scenario.start_load();
    context.pause(100..900);
    let session = Session::open(&scenario.url());
    session.execute(&format!("begin; {locks}"));
    std::thread::sleep(context.seconds(10, 3));
    session.execute("rollback");
    scenario.count_faults(1);
    scenario.check_recovery(Instant::now(), RECOVERY_LIMIT);
    scenario.finish()
}

/// Another session takes all entries of PostgreSQL's lock table.
pub fn lock_table(context: &mut Context) -> Row {
    /// More than the lock table can hold.
    const LOCKS: u64 = 50_000;
    let mut scenario = context.scenario();
    scenario.start_load();
    context.pause(100..900);
    let session = Session::open(&scenario.url());
    let start = Instant::now();
    let mut next = 0;
    // Session locks survive the failed statement. Each finished write frees entries, so fill again.
    let mut fill = || {
        session.execute(&format!(
            "do $$ begin perform pg_advisory_lock(n) from generate_series({next}, {next} + {LOCKS}) n;
             exception when out_of_memory then null; end $$"
        ));
        next += LOCKS;
    };
    let has_effect =
        |scenario: &Scenario| scenario.probe().observations(start).iter().any(|observation| !observation.is_success());
    while !has_effect(&scenario) && start.elapsed() < Duration::from_secs(60) {
        fill();
    }
    if !has_effect(&scenario) {
        scenario.fail("the full lock table caused no failed write".to_owned());
    }
    let full_since = Instant::now();
    while full_since.elapsed() < context.seconds(10, 2) {
        fill();
        let write = PendingWrite::post(scenario.services[0].address, "unlocked", "deployed", None);
        scenario.check_response(write, &[201, 503]);
    }
    drop(session);
    scenario.count_faults(1);
    scenario.check_recovery(Instant::now(), RECOVERY_LIMIT);
    scenario.check_responses_within(start, WRITE_LIMIT);
    scenario.finish()
}

/// Fills the disk of PostgreSQL, then frees space.
pub fn disk(context: &mut Context) -> Row {
    let Some(directory) = small_disk() else { return Row { skipped: 1, ..Row::default() } };
    let path = directory.path().to_owned();
    let postgres = Postgres::start(directory);
    let row = with_full_disk(context, &postgres, &path);
    unmount(&path);
    row
}

/// Fills the disk of a private PostgreSQL, kills it there, then frees space. Reads must go on.
pub fn private_disk(context: &mut Context) -> Row {
    let Some(directory) = small_disk() else { return Row { skipped: 1, ..Row::default() } };
    let row = with_full_private_disk(context, directory.path());
    unmount(directory.path());
    row
}

fn small_disk() -> Option<TempDirectory> {
    let directory = TempDirectory::new();
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", directory.as_str()]).output();
    if mount.is_ok_and(|mount| mount.status.success()) {
        return Some(directory);
    }
    println!("SKIPPED: only root can mount the small disk that this fault fills");
    None
}

fn unmount(disk: &Path) {
    let _ = Command::new("umount").args(["--lazy".as_ref(), disk.as_os_str()]).status();
}

fn fill(ballast: &Path) {
    let mut file = File::create(ballast).unwrap();
    while file.write_all(&[0; 1 << 13]).is_ok() {}
}

fn with_full_private_disk(context: &mut Context, disk: &Path) -> Row {
    const LIMIT: Duration = Duration::from_secs(10);
    let environment = [("DEPLOYLOG_DATA_DIR", disk.to_str().unwrap()), ("DEPLOYLOG_LOG_LEVEL", "off")];
    let service = Service::with_environment(&environment);
    let mut row = Row { times: 1, ..Row::default() };
    let mut acknowledged = vec![service.record(DEPLOYED)["id"].clone()];
    let mut refused_for_the_disk = |row: &mut Row| {
        let response = service.post(DEPLOYED);
        row.requests += 1;
        if response.status == 201 {
            acknowledged.push(response.json()["id"].clone());
        }
        response.status == 503 && response.body.contains("the disk of the database is full")
    };
    let within_limit = |row: &mut Row, what: &str, condition: &mut dyn FnMut(&mut Row) -> bool| {
        let start = Instant::now();
        while !condition(row) {
            if start.elapsed() > LIMIT {
                return row.failures.push(format!("not within {LIMIT:?}: {what}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let reads = || ["/api/1", "/api/", "/api/deploys"].map(|target| service.get(target).status);

    let ballast = disk.join("ballast");
    fill(&ballast);
    within_limit(&mut row, "writes are refused with the cause", &mut refused_for_the_disk);
    within_limit(&mut row, "the reserve is given up", &mut |_| !disk.join("reserve").exists());
    signal(postmaster_pid(disk), "KILL");
    within_limit(&mut row, "PostgreSQL recovers on the full disk", &mut |_| reads() == [200; 3]);
    let end = Instant::now() + context.seconds(10, 2);
    while Instant::now() < end {
        let (is_refused, statuses) = (refused_for_the_disk(&mut row), reads());
        if !is_refused || statuses != [200; 3] {
            row.failures.push(format!("on the full disk reads got {statuses:?}, a write was refused: {is_refused}"));
            break;
        }
    }
    fs::remove_file(ballast).unwrap();
    let freed = Instant::now();
    within_limit(&mut row, "writes are accepted", &mut |row| {
        refused_for_the_disk(row);
        service.post(DEPLOYED).status == 201
    });
    row.recovery = Some(freed.elapsed());
    row.acknowledged = acknowledged.len() as u64;
    row.lost = acknowledged.iter().filter(|id| service.get(&format!("/api/{id}")).status != 200).count() as u64;
    row
}

fn with_full_disk(context: &mut Context, postgres: &Postgres, disk: &Path) -> Row {
    let mut scenario = Scenario::new(postgres, None);
    scenario.add_service();
    scenario.start_load();
    context.pause(100..900);
    let ballast = disk.join("ballast");
    fill(&ballast);
    let start = Instant::now();
    let has_effect = || scenario.probe().observations(start).iter().any(|observation| !observation.is_success());
    while !has_effect() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(10));
    }
    if !has_effect() {
        scenario.fail("the full disk caused no failed write".to_owned());
    }
    std::thread::sleep(context.seconds(5, 1));
    fs::remove_file(ballast).unwrap();
    while !postgres.accepts() {
        std::thread::sleep(Duration::from_millis(10));
    }
    scenario.count_faults(1);
    scenario.check_recovery(Instant::now(), RECOVERY_LIMIT);
    scenario.finish()
}

/// Limits the memory of the service to its current use. It ends when an import needs more.
pub fn memory_of_service(context: &mut Context) -> Row {
    let mut scenario = context.scenario();
    scenario.start_load();
    for _ in 0..context.repetitions() {
        context.pause(100..900);
        let starved = scenario.services.remove(0);
        limit_memory(starved.pid(), true);
        let deadline = Instant::now() + Duration::from_secs(10);
        while listens(&starved) && Instant::now() < deadline {
            import(&starved);
        }
        if listens(&starved) {
            scenario.fail("the service survived its memory limit".to_owned());
        }
        let address = starved.address;
        drop(starved);
        scenario.restart_service(address);
    }
    scenario.finish()
}

/// Limits the memory of PostgreSQL's backends to their current use while imports need more.
pub fn memory_of_postgres(context: &mut Context) -> Row {
    let mut scenario = context.scenario();
    scenario.start_load();
    for _ in 0..context.repetitions() {
        context.pause(100..900);
        // Opens the connection for imports before the limit applies.
        scenario.services[0].import(DEPLOYED).expect(201);
        let backends = context.postgres.backends();
        for backend in &backends {
            limit_memory(*backend, true);
        }
        let statuses: Vec<_> = (0..3).map(|_| import(&scenario.services[0])).collect();
        if !statuses.contains(&Some(503)) {
            scenario.fail(format!("no import failed under the memory limit: {statuses:?}"));
        }
        for backend in context.postgres.backends() {
            limit_memory(backend, false);
        }
        scenario.count_faults(1);
        scenario.check_recovery(Instant::now(), RECOVERY_LIMIT);
    }
    scenario.finish()
}

fn listens(service: &Service) -> bool {
    Connection::try_open(service.address).is_ok()
}

/// Limits a process to its current memory, or removes the limit.
fn limit_memory(pid: u32, is_limited: bool) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let number =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    // The process may have ended.
    let (Some(uid), Some(gid), Some(kilobytes)) = (number("Uid:"), number("Gid:"), number("VmData:")) else { return };
    let limit = if is_limited { format!("{kilobytes}000") } else { "unlimited".to_owned() };
    // As the user of the process: prlimit without privileges changes only processes of the same user.
    let mut command = Command::new("prlimit");
    command.uid(uid).gid(gid).args(["--pid", &pid.to_string(), &format!("--data={limit}:unlimited")]);
    assert!(command.status().unwrap().success());
}

/// Imports as many records as one body can hold. Returns no status if the service ends.
fn import(service: &Service) -> Option<u16> {
    let line = format!(
        "{{\"component\":\"heavy\",\"version\":\"{}\",\"owner\":\"ann\",\"status\":\"deployed\"}}\n",
        "v".repeat(200)
    );
    let body = line.repeat(10_000);
    let mut connection = Connection::try_open(service.address).ok()?;
    let head = format!(
        "POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.stream().write_all((head + &body).as_bytes()).ok()?;
    Some(connection.try_response().ok()?.status)
}
