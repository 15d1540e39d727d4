//! Stage checkout: repository and revision → a clean working tree, and what exactly is in it.
//!
//! Runs git. A machine has one bare clone of a repository ([`cache`]), which several processes
//! share; every slot has a checkout of its own ([`tree`]) whose `.git` is complete: its packs are
//! hard links to those of the clone. So an evaluator that sees nothing but its checkout can read
//! it, and neither maintenance nor loss of the clone can disturb a run.
//!
//! Pull requests are merged into the tip of their base branch without a working tree ([`merge`]).

mod cache;
mod credentials;
mod failure;
mod fetch;
mod git;
mod lock;
mod maintenance;
mod merge;
mod name;
mod packs;
mod request;
mod run;
mod submodules;
mod tree;

pub use credentials::{HTTPS_PASSWORD, HTTPS_USER, SSH_KEY, SSH_KNOWN_HOSTS, submodule_files};
pub use name::{NameError, RefName, Revision};
pub use request::{Request, default_cache_dir};
pub use run::checkout;
