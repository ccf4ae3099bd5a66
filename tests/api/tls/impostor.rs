//! A server that presents the certificate of another server without having its key.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener},
    sync::Arc,
};

use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use super::{assert_rejected, migrate};
use crate::harness::{CertificateAuthority, EC_KEY, LOCALHOST};

#[derive(Debug)]
struct FixedCertificate(Arc<CertifiedKey>);

impl ResolvesServerCert for FixedCertificate {
    fn resolve(&self, _: ClientHello) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// Accepts one connection and performs the handshake like PostgreSQL. Returns the port and whether the handshake succeeds.
fn serve(
    version: &'static SupportedProtocolVersion,
    certificate: &str,
    key: &str,
) -> (u16, std::thread::JoinHandle<bool>) {
    let provider = ring::default_provider();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let resolver = FixedCertificate(Arc::new(CertifiedKey::new(vec![certificate], key)));
    let config = ServerConfig::builder_with_provider(provider.into()).with_protocol_versions(&[version]).unwrap();
    let config = config.with_no_client_auth().with_cert_resolver(Arc::new(resolver));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 8]).unwrap();
        stream.write_all(b"S").unwrap();
        let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
        while connection.is_handshaking() {
            if connection.complete_io(&mut stream).is_err() {
                return false;
            }
        }
        true
    });
    (port, server)
}

#[test]
fn a_server_without_the_key_of_its_certificate_is_rejected_in_every_mode() {
    let authority = CertificateAuthority::new(EC_KEY);
    let (certificate, key) = authority.sign(&LOCALHOST);
    let (_, other_key) = authority.sign(&LOCALHOST);
    for version in [&TLS12, &TLS13] {
        for mode in ["require".to_owned(), format!("verify-full sslrootcert={}", authority.root())] {
            let url = |port| format!("host=127.0.0.1 port={port} user=ann sslmode={mode}");
            let (port, server) = serve(version, &certificate, &other_key);
            assert_rejected(&url(port), "the server does not have the private key of its certificate");
            assert!(!server.join().unwrap());
            // With its key the handshake succeeds, and the connection fails later because this is not PostgreSQL.
            let (port, server) = serve(version, &certificate, &key);
            assert!(!migrate(&url(port)).1.contains("TLS handshake"));
            assert!(server.join().unwrap());
        }
    }
}
