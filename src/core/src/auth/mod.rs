//! Who may see and do what. [`Policy::decide`] is the one place that knows; it is pure. Log-in
//! finds out who somebody is.

mod account;
pub mod login;
mod policy;
mod rights;

pub use account::{Account, Membership, Provider, Team, UnknownProvider, User};
pub use policy::{Action, Admin, Decision, MembersBy, Object, Owner, Policy, Reason};
pub use rights::rights_table;
