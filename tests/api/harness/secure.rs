//! A PostgreSQL that is reached by TCP and offers TLS, and the authority that vouches for it.

use std::{
    net::{Ipv4Addr, TcpListener},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use super::{OwnCluster, PrivateDirectory, eventually, signal, sql};

/// Signs what it is asked to.
pub struct Authority(PrivateDirectory);

/// A certificate to be signed.
pub struct Wanted<'a> {
    /// Its X.509 extensions, a line each.
    pub extensions: &'a str,
    /// Its validity, as openssl writes times.
    pub times: [&'a str; 2],
    /// The digest that is signed.
    pub digest: &'a str,
}

pub const LOCALHOST: Wanted<'static> = Wanted {
    extensions: "subjectAltName=DNS:localhost,IP:127.0.0.1",
    times: ["20200101000000Z", "20990101000000Z"],
    digest: "sha256",
};

impl Authority {
    /// One with a key made by this algorithm of openssl's.
    pub fn new(algorithm: &[&str]) -> Self {
        let authority = Self(PrivateDirectory::new());
        let settings = "
            [ca]\ndefault_ca = it\n
            [it]\ndatabase = known\nnew_certs_dir = .\nrand_serial = yes\npolicy = any\nunique_subject = no
            certificate = root.pem\nprivate_key = root.key\n
            [any]\ncommonName = optional\n";
        std::fs::write(authority.0.path().join("settings"), settings).unwrap();
        std::fs::write(authority.0.path().join("known"), "").unwrap();
        authority.openssl(
            &["req", "-x509", "-nodes", "-subj", "/CN=the root", "-keyout", "root.key", "-out", "root.pem"],
            algorithm,
        );
        authority
    }

    /// The file with its own certificate.
    pub fn root(&self) -> String {
        format!("{}/root.pem", self.0.text())
    }

    /// A certificate with its key: both as PEM.
    pub fn sign(&self, wanted: &Wanted) -> (String, String) {
        let Wanted { extensions, times: [from, till], digest } = wanted;
        let new = ["req", "-new", "-nodes", "-subj", "/CN=a server", "-keyout", "new.key", "-out", "new.request"];
        self.openssl(&new, ELLIPTIC);
        std::fs::write(self.0.path().join("extensions"), extensions).unwrap();
        let sign = ["ca", "-batch", "-notext", "-config", "settings", "-in", "new.request", "-out", "new.pem"];
        let how = ["-startdate", from, "-enddate", till, "-md", digest];
        let with = if extensions.is_empty() { &[][..] } else { &["-extfile", "extensions"] };
        self.openssl(&sign, &[&how, with].concat());
        let read = |name| std::fs::read_to_string(self.0.path().join(name)).unwrap();
        (read("new.pem"), read("new.key"))
    }

    fn openssl(&self, arguments: &[&str], more: &[&str]) {
        let mut command = Command::new("openssl");
        let output = command.args(arguments).args(more).current_dir(self.0.path()).output().expect("openssl is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// How openssl makes the common keys.
pub const ELLIPTIC: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
pub const RSA: &[&str] = &["-newkey", "rsa:2048"];

/// PostgreSQL on a port of 127.0.0.1, with a role and database `deploylog`.
pub struct SecureCluster {
    /// What made it, and owns its directory: it stays stopped.
    _made: OwnCluster,
    dir: PathBuf,
    program: PathBuf,
    postmaster: Option<Child>,
    pub port: u16,
}

const PASSWORD: &str = "s3cret";

impl SecureCluster {
    /// One that lets in over TCP who is on these lines of `pg_hba.conf`.
    pub fn start(allowed: &str, (certificate, key): (String, String)) -> Self {
        let mut made = OwnCluster::start();
        let process = |what| std::fs::read_link(format!("/proc/{}/{what}", made.postmaster())).unwrap();
        let (program, dir) = (process("exe"), process("cwd"));
        made.stop();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut cluster = Self { _made: made, dir, program, postmaster: None, port };
        cluster.present(&certificate, &key);
        cluster.allow(allowed);
        cluster.resume(true);
        sql(&cluster.local(), &format!("alter role deploylog password '{PASSWORD}'"));
        cluster
    }

    /// Starts it, with or without TLS.
    pub fn resume(&mut self, tls: bool) {
        let owner = std::fs::metadata(&self.dir).unwrap();
        let (socket_dir, port) = (format!("unix_socket_directories={}", self.dir.display()), self.port);
        let mut command = Command::new(&self.program);
        command.arg("-D").arg(&self.dir).args(["-c", &format!("port={port}"), "-c", &socket_dir]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", if tls { "ssl=on" } else { "ssl=off" }]);
        command.uid(owner.uid()).gid(owner.gid()).current_dir("/").stdin(Stdio::null()).stderr(Stdio::null());
        self.postmaster = Some(command.spawn().unwrap());
        let status = self.dir.join("postmaster.pid");
        eventually("PostgreSQL is ready", || {
            std::fs::read_to_string(&status).is_ok_and(|status| status.contains("\nready"))
        });
    }

    pub fn stop(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            signal(postmaster.id(), "INT");
            postmaster.wait().unwrap();
        }
    }

    /// Gives it another certificate, from the next connection on.
    pub fn present(&self, certificate: &str, key: &str) {
        self.write("server.crt", certificate);
        self.write("server.key", key);
        self.reload();
    }

    /// Gives it other lines for who comes by TCP.
    pub fn allow(&self, lines: &str) {
        self.write("pg_hba.conf", &format!("local all all trust\n{lines}\n"));
        self.reload();
    }

    /// What was written is in force when the postmaster has read all that stands here.
    fn reload(&self) {
        let Some(postmaster) = &self.postmaster else { return };
        let loaded = || sql(&self.local(), "select pg_conf_load_time()");
        let before = loaded();
        signal(postmaster.id(), "HUP");
        eventually("it has read its settings", || loaded() != before);
    }

    fn write(&self, name: &str, content: &str) {
        let (path, owner) = (self.dir.join(name), std::fs::metadata(&self.dir).unwrap());
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    /// By its socket, where there is no TLS.
    pub fn local(&self) -> String {
        format!("host={} port={} user=deploylog dbname=deploylog", self.dir.display(), self.port)
    }

    /// By TCP, in the key=value form.
    pub fn url(&self, host: &str, more: &str) -> String {
        format!("host={host} port={} user=deploylog password={PASSWORD} dbname=deploylog {more}", self.port)
    }
}

impl Drop for SecureCluster {
    fn drop(&mut self) {
        self.stop();
    }
}
