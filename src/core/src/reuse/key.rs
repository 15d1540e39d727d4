use std::fmt::Write as _;

use nix_derivation::{HashAlgorithm, hash_bytes};

/// Counts changes of what is remembered or of how an evaluation is done.
const REVISION: &str = "1";

/// Everything that the result of an evaluation depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(Vec<[String; 2]>);

impl Key {
    /// A key that only this version of the agent makes.
    pub(super) fn new() -> Self {
        let mut key = Self(Vec::new());
        key.add("agent", env!("CARGO_PKG_VERSION"));
        key.add("revision", REVISION);
        key
    }

    /// Makes the result depend on `value` as well.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.0.push([name.to_owned(), value.to_owned()]);
    }

    /// The key as one word.
    pub(super) fn digest(&self) -> String {
        // Quoted, so that what is next to each other is kept apart.
        digest(format!("{:?}", self.0).as_bytes())
    }
}

/// The SHA-256 hash of `bytes` in hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    let hash = hash_bytes(HashAlgorithm::Sha256, bytes);
    let mut text = String::new();
    for byte in hash.digest_as_bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_apart() {
        let key = |parts: &[[&str; 2]]| {
            let mut key = Key::new();
            for [name, value] in parts {
                key.add(name, value);
            }
            key.digest()
        };
        assert_eq!(key(&[["a", "b"]]), key(&[["a", "b"]]));
        let different = [
            key(&[["a", "b"], ["c", "d"]]),
            key(&[["a", "b\", \"c"], ["c", "d"]]),
            key(&[["a", "bc"], ["", "d"]]),
            key(&[["c", "d"], ["a", "b"]]),
        ];
        for (index, digest) in different.iter().enumerate() {
            assert_eq!(digest.len(), 64);
            assert!(!different.iter().skip(index + 1).any(|it| it == digest));
        }
    }
}
