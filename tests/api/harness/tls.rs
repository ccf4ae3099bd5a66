//! A PostgreSQL that listens on TCP with TLS, and a certificate authority that signs its certificates.

use std::{
    net::{Ipv4Addr, TcpListener},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use super::{PrivateCluster, TempDirectory, eventually, signal, sql};

pub struct CertificateAuthority(TempDirectory);

pub struct CertificateRequest<'a> {
    /// X.509 extensions in the syntax of openssl's `-extfile`, one per line.
    pub extensions: &'a str,
    /// Start and end of its validity, `YYYYMMDDHHMMSSZ`.
    pub times: [&'a str; 2],
    pub digest: &'a str,
}

pub const LOCALHOST: CertificateRequest<'static> = CertificateRequest {
    extensions: "subjectAltName=DNS:localhost,IP:127.0.0.1",
    times: ["20200101000000Z", "20990101000000Z"],
    digest: "sha256",
};

impl CertificateAuthority {
    /// Creates a root certificate; `algorithm` holds openssl's arguments for the key.
    pub fn new(algorithm: &[&str]) -> Self {
        let authority = Self(TempDirectory::new());
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

    /// The path of the root certificate.
    pub fn root(&self) -> String {
        format!("{}/root.pem", self.0.as_str())
    }

    /// Signs a certificate for a new key; returns both in PEM.
    pub fn sign(&self, request: &CertificateRequest) -> (String, String) {
        let CertificateRequest { extensions, times: [start, end], digest } = request;
        let new = ["req", "-new", "-nodes", "-subj", "/CN=a server", "-keyout", "new.key", "-out", "new.request"];
        self.openssl(&new, EC_KEY);
        std::fs::write(self.0.path().join("extensions"), extensions).unwrap();
        let sign = ["ca", "-batch", "-notext", "-config", "settings", "-in", "new.request", "-out", "new.pem"];
        let validity = ["-startdate", start, "-enddate", end, "-md", digest];
        let extensions = if extensions.is_empty() { &[][..] } else { &["-extfile", "extensions"] };
        self.openssl(&sign, &[&validity, extensions].concat());
        let read = |name| std::fs::read_to_string(self.0.path().join(name)).unwrap();
        (read("new.pem"), read("new.key"))
    }

    fn openssl(&self, arguments: &[&str], more: &[&str]) {
        let mut command = Command::new("openssl");
        let output =
            command.args(arguments).args(more).current_dir(self.0.path()).output().expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Arguments of openssl for the common kinds of keys.
pub const EC_KEY: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
pub const RSA_KEY: &[&str] = &["-newkey", "rsa:2048"];

/// PostgreSQL on a port of 127.0.0.1, with a role and a database named `deploylog`.
pub struct TlsCluster {
    /// Created the cluster and owns its directory; it stays stopped.
    _creator: PrivateCluster,
    dir: PathBuf,
    program: PathBuf,
    postmaster: Option<Child>,
    pub port: u16,
}

const PASSWORD: &str = "s3cret";

impl TlsCluster {
    /// Starts it with these lines of `pg_hba.conf` for TCP.
    pub fn start(access_rules: &str, (certificate, key): (String, String)) -> Self {
        let mut creator = PrivateCluster::start();
        let process = |what| std::fs::read_link(format!("/proc/{}/{what}", creator.postmaster_pid())).unwrap();
        let (program, dir) = (process("exe"), process("cwd"));
        creator.stop();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut cluster = Self { _creator: creator, dir, program, postmaster: None, port };
        cluster.set_certificate(&certificate, &key);
        cluster.set_access_rules(access_rules);
        cluster.restart(true);
        sql(&cluster.socket_url(), &format!("alter role deploylog password '{PASSWORD}'"));
        cluster
    }

    /// Starts it, with or without TLS.
    pub fn restart(&mut self, tls: bool) {
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

    /// Replaces the certificate, from the next connection on.
    pub fn set_certificate(&self, certificate: &str, key: &str) {
        self.write("server.crt", certificate);
        self.write("server.key", key);
        self.reload();
    }

    /// Replaces the lines of `pg_hba.conf` for TCP.
    pub fn set_access_rules(&self, lines: &str) {
        self.write("pg_hba.conf", &format!("local all all trust\n{lines}\n"));
        self.reload();
    }

    /// Makes the postmaster reload its files and waits until it has.
    fn reload(&self) {
        let Some(postmaster) = &self.postmaster else { return };
        let loaded = || sql(&self.socket_url(), "select pg_conf_load_time()");
        let before = loaded();
        signal(postmaster.id(), "HUP");
        eventually("the postmaster has reloaded its settings", || loaded() != before);
    }

    fn write(&self, name: &str, content: &str) {
        let (path, owner) = (self.dir.join(name), std::fs::metadata(&self.dir).unwrap());
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    /// A connection string for the Unix socket, which does not use TLS.
    pub fn socket_url(&self) -> String {
        format!("host={} port={} user=deploylog dbname=deploylog", self.dir.display(), self.port)
    }

    /// A connection string for TCP in the key=value form, with further parameters.
    pub fn url(&self, host: &str, parameters: &str) -> String {
        format!("host={host} port={} user=deploylog password={PASSWORD} dbname=deploylog {parameters}", self.port)
    }
}

impl Drop for TlsCluster {
    fn drop(&mut self) {
        self.stop();
    }
}
