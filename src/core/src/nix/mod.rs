//! Nix's names as validated types: parsed once, trusted afterwards.

mod attr_path;
mod store_path;
mod system;

pub use attr_path::AttrPath;
pub use store_path::{DrvPath, StorePath, StorePathError};
pub use system::{System, SystemError};
