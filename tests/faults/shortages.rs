//! What the service or PostgreSQL needs is short: room on the disk, memory, locks.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    Lab,
    api::harness::{Connection, DEPLOYED, Service, Session, TempDirectory},
    locks::Sent,
    postgres::Postgres,
    scene::{ANSWER, BACK, Scene},
    table::Row,
};

/// Somebody has the table for himself.
pub fn table_lock(lab: &mut Lab) -> Row {
    held(lab, "lock table records in access exclusive mode")
}

/// Somebody has every row that is there.
pub fn row_locks(lab: &mut Lab) -> Row {
    held(lab, "select from records for update; select from open_starts for update")
}

fn held(lab: &mut Lab, locks: &str) -> Row {
    let mut scene = lab.scene();
    scene.begin();
    lab.pause(100..900);
    let session = Session::open(&scene.url());
    session.execute(&format!("begin; {locks}"));
    std::thread::sleep(lab.seconds(10, 3));
    session.execute("rollback");
    scene.struck(1);
    scene.recovers(Instant::now(), BACK);
    scene.end()
}

/// Somebody has as many locks as PostgreSQL has room for.
pub fn lock_table(lab: &mut Lab) -> Row {
    /// More than there is room for.
    const LOCKS: u64 = 50_000;
    let mut scene = lab.scene();
    scene.begin();
    lab.pause(100..900);
    let session = Session::open(&scene.url());
    let began = Instant::now();
    let mut next = 0;
    // Those of a session outlive the statement that fails. Each write that ends makes room for some more.
    let mut fill = || {
        session.execute(&format!(
            "do $$ begin perform pg_advisory_lock(n) from generate_series({next}, {next} + {LOCKS}) n;
             exception when out_of_memory then null; end $$"
        ));
        next += LOCKS;
    };
    let is_felt = |scene: &Scene| scene.witness().sights(began).iter().any(|sight| !sight.is_success());
    while !is_felt(&scene) && began.elapsed() < Duration::from_secs(60) {
        fill();
    }
    if !is_felt(&scene) {
        scene.complain("nobody felt that the lock table is full".to_owned());
    }
    let felt = Instant::now();
    while felt.elapsed() < lab.seconds(10, 2) {
        fill();
        let sent = Sent::post(scene.services[0].address, "unlocked", "deployed", None);
        scene.is_answered(sent, &[201, 503]);
    }
    drop(session);
    scene.struck(1);
    scene.recovers(Instant::now(), BACK);
    scene.answered_within(began, ANSWER);
    scene.end()
}

/// PostgreSQL's disk is full, until there is room again.
pub fn disk(lab: &mut Lab) -> Row {
    let directory = TempDirectory::new();
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", directory.as_str()]).output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        println!("SKIPPED: only root may mount the small disk that is to be filled");
        return Row { skipped: 1, ..Row::default() };
    }
    let path = directory.path().to_owned();
    let postgres = Postgres::start(directory);
    let row = fill_up(lab, &postgres, &path);
    let _ = Command::new("umount").args(["--lazy".as_ref(), path.as_os_str()]).status();
    row
}

fn fill_up(lab: &mut Lab, postgres: &Postgres, disk: &Path) -> Row {
    let mut scene = Scene::new(postgres, None);
    scene.add_service();
    scene.begin();
    lab.pause(100..900);
    let ballast = disk.join("ballast");
    let mut file = File::create(&ballast).unwrap();
    while file.write_all(&[0; 1 << 13]).is_ok() {}
    drop(file);
    let began = Instant::now();
    let is_felt = || scene.witness().sights(began).iter().any(|sight| !sight.is_success());
    while !is_felt() && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(10));
    }
    if !is_felt() {
        scene.complain("nobody felt that the disk is full".to_owned());
    }
    std::thread::sleep(lab.seconds(5, 1));
    fs::remove_file(ballast).unwrap();
    while !postgres.accepts() {
        std::thread::sleep(Duration::from_millis(10));
    }
    scene.struck(1);
    scene.recovers(Instant::now(), BACK);
    scene.end()
}

/// The service gets no more memory than it has, and ends when an import needs some.
pub fn memory_of_service(lab: &mut Lab) -> Row {
    let mut scene = lab.scene();
    scene.begin();
    for _ in 0..lab.often() {
        lab.pause(100..900);
        let starved = scene.services.remove(0);
        limit_memory(starved.pid(), true);
        let patience = Instant::now() + Duration::from_secs(10);
        while listens(&starved) && Instant::now() < patience {
            import(&starved);
        }
        if listens(&starved) {
            scene.complain("nobody felt that memory is short".to_owned());
        }
        let address = starved.address;
        drop(starved);
        scene.comes_back(address);
    }
    scene.end()
}

/// PostgreSQL's backends get no more memory than they have, while imports ask for it.
pub fn memory_of_postgres(lab: &mut Lab) -> Row {
    let mut scene = lab.scene();
    scene.begin();
    for _ in 0..lab.often() {
        lab.pause(100..900);
        // Imports have a connection of their own.
        scene.services[0].import(DEPLOYED).expect(201);
        let backends = lab.postgres.backends();
        for backend in &backends {
            limit_memory(*backend, true);
        }
        let responses: Vec<_> = (0..3).map(|_| import(&scene.services[0])).collect();
        if !responses.contains(&Some(503)) {
            scene.complain(format!("nobody felt that memory is short: {responses:?}"));
        }
        for backend in lab.postgres.backends() {
            limit_memory(backend, false);
        }
        scene.struck(1);
        scene.recovers(Instant::now(), BACK);
    }
    scene.end()
}

fn listens(service: &Service) -> bool {
    Connection::try_open(service.address).is_ok()
}

/// To what the process has now, or no more.
fn limit_memory(pid: u32, is_short: bool) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let number =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    // It may have ended.
    let (Some(uid), Some(gid), Some(kilobytes)) = (number("Uid:"), number("Gid:"), number("VmData:")) else { return };
    let limit = if is_short { format!("{kilobytes}000") } else { "unlimited".to_owned() };
    // As its own user, who may do that to no other.
    let mut command = Command::new("prlimit");
    command.uid(uid).gid(gid).args(["--pid", &pid.to_string(), &format!("--data={limit}:unlimited")]);
    assert!(command.status().unwrap().success());
}

/// As many records as one may hold: what is answered. The service may end at it.
fn import(service: &Service) -> Option<u16> {
    let line = format!(
        "{{\"component\":\"heavy\",\"version\":\"{}\",\"owner\":\"ann\",\"status\":\"deployed\"}}\n",
        "v".repeat(200)
    );
    let body = line.repeat(10_000);
    let mut connection = Connection::try_open(service.address).ok()?;
    let head = format!(
        "POST /api/ HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.stream().write_all((head + &body).as_bytes()).ok()?;
    Some(connection.try_response().ok()?.status)
}
