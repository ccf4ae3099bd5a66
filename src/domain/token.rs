//! API tokens as clients send them, and what is stored of them.

use std::hint::black_box;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use super::caller::Grant;

/// Makes a leaked token recognisable.
const PREFIX: &str = "dl_";
const RANDOM_BYTES: usize = 32;
/// 32 bytes are 43 digits in base64.
const LENGTH: usize = PREFIX.len() + 43;

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub grant: Grant,
    pub digest: TokenDigest,
}

/// A token as it is stored.
#[derive(Clone, Debug)]
pub struct StoredToken {
    pub token: Token,
    pub created_at: DateTime<Utc>,
    /// To within a few seconds.
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Generates a token: 46 characters that need no escaping in URLs, shells or headers.
pub fn generate() -> Result<String, getrandom::Error> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(PREFIX.to_owned() + &BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// The SHA-256 digest of a token. A slow hash is not needed, because 256 random bits cannot be guessed.
#[derive(Clone, Copy, Debug)]
pub struct TokenDigest(pub [u8; 32]);

impl TokenDigest {
    /// `None` if the text does not have the form of a token.
    pub fn of(token: &[u8]) -> Option<Self> {
        let is_well_formed = token.len() == LENGTH && token.starts_with(PREFIX.as_bytes());
        is_well_formed.then(|| Self(Sha256::digest(token).into()))
    }
}

impl PartialEq for TokenDigest {
    /// Takes the same time for all digests, so that timing reveals nothing.
    fn eq(&self, other: &Self) -> bool {
        black_box(self.0.iter().zip(other.0).fold(0, |differs, (one, other)| differs | (one ^ other))) == 0
    }
}

impl Eq for TokenDigest {}

#[cfg(test)]
mod tests {
    use super::{TokenDigest, generate};

    #[test]
    fn a_token_has_46_characters_and_no_two_are_equal() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        for token in [&one, &other] {
            assert_eq!((token.len(), &token[..3]), (46, "dl_"));
            assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
        }
        assert_ne!(one, other);
        assert!(TokenDigest::of(one.as_bytes()) == TokenDigest::of(one.as_bytes()));
        assert!(TokenDigest::of(one.as_bytes()) != TokenDigest::of(other.as_bytes()));
    }

    #[test]
    fn digests_are_equal_only_if_all_bytes_are() {
        let one = TokenDigest([7; 32]);
        for index in 0..32 {
            let mut other = [7; 32];
            other[index] = 8;
            assert!(one != TokenDigest(other), "{index}");
        }
        assert!(one == TokenDigest([7; 32]));
    }

    #[test]
    fn a_text_without_the_form_of_a_token_has_no_digest() {
        let token = generate().unwrap();
        for text in ["", "dl_", &token[1..], &format!("{token}x"), &token.replacen("dl_", "xx_", 1)] {
            assert!(TokenDigest::of(text.as_bytes()).is_none(), "{text}");
        }
    }
}
