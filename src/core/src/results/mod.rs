//! Results that are kept from the garbage collector, branch by branch, until something newer takes
//! their place or their attribute is gone.
//!
//! Each project has a folder below Nix's own folder of roots, where links are roots by themselves:
//!
//! | link | to |
//! |---|---|
//! | `<attribute>` | output `out` of an attribute of the default branch, as the predecessor has it |
//! | `<attribute>^<output>` | another output |
//! | `^<branch>/…` | the same for another branch |
//! | `^^…` | what is being made |
//!
//! `^` is in no name that [`component`] returns, so that no attribute has the link of another one's
//! output. Who reads links sees the old result or the new one, never none.
//!
//! A build makes the links of its attribute ([`GcRoot`]). What needed no build gets them at the end
//! of the run, all at once ([`keep`]), from a list that the evaluation has left ([`Listing`]); links
//! of attributes that are gone go then.

mod component;
mod forget;
mod gone;
mod keep;
mod link;
mod listing;
mod outputs;
#[cfg(test)]
mod outputs_tests;
mod place;

pub use component::component;
pub use forget::{Branches, Existing, forget};
pub use keep::{Kept, keep};
pub use listing::Listing;
pub use outputs::{OutputFiles, Paths, Results, forget_outputs, project_outputs};
pub use place::{branch_folder, project_folder, users_folder};

pub(crate) use link::GcRoot;
