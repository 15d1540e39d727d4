//! Memory of evaluations: what a tree came to once is not worked out again.
//!
//! [`files_key`] names what an evaluation depends on, or says that this cannot be told; a
//! [`Store`] has the machine lines of complete evaluations by [`Key`]. The memory belongs to the
//! machine that evaluated, because its store has the derivations. Runs git and Nix.

mod checkout;
mod key;
mod lock;
mod own_commit;
mod store;

pub(crate) use checkout::files_key;
pub(crate) use key::Key;
pub(crate) use store::{Recalled, Remembered, Store};
