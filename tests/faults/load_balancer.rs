//! Several replicas behind haproxy.

use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::Instant,
};

use crate::{
    Context,
    api::harness::{Connection, TempDirectory, eventually},
    scenario::{RECOVERY_LIMIT, Scenario},
    table::Row,
};

/// The path on Debian, which is not on the PATH of an ordinary user.
const PROGRAM: &str = "/usr/sbin/haproxy";
const REPLICAS: usize = 4;

/// Kills one of four replicas halfway through; the others take over its load.
pub fn replica(context: &mut Context) -> Row {
    if !fs::exists(PROGRAM).unwrap() {
        println!("SKIPPED: haproxy is not installed (Debian: haproxy)");
        return Row { skipped: 1, ..Row::default() };
    }
    let mut scenario = Scenario::new(context.postgres, None);
    (0..REPLICAS).for_each(|_| scenario.add_service());
    let load_balancer =
        LoadBalancer::start(&scenario.services.iter().map(|service| service.address).collect::<Vec<_>>());
    scenario.use_load_balancer(load_balancer.address);
    scenario.start_load();
    let half = context.seconds(20, 3);
    std::thread::sleep(half);
    let index = usize::try_from(context.random.within(0..REPLICAS as u64)).unwrap();
    let mut killed = scenario.services.remove(index);
    killed.signal("KILL");
    killed.wait();
    let killed_at = Instant::now();
    scenario.count_faults(1);
    scenario.check_recovery(killed_at, RECOVERY_LIMIT);
    std::thread::sleep(half);
    scenario.finish()
}

struct LoadBalancer {
    process: Child,
    address: SocketAddr,
    _directory: TempDirectory,
}

impl LoadBalancer {
    /// Sends each request to the next service and skips services that refuse connections.
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

impl Drop for LoadBalancer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
