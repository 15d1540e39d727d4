//! How much of the machine one evaluation uses: how many evaluators, and how large they may grow.
//!
//! | step | file | reads |
//! |---|---|---|
//! | what the machine has | `machine` | `/proc`, `/sys` |
//! | who else evaluates here | `leases` | files that each evaluation holds a lock on |
//! | what one evaluation gets | `share` | nothing |
//! | what the kernel enforces, where it may | `hard` | `/sys`, and writes there |
//! | the answer at this moment | `open` | the above, every few seconds |

mod cgroup;
mod hard;
mod leases;
mod machine;
mod open;
mod share;

pub(super) use hard::{Group, Groups};
pub(super) use open::Budget;
pub(super) use share::Share;
