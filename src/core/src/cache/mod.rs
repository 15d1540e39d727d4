//! Stage `cache`: results that wait on a machine → calls of a tool that uploads them.
//!
//! Each cache has a folder of links, its queue ([`Queue`]): what is built is put there by the agent
//! that built it, and goes when it is uploaded ([`upload`]). It is on the machine that has the paths, so
//! that it outlives everything but that, and its links are gc roots, so that nothing is collected
//! before it is uploaded.
//!
//! What a cache is, is a [`Target`]; each kind has a file that knows its tool.

mod attic;
mod cachix;
mod niks3;
mod queue;
mod scratch;
mod store;
mod target;
#[cfg(test)]
mod tests;
mod upload;

pub use queue::Queue;
pub use target::{Target, TargetError};
pub use upload::{UploadRequest, Uploaded, upload};

/// Names of files in the folder of secrets.
pub mod secret {
    /// What logs in to a cachix cache.
    pub const CACHIX_AUTH_TOKEN: &str = "cachix-auth-token";
    /// What signs for a cachix cache that does not sign itself.
    pub const CACHIX_SIGNING_KEY: &str = "cachix-signing-key";
    /// What logs in to attic.
    pub const ATTIC_TOKEN: &str = "attic-token";
    /// What logs in to niks3.
    pub const NIKS3_AUTH_TOKEN: &str = "niks3-auth-token";
    /// Nix's key that signs paths.
    pub const SIGNING_KEY: &str = "signing-key";
    /// Passwords for https.
    pub const NETRC: &str = "netrc";
    /// AWS' shared credentials file.
    pub const AWS_CREDENTIALS: &str = "aws-credentials";
    /// Private key for ssh.
    pub const SSH_KEY: &str = "ssh-key";
}
