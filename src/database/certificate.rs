//! What a handshake needs of a certificate beside its verification, of any version of X.509.

use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// The parts of a certificate, as DER.
pub struct Certificate<'a> {
    der: &'a [u8],
    /// A `SubjectPublicKeyInfo`.
    pub public_key: &'a [u8],
    /// The object identifier, without its head.
    signature_algorithm: &'a [u8],
}

impl<'a> Certificate<'a> {
    pub fn read(der: &'a [u8]) -> Option<Self> {
        let mut certificate = Element::take(&mut { der })?.content;
        let mut signed = Element::take(&mut certificate)?.content;
        let mut algorithm = Element::take(&mut certificate)?.content;
        // Version (if any), serial number, algorithm, issuer, validity, subject.
        let before = if signed.first() == Some(&0xa0) { 6 } else { 5 };
        for _ in 0..before {
            Element::take(&mut signed)?;
        }
        let public_key = Element::take(&mut signed)?.whole;
        Some(Self { der, public_key, signature_algorithm: Element::take(&mut algorithm)?.content })
    }

    /// RFC 5929's `tls-server-end-point`: by the hash of the certificate's own signature, SHA-256 for the weaker ones.
    /// None for signatures that have no hash of their own, such as Ed25519 and RSA-PSS.
    pub fn channel_binding(&self) -> Option<Vec<u8>> {
        match self.signature_algorithm {
            // RSA with MD5, SHA-1, SHA-256; ECDSA with SHA-1, SHA-256.
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4 | 5 | 11]
            | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1]
            | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2] => Some(Sha256::digest(self.der).to_vec()),
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3] => {
                Some(Sha384::digest(self.der).to_vec())
            }
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4] => {
                Some(Sha512::digest(self.der).to_vec())
            }
            _ => None,
        }
    }
}

/// One element of DER.
struct Element<'a> {
    content: &'a [u8],
    whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// Takes the first one.
    fn take(text: &mut &'a [u8]) -> Option<Self> {
        let [_tag, length, rest @ ..] = *text else { return None };
        let (length, rest) = if *length < 0x80 {
            (usize::from(*length), rest)
        } else {
            let (bytes, rest) =
                rest.split_at_checked(usize::from(*length & 0x7f)).filter(|(bytes, _)| bytes.len() < 4)?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        let whole = &text[..text.len() - rest.len()];
        *text = rest;
        Some(Self { content, whole })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, 0x82, 0, u8::try_from(content.len()).unwrap()], content].concat()
    }

    /// With a public key that is two bytes long, signed by ECDSA with SHA-384.
    fn certificate(version: &[u8]) -> Vec<u8> {
        let before = [version, &element(2, &[1]), &element(0x30, b"a"), &[0x30, 0], &[0x30, 0], &[0x30, 0]].concat();
        let signed = element(0x30, &[before, vec![0x30, 2, 5, 0], element(0xa3, b"more")].concat());
        let algorithm = element(0x30, &element(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3]));
        element(0x30, &[signed, algorithm, element(3, &[0])].concat())
    }

    #[test]
    fn the_key_and_the_signature_are_found_in_every_version() {
        for version in [element(0xa0, &element(2, &[2])), Vec::new()] {
            let der = certificate(&version);
            let certificate = Certificate::read(&der).unwrap();
            assert_eq!(certificate.public_key, [0x30, 2, 5, 0]);
            assert_eq!(certificate.channel_binding().unwrap(), Sha384::digest(&der).to_vec());
        }
    }

    #[test]
    fn what_breaks_off_or_overflows_is_no_certificate() {
        let der = certificate(&[]);
        for end in 0..der.len() {
            assert!(Certificate::read(&der[..end]).is_none(), "{end}");
        }
        for length in [&[0x80][..], &[0x84, 0xff, 0xff, 0xff, 0xff], &[0xff], &[0x83, 0xff, 0xff, 0xff]] {
            assert!(Certificate::read(&[&[0x30], length, &der].concat()).is_none());
        }
    }
}
