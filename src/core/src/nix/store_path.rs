use std::fmt;

use serde::{Deserialize, Serialize};

/// An absolute path of an object directly in a Nix store, e.g. `/nix/store/<hash>-hello-1.0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorePath(String);

/// The store path of a derivation: a [`StorePath`] that ends in `.drv`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DrvPath(StorePath);

/// A text that is no store path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorePathError {
    /// Not `<store>/<32 characters>-<name>`.
    #[error("`{0}` is no store path")]
    Malformed(String),
    /// A store path, but not of a derivation.
    #[error("`{0}` is no derivation: its name does not end in `.drv`")]
    NotADerivation(String),
}

/// Characters of a digest in a store path (Nix's base 32).
const DIGEST_LENGTH: usize = 32;
/// Nix refuses longer names.
const NAME_LENGTH_MAX: usize = 211;

impl StorePath {
    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `<hash>-<name>`, the part after the store directory.
    pub fn base_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The name without hash, e.g. `hello-1.0`.
    pub fn name(&self) -> &str {
        self.base_name()
            .get(DIGEST_LENGTH + 1..)
            .unwrap_or_default()
    }
}

impl DrvPath {
    /// The whole path.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The same as a path like any other.
    pub fn as_store_path(&self) -> &StorePath {
        &self.0
    }

    /// The derivation's name, without hash and `.drv`.
    pub fn name(&self) -> &str {
        let name = self.0.name();
        name.strip_suffix(".drv").unwrap_or(name)
    }
}

impl TryFrom<String> for StorePath {
    type Error = StorePathError;

    fn try_from(path: String) -> Result<Self, StorePathError> {
        let well_formed = path.rsplit_once('/').is_some_and(|(store, base)| {
            let mut bytes = base.bytes();
            let digest_is_base32 = bytes
                .by_ref()
                .take(DIGEST_LENGTH)
                .filter(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
                .count()
                == DIGEST_LENGTH;
            let name_length = base.len().saturating_sub(DIGEST_LENGTH + 1);
            store.starts_with('/')
                && digest_is_base32
                && bytes.next() == Some(b'-')
                && (1..=NAME_LENGTH_MAX).contains(&name_length)
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-._?=".contains(&byte))
        });
        if well_formed {
            Ok(Self(path))
        } else {
            Err(StorePathError::Malformed(path))
        }
    }
}

impl TryFrom<String> for DrvPath {
    type Error = StorePathError;

    fn try_from(path: String) -> Result<Self, StorePathError> {
        let path = StorePath::try_from(path)?;
        if path.as_str().as_bytes().ends_with(b".drv") {
            Ok(Self(path))
        } else {
            Err(StorePathError::NotADerivation(path.0))
        }
    }
}

impl std::str::FromStr for StorePath {
    type Err = StorePathError;

    fn from_str(path: &str) -> Result<Self, StorePathError> {
        Self::try_from(path.to_owned())
    }
}

impl std::str::FromStr for DrvPath {
    type Err = StorePathError;

    fn from_str(path: &str) -> Result<Self, StorePathError> {
        Self::try_from(path.to_owned())
    }
}

impl From<StorePath> for String {
    fn from(path: StorePath) -> Self {
        path.0
    }
}

impl From<DrvPath> for String {
    fn from(path: DrvPath) -> Self {
        path.0.0
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for DrvPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh";

    #[test]
    fn a_derivation_is_a_store_path_that_ends_in_drv() {
        let drv: DrvPath = format!("/nix/store/{HASH}-hello-1.0.drv").parse().unwrap();
        assert_eq!(drv.name(), "hello-1.0");
        let out = format!("/nix/store/{HASH}-hello-1.0");
        assert_eq!(
            out.parse::<DrvPath>(),
            Err(StorePathError::NotADerivation(out.clone()))
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            String::new(),
            "/nix/store/".to_owned(),
            format!("{HASH}-relative"),
            format!("/nix/store/{HASH}-"),
            format!("/nix/store/{HASH}-a b"),
            format!("/nix/store/{HASH}-a/../b"),
            format!("/nix/store/{}-short", &HASH[1..]),
            format!("/nix/store/{HASH}-{}", "x".repeat(212)),
        ] {
            assert_eq!(
                bad.parse::<StorePath>(),
                Err(StorePathError::Malformed(bad.clone()))
            );
        }
    }
}
