//! The fields of a certificate that rustls does not expose. Certificates of every X.509 version are read: rustls reads
//! version 3 only, and many PostgreSQL servers have one of version 1.

use der::{
    Reader as _, SliceReader,
    asn1::{AnyRef, ObjectIdentifier},
};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

pub struct Certificate<'a> {
    der: &'a [u8],
    /// A `SubjectPublicKeyInfo`, as DER.
    pub public_key: &'a [u8],
    signature_algorithm: ObjectIdentifier,
}

impl<'a> TryFrom<&'a [u8]> for Certificate<'a> {
    type Error = der::Error;

    fn try_from(der: &'a [u8]) -> der::Result<Self> {
        let mut certificate = sequence(der)?;
        let mut signed = sequence(certificate.tlv_bytes()?)?;
        let mut algorithm = sequence(certificate.tlv_bytes()?)?;
        // The version, which version 1 leaves out, then serial number, algorithm, issuer, validity and subject.
        let skipped = if signed.peek_byte() == Some(0xa0) { 6 } else { 5 };
        for _ in 0..skipped {
            signed.tlv_bytes()?;
        }
        Ok(Self { der, public_key: signed.tlv_bytes()?, signature_algorithm: algorithm.decode()? })
    }
}

fn sequence(der: &[u8]) -> der::Result<SliceReader<'_>> {
    SliceReader::new(AnyRef::try_from(der)?.value())
}

impl Certificate<'_> {
    /// `tls-server-end-point` of RFC 5929: the certificate's hash, by the hash algorithm of its signature, with SHA-256
    /// instead of MD5 and SHA-1. Signatures without a hash algorithm, such as Ed25519 and RSA-PSS, have none.
    pub fn channel_binding(&self) -> Option<Vec<u8>> {
        match self.signature_algorithm.to_string().as_str() {
            // RSA with MD5, SHA-1 and SHA-256, ECDSA with SHA-1 and SHA-256.
            "1.2.840.113549.1.1.4"
            | "1.2.840.113549.1.1.5"
            | "1.2.840.113549.1.1.11"
            | "1.2.840.10045.4.1"
            | "1.2.840.10045.4.3.2" => Some(Sha256::digest(self.der).to_vec()),
            "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(Sha384::digest(self.der).to_vec()),
            "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(Sha512::digest(self.der).to_vec()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    /// The public key is empty, and the signature is ECDSA with SHA-384.
    fn certificate(version: &[u8]) -> Vec<u8> {
        let before = [version, &element(2, &[1]), &element(0x30, b"a"), &[0x30, 0], &[0x30, 0], &[0x30, 0]].concat();
        let signed = element(0x30, &[before, vec![0x30, 2, 5, 0], element(0xa3, b"more")].concat());
        let algorithm = element(0x30, &element(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3]));
        element(0x30, &[signed, algorithm, element(3, &[0])].concat())
    }

    #[test]
    fn certificates_of_every_version_have_a_key_and_a_channel_binding() {
        for version in [element(0xa0, &element(2, &[2])), Vec::new()] {
            let der = certificate(&version);
            let certificate = Certificate::try_from(der.as_slice()).unwrap();
            assert_eq!(certificate.public_key, [0x30, 2, 5, 0]);
            assert_eq!(certificate.channel_binding().unwrap(), Sha384::digest(&der).to_vec());
        }
    }

    #[test]
    fn a_truncated_certificate_is_invalid() {
        let der = certificate(&[]);
        for end in 0..der.len() {
            assert!(Certificate::try_from(&der[..end]).is_err(), "{end}");
        }
    }
}
