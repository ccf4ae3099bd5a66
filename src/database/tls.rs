//! TLS by rustls: which servers are believed, and the handshake.

use std::{
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    Socket,
    config::SslMode,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};
use tokio_rustls::{
    TlsConnector, client,
    rustls::{
        CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
        client::{
            Resumption,
            danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
            verify_server_cert_signed_by_trust_anchor, verify_server_name,
        },
        crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature_with_raw_key},
        pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime, pem::PemObject as _},
        server::ParsedCertificate,
    },
};

use super::{Refusal, certificate::Certificate};
use crate::error::Cause;

/// Makes a handshake for each connection.
#[derive(Clone)]
pub struct Tls(TlsConnector);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// Believes servers whose certificate an authority in the file `roots` has signed, or any server where there is none;
/// with `checks_name` only where it is the one that was asked for. Fails with a sentence.
pub fn connector(_: SslMode, roots: Option<&Path>, checks_name: bool) -> Result<Option<Tls>, String> {
    let roots = roots.map(authorities).transpose()?;
    let provider = ring::default_provider();
    let algorithms = provider.signature_verification_algorithms;
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { roots, checks_name, algorithms }))
        .with_no_client_auth();
    // As libpq: every connection is verified anew, and names its protocol.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(Some(Tls(TlsConnector::from(Arc::new(config)))))
}

fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let file = path.display();
    let unreadable = |reason: String| format!("DATABASE_URL's sslrootcert cannot be read: {file}: {reason}");
    let text = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| unreadable(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    // Of a system's hundreds some may be of no use.
    if roots.add_parsable_certificates(certificates).0 == 0 {
        return Err(format!("DATABASE_URL's sslrootcert holds no certificate: {file}"));
    }
    Ok(roots)
}

#[derive(Debug)]
struct Verifier {
    roots: Option<RootCertStore>,
    checks_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer,
        intermediates: &[CertificateDer],
        name: &ServerName,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(certificate)?;
            let algorithms = self.algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)
                .map_err(unknown_issuer)?;
            if self.checks_name {
                verify_server_name(&certificate, name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    /// By the key itself: an unverified certificate may be of a version that rustls does not read, and that its owner
    /// is who signs must hold all the same, or channel binding would prove nothing.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let certificate = Certificate::read(certificate).ok_or(CertificateError::BadEncoding)?;
        let key = SubjectPublicKeyInfoDer::from(certificate.public_key);
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// An authority of the same name with another key is another.
fn unknown_issuer(error: Error) -> Error {
    match error {
        Error::InvalidCertificate(CertificateError::BadSignature) => CertificateError::UnknownIssuer.into(),
        other => other,
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Stream;
    type TlsConnect = Handshake;
    type Error = Cause;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, Cause> {
        Ok(Handshake { connector: self.0.clone(), host: host.to_owned() })
    }
}

/// A handshake to come.
pub struct Handshake {
    connector: TlsConnector,
    host: String,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Stream;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Cause>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let name = ServerName::try_from(self.host)?;
            let stream = self.connector.connect(name, socket).await;
            stream.map(Stream).map_err(|error| match error.get_ref().and_then(|cause| cause.downcast_ref()) {
                Some(reason) => Refusal(in_words(reason)).into(),
                None => error.into(),
            })
        })
    }
}

/// What rustls will not have, as an operator reads it.
fn in_words(reason: &Error) -> String {
    let Error::InvalidCertificate(certificate) = reason else { return reason.to_string() };
    match certificate {
        CertificateError::UnknownIssuer => {
            "the server's certificate is not signed by an authority in sslrootcert".to_owned()
        }
        CertificateError::BadSignature => "the server does not hold the key of its certificate".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("the server's certificate is for {}, not for {}", names(presented), expected.to_str()
        )
        }
        CertificateError::Other(other) => match other.0.to_string().as_str() {
            "UnsupportedCertVersion" => {
                "the server's certificate is not of version 3 of X.509: openssl makes those that have an extension, such \
                 as subjectAltName"
                    .to_owned()
            }
            "CaUsedAsEndEntity" => {
                "the server's certificate is an authority's own (CA:TRUE): let that sign one for the server".to_owned()
            }
            other => format!("the server's certificate is refused: {other}"),
        },
        other => format!("the server's certificate is refused: {other}"),
    }
}

/// As rustls tells them: `DnsName("db.example")`, `IpAddress(127.0.0.1)`.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no host (it has no subjectAltName)".to_owned();
    }
    let names = presented.iter().map(|name| name.split_once('(').map_or(name.as_str(), |(_, name)| name));
    names.map(|name| name.trim_matches(['"', ')'])).collect::<Vec<_>>().join(", ")
}

/// A connection under TLS.
pub struct Stream(client::TlsStream<Socket>);

impl TlsStream for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        let certificates = self.0.get_ref().1.peer_certificates();
        let certificate = certificates.and_then(<[_]>::first).and_then(|first| Certificate::read(first));
        certificate
            .and_then(|certificate| certificate.channel_binding())
            .map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context, buffer: &mut ReadBuf) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
