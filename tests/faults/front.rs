//! haproxy in front of several services.

use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::Instant,
};

use crate::{
    Lab,
    api::harness::{Connection, TempDirectory, eventually},
    scene::{BACK, Scene},
    table::Row,
};

/// Where Debian has it; an ordinary user's PATH does not.
const PROGRAM: &str = "/usr/sbin/haproxy";
const REPLICAS: usize = 4;

/// One of four replicas is killed halfway, and those that go on make up for it.
pub fn replica(lab: &mut Lab) -> Row {
    if !fs::exists(PROGRAM).unwrap() {
        println!("SKIPPED: haproxy is not installed (Debian: haproxy)");
        return Row { skipped: 1, ..Row::default() };
    }
    let mut scene = Scene::new(lab.postgres, None);
    (0..REPLICAS).for_each(|_| scene.add_service());
    let front = Front::start(&scene.services.iter().map(|service| service.address).collect::<Vec<_>>());
    scene.stands_behind(front.address);
    scene.begin();
    let half = lab.seconds(20, 3);
    std::thread::sleep(half);
    let index = usize::try_from(lab.random.within(0..REPLICAS as u64)).unwrap();
    let mut killed = scene.services.remove(index);
    killed.signal("KILL");
    killed.wait();
    let gone = Instant::now();
    scene.struck(1);
    scene.recovers(gone, BACK);
    std::thread::sleep(half);
    scene.end()
}

struct Front {
    process: Child,
    address: SocketAddr,
    _directory: TempDirectory,
}

impl Front {
    /// Each request goes to the next service. One that does not accept is passed over.
    fn start(services: &[SocketAddr]) -> Self {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let mut config = format!(
            "global\n    noreuseport\ndefaults\n    mode http\n    timeout connect 1s\n    timeout client 60s\n    \
             timeout server 60s\n    http-reuse always\n    retries 3\n    option redispatch 1\nlisten deploylog\n    \
             bind {address}\n    balance roundrobin\n"
        );
        for (number, service) in services.iter().enumerate() {
            writeln!(config, "    server replica-{number} {service}").unwrap();
        }
        let directory = TempDirectory::new();
        let file = directory.path().join("haproxy.cfg");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["-db", "-q", "-f"]).arg(&file).stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.spawn().unwrap();
        eventually("haproxy listens", || Connection::try_open(address).is_ok());
        Self { process, address, _directory: directory }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
