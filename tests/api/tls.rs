//! TLS to the database: encryption of all connections, and the verification of the server's certificate.

mod impostor;

use std::io::Read as _;

use crate::harness::{
    CertificateAuthority, CertificateRequest, DEPLOYED, EC_KEY, LOCALHOST, RSA_KEY, Service, Session, TlsCluster,
    eventually, sql,
};

const ONLY_TLS: &str = "hostssl all all 127.0.0.1/32 scram-sha-256";
const NO_TLS: &str = "hostnossl all all 127.0.0.1/32 scram-sha-256";
const EITHER: &str = "host all all 127.0.0.1/32 scram-sha-256";

/// SQL that returns whether the connections of the service are encrypted.
const ENCRYPTED: &str =
    "select distinct ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'deploylog'";

/// Runs `deploylog migrate`. Returns its exit code and its log.
fn migrate(url: &str) -> (i32, String) {
    let output = Service::spawn(&["migrate", "--log-level=warn"], &[("DATABASE_URL", url), ("HOME", "/nowhere")]);
    let output = output.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[track_caller]
fn assert_connects(url: &str) {
    let (code, log) = migrate(url);
    assert_eq!((code, log.as_str()), (0, ""), "{url}");
}

#[track_caller]
fn assert_rejected(url: &str, reason: &str) {
    let (code, log) = migrate(url);
    assert!(code == 69 && log.contains(reason), "{url}: {code} {log}");
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn every_connection_uses_tls_also_after_a_restart_of_postgresql() {
    let authority = CertificateAuthority::new(EC_KEY);
    let mut cluster = TlsCluster::start(ONLY_TLS, authority.sign(&LOCALHOST));
    let url = cluster.url("localhost", &format!("sslmode=verify-full sslrootcert={}", authority.root()));
    let service = Service::with_environment(&[("DATABASE_URL", &url), ("DEPLOYLOG_STATEMENT_TIMEOUT", "1")]);
    let record = service.record(DEPLOYED);
    assert_eq!(service.read(&record["id"]), record);
    assert_eq!(service.all_records(), std::slice::from_ref(&record));
    assert_eq!(sql(&cluster.socket_url(), ENCRYPTED), [["t"]]);

    let session = Session::open(&cluster.socket_url());
    session.execute("begin; lock table records in access exclusive mode");
    service.post(DEPLOYED).problem(503);
    service.get("/api/1").problem(503);
    drop(session);
    service.record(DEPLOYED);

    cluster.stop();
    service.get("/api/1").problem(503);
    cluster.restart(true);
    eventually("ready again", || service.get("/readyz").status == 200);
    assert_eq!(service.read(&record["id"]), record);
    service.record(DEPLOYED);
    assert_eq!(sql(&cluster.socket_url(), ENCRYPTED), [["t"]]);
}

#[test]
fn each_sslmode_checks_the_certificate_as_documented() {
    let (authority, other_authority) = (CertificateAuthority::new(EC_KEY), CertificateAuthority::new(EC_KEY));
    let cluster = TlsCluster::start(ONLY_TLS, authority.sign(&LOCALHOST));
    let root = format!("sslrootcert={}", authority.root());
    let other_root = format!("sslrootcert={}", other_authority.root());
    let url = |host, mode: &str, root: &str| cluster.url(host, &format!("{mode} {root}"));

    for host in ["localhost", "127.0.0.1", "127.0.0.1,localhost"] {
        assert_connects(&url(host, "sslmode=verify-full", &root));
    }
    for mode in ["sslmode=verify-full", "sslmode=verify-ca", "sslmode=require"] {
        assert_rejected(&url("localhost", mode, &other_root), "is not signed by a CA in sslrootcert");
    }
    assert_connects(&url("localhost", "sslmode=require", ""));
    assert_connects(&url("localhost", "", ""));
    assert_rejected(&url("localhost", "sslmode=disable", &root), "no encryption");
    let as_url = format!(
        "postgres://deploylog:s3cret@localhost:{}/deploylog?sslrootcert={}&sslmode=verify%2Dfull",
        cluster.port,
        authority.root().replace('/', "%2F")
    );
    assert_connects(&as_url);

    let (certificate, key) =
        authority.sign(&CertificateRequest { extensions: "subjectAltName=DNS:db.example", ..LOCALHOST });
    cluster.set_certificate(&certificate, &key);
    assert_rejected(&url("localhost", "sslmode=verify-full", &root), r#"is only valid for DnsName("db.example")"#);
    assert_rejected(&url("127.0.0.1", "sslmode=verify-full", &root), r#"is only valid for DnsName("db.example")"#);
    assert_connects(&url("localhost", "sslmode=verify-ca", &root));
    assert_connects(&url("localhost", "sslmode=require", &root));
    assert_rejected(&url("localhost", "sslmode=verify-ca", &other_root), "is not signed by a CA in sslrootcert");

    // With several hosts, the certificate must match the host that accepts the connection.
    let (certificate, key) =
        authority.sign(&CertificateRequest { extensions: "subjectAltName=DNS:localhost", ..LOCALHOST });
    cluster.set_certificate(&certificate, &key);
    assert_rejected(&url("127.0.0.1", "sslmode=verify-full", &root), r#"is only valid for DnsName("localhost")"#);
    assert_connects(&url("127.0.0.1,localhost", "sslmode=verify-full", &root));

    let (certificate, key) =
        authority.sign(&CertificateRequest { times: ["20200101000000Z", "20210101000000Z"], ..LOCALHOST });
    cluster.set_certificate(&certificate, &key);
    for mode in ["sslmode=verify-full", "sslmode=verify-ca", "sslmode=require"] {
        assert_rejected(&url("localhost", mode, &root), "the server's certificate has expired");
    }
    assert_connects(&url("localhost", "sslmode=require", ""));
    let (certificate, key) =
        authority.sign(&CertificateRequest { times: ["20980101000000Z", "20990101000000Z"], ..LOCALHOST });
    cluster.set_certificate(&certificate, &key);
    assert_rejected(&url("localhost", "sslmode=verify-ca", &root), "the server's certificate is not valid yet");

    // Without extensions openssl creates an X.509 version 1 certificate, which names no host.
    let (certificate, key) = authority.sign(&CertificateRequest { extensions: "", ..LOCALHOST });
    cluster.set_certificate(&certificate, &key);
    assert_connects(&url("localhost", "sslmode=require", ""));
    assert_rejected(&url("localhost", "sslmode=verify-ca", &root), "is not X.509 version 3");
    let (certificate, key) =
        authority.sign(&CertificateRequest { extensions: "basicConstraints=CA:TRUE", ..LOCALHOST });
    cluster.set_certificate(&certificate, &key);
    assert_rejected(&url("localhost", "sslmode=verify-ca", &root), "is a CA certificate (CA:TRUE)");
    let (certificate, key) =
        authority.sign(&CertificateRequest { extensions: "keyUsage=digitalSignature", ..LOCALHOST });
    cluster.set_certificate(&certificate, &key);
    assert_rejected(&url("localhost", "sslmode=verify-full", &root), "is not valid for any names");
}

#[test]
fn without_tls_on_the_server_only_prefer_and_disable_connect() {
    let authority = CertificateAuthority::new(EC_KEY);
    let mut cluster = TlsCluster::start(EITHER, authority.sign(&LOCALHOST));
    cluster.stop();
    cluster.restart(false);
    assert_connects(&cluster.url("localhost", ""));
    assert_connects(&cluster.url("localhost", "sslmode=disable"));
    let root = authority.root();
    for mode in ["sslmode=require".to_owned(), format!("sslmode=verify-full sslrootcert={root}")] {
        assert_rejected(&cluster.url("localhost", &mode), "server does not support TLS");
    }
}

#[test]
fn sslmode_prefer_falls_back_to_plain_text_and_logs_it() {
    let (authority, other_authority) = (CertificateAuthority::new(EC_KEY), CertificateAuthority::new(EC_KEY));
    let cluster = TlsCluster::start(NO_TLS, authority.sign(&LOCALHOST));
    let (code, log) = migrate(&cluster.url("localhost", ""));
    assert!(code == 0 && log.contains("connecting without it (sslmode=prefer)"), "{code} {log}");
    assert_rejected(&cluster.url("localhost", "sslmode=require"), "no pg_hba.conf entry");
    cluster.set_access_rules(EITHER);
    let (code, log) = migrate(&cluster.url("localhost", &format!("sslrootcert={}", other_authority.root())));
    assert!(code == 0 && log.contains("is not signed by a CA"), "{code} {log}");
    // If both attempts fail, the error is that of the attempt with TLS.
    cluster.set_access_rules("hostssl all nobody 127.0.0.1/32 scram-sha-256");
    assert_rejected(&cluster.url("localhost", ""), "SSL encryption");
    cluster.set_access_rules(EITHER);
    let service = Service::with_environment(&[("DATABASE_URL", &cluster.url("localhost", ""))]);
    service.record(DEPLOYED);
    assert_eq!(sql(&cluster.socket_url(), ENCRYPTED), [["t"]], "TLS is preferred");
}

#[test]
fn channel_binding_works_with_every_signature_that_has_a_hash() {
    for (algorithm, digests) in
        [(EC_KEY, ["sha1", "sha256", "sha384", "sha512"]), (RSA_KEY, ["sha1", "sha256", "sha384", "sha512"])]
    {
        let authority = CertificateAuthority::new(algorithm);
        let cluster = TlsCluster::start(ONLY_TLS, authority.sign(&LOCALHOST));
        for digest in digests {
            for extensions in [LOCALHOST.extensions, ""] {
                let (certificate, key) = authority.sign(&CertificateRequest { extensions, digest, ..LOCALHOST });
                cluster.set_certificate(&certificate, &key);
                assert_connects(&cluster.url("localhost", "sslmode=require channel_binding=require"));
            }
        }
    }
    // Ed25519 signatures have no hash for channel binding.
    let authority = CertificateAuthority::new(&["-newkey", "ed25519"]);
    let (certificate, key) = authority.sign(&CertificateRequest { digest: "null", ..LOCALHOST });
    let cluster = TlsCluster::start(ONLY_TLS, (certificate, key));
    assert_connects(&cluster.url("localhost", &format!("sslmode=verify-full sslrootcert={}", authority.root())));
    assert_rejected(
        &cluster.url("localhost", "sslmode=require channel_binding=require"),
        "did not use channel binding",
    );
}

#[test]
fn a_certificate_that_expires_at_runtime_causes_503_and_a_log_line_until_it_is_renewed() {
    let authority = CertificateAuthority::new(EC_KEY);
    let cluster = TlsCluster::start(ONLY_TLS, authority.sign(&LOCALHOST));
    let url = cluster.url("localhost", &format!("sslmode=verify-full sslrootcert={}", authority.root()));
    let mut child = Service::spawn(&["--log-level=warn"], &[("DATABASE_URL", &url)]);
    let mut log = child.stderr.take().unwrap();
    let mut service = Service::wait_until_ready(child);
    let record = service.record(DEPLOYED);
    let (certificate, key) =
        authority.sign(&CertificateRequest { times: ["20200101000000Z", "20210101000000Z"], ..LOCALHOST });
    cluster.set_certificate(&certificate, &key);
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'deploylog'";
    // Repeated, because a connection that was being established can still succeed.
    eventually("no connection is left", || {
        sql(&cluster.socket_url(), end);
        ["/readyz", "/api/1", "/api/1"].iter().all(|target| service.get(target).status == 503)
    });
    let (certificate, key) = authority.sign(&LOCALHOST);
    cluster.set_certificate(&certificate, &key);
    eventually("ready again", || service.get("/readyz").status == 200);
    assert_eq!(service.read(&record["id"]), record);
    service.stop();
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    let reason = "path=\"/api/1\" error=error performing TLS handshake: the server's certificate has expired";
    assert!(text.lines().any(|line| line.ends_with(reason)), "{text}");
}

#[test]
fn an_untrusted_server_stops_startup_with_exit_code_69() {
    let (authority, other_authority) = (CertificateAuthority::new(EC_KEY), CertificateAuthority::new(EC_KEY));
    let cluster = TlsCluster::start(ONLY_TLS, authority.sign(&LOCALHOST));
    let url = cluster.url("localhost", &format!("sslmode=verify-ca sslrootcert={}", other_authority.root()));
    let mut child = Service::spawn(&["--log-level=warn"], &[("DATABASE_URL", &url)]);
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(69), "{log}");
    assert!(log.contains("deploylog: error performing TLS handshake: the server's certificate"), "{log}");
    let output = Service::spawn(&["migrate"], &[("DATABASE_URL", &cluster.url("a", "sslrootcert=/nowhere.pem"))]);
    let output = output.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("sslrootcert cannot be read: /nowhere.pem"));
}
