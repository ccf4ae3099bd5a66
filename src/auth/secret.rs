//! A token as it is sent, and its digest, which is all that is kept of it.

use std::hint::black_box;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// What every token begins with, so that one which lies about is known for what it is.
const PREFIX: &str = "dl_";
/// Of which it is made.
const RANDOM_BYTES: usize = 32;
/// With the prefix: 32 bytes are 43 digits.
const LENGTH: usize = PREFIX.len() + 43;

/// A new token, out of the system's randomness: 46 characters that need no escaping anywhere.
pub fn draw() -> Result<String, getrandom::Error> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(PREFIX.to_owned() + &BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// SHA-256 of a token. What is drawn from so many needs no slower one.
#[derive(Clone, Copy, Debug)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of a token; none where the text cannot be one.
    #[must_use]
    pub fn of(token: &[u8]) -> Option<Self> {
        let is_like_one = token.len() == LENGTH && token.starts_with(PREFIX.as_bytes());
        is_like_one.then(|| Self(Sha256::digest(token).into()))
    }
}

impl PartialEq for Digest {
    /// In the same time whether they differ early, late or not at all.
    fn eq(&self, other: &Self) -> bool {
        black_box(self.0.iter().zip(other.0).fold(0, |differs, (one, other)| differs | (one ^ other))) == 0
    }
}

impl Eq for Digest {}

#[cfg(test)]
mod tests {
    use super::{Digest, draw};

    #[test]
    fn a_token_is_46_characters_and_no_two_are_the_same() {
        let (one, other) = (draw().unwrap(), draw().unwrap());
        for token in [&one, &other] {
            assert_eq!((token.len(), &token[..3]), (46, "dl_"));
            assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
        }
        assert_ne!(one, other);
        assert!(Digest::of(one.as_bytes()) == Digest::of(one.as_bytes()));
        assert!(Digest::of(one.as_bytes()) != Digest::of(other.as_bytes()));
    }

    #[test]
    fn digests_are_the_same_only_where_all_bytes_are() {
        let one = Digest([7; 32]);
        for place in 0..32 {
            let mut other = [7; 32];
            other[place] = 8;
            assert!(one != Digest(other), "{place}");
        }
        assert!(one == Digest([7; 32]));
    }

    #[test]
    fn what_cannot_be_a_token_is_not_even_digested() {
        let token = draw().unwrap();
        for text in ["", "dl_", &token[1..], &format!("{token}x"), &token.replace("dl_", "xx_")] {
            assert!(Digest::of(text.as_bytes()).is_none(), "{text}");
        }
    }
}
