//! TLS with rustls: which servers are trusted, and the handshake.

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

use super::certificate::Certificate;
use super::query_error::TlsError;
use crate::error::Cause;

#[derive(Clone, Debug)]
pub struct Tls(Arc<ClientConfig>);

/// Trusts servers whose certificate is signed by a CA in the PEM file `roots`, or every server if there is no file. With
/// `checks_name` the certificate must also be for the host of the connection. Fails with a sentence for the operator.
pub fn connector(_: SslMode, roots: Option<&Path>, checks_name: bool) -> Result<Option<Tls>, String> {
    let roots = roots.map(read_roots).transpose()?;
    let provider = ring::default_provider();
    let algorithms = provider.signature_verification_algorithms;
    // rustls marks every custom verifier as dangerous. Its own always checks the name, but only verify-full does.
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { roots, checks_name, algorithms }))
        .with_no_client_auth();
    // As in libpq, every connection verifies the certificate and names its protocol.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(Some(Tls(Arc::new(config))))
}

fn read_roots(path: &Path) -> Result<RootCertStore, String> {
    let file = path.display();
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates =
        certificates.map_err(|error| format!("DATABASE_URL's sslrootcert cannot be read: {file}: {error}"))?;
    let mut roots = RootCertStore::empty();
    // The system's file holds hundreds. Some can be unusable.
    if roots.add_parsable_certificates(certificates).0 == 0 {
        return Err(format!("DATABASE_URL's sslrootcert contains no usable CA certificate: {file}"));
    }
    Ok(roots)
}

type Verified = Result<HandshakeSignatureValid, Error>;

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
            let verified =
                verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms);
            verified.map_err(|error| match error {
                // A CA of the same name with another key is another CA.
                Error::InvalidCertificate(CertificateError::BadSignature) => CertificateError::UnknownIssuer.into(),
                other => other,
            })?;
            if self.checks_name {
                verify_server_name(&certificate, name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer,
        signature: &DigitallySignedStruct,
    ) -> Verified {
        verify_tls12_signature(message, cert, signature, &self.algorithms)
    }

    /// Verifies with the public key itself, because rustls does not read every version of certificate. This check is
    /// needed for untrusted certificates, too: without it, channel binding proves nothing.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer,
        signature: &DigitallySignedStruct,
    ) -> Verified {
        let certificate = Certificate::try_from(&**cert).map_err(|_| CertificateError::BadEncoding)?;
        let key = SubjectPublicKeyInfoDer::from(certificate.public_key);
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Stream;
    type TlsConnect = Handshake;
    type Error = Cause;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, Cause> {
        Ok(Handshake { config: self.0.clone(), host: host.to_owned() })
    }
}

pub struct Handshake {
    config: Arc<ClientConfig>,
    host: String,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Stream;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Cause>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let name = ServerName::try_from(self.host)?;
            let stream = TlsConnector::from(self.config).connect(name, socket).await;
            stream.map(Stream).map_err(|error| match error.get_ref().and_then(|cause| cause.downcast_ref()) {
                Some(reason) => TlsError(describe(reason)).into(),
                None => error.into(),
            })
        })
    }
}

/// rustls's reason in the terms of certificates and settings.
fn describe(reason: &Error) -> String {
    let Error::InvalidCertificate(error) = reason else { return reason.to_string() };
    let problem = match error {
        CertificateError::UnknownIssuer => "is not signed by a CA in sslrootcert",
        CertificateError::BadSignature => {
            return "the server does not have the private key of its certificate".to_owned();
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet",
        CertificateError::Other(other) => match other.0.to_string().as_str() {
            "UnsupportedCertVersion" => {
                "is not X.509 version 3: openssl creates version 3 if the certificate has an extension such as subjectAltName"
            }
            "CaUsedAsEndEntity" => "is a CA certificate (CA:TRUE): sign one for the server with it",
            other => &format!("is invalid: {other}"),
        },
        other => &format!("is invalid: {other}"),
    };
    format!("the server's certificate {problem}")
}

pub struct Stream(client::TlsStream<Socket>);

impl TlsStream for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        let certificate = self.0.get_ref().1.peer_certificates().and_then(<[_]>::first);
        certificate
            .and_then(|certificate| Certificate::try_from(&**certificate).ok()?.channel_binding())
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
