//! What a forge is told about a commit: the rows of its statuses, and how they change with what
//! happens to runs.
//!
//! Pure: the rows that are known come in, those that changed go out. Contexts and the beginnings of
//! texts are those that branch protection rules and scripts know from the predecessor.

mod commit;
mod ended;
mod page;
mod row;
mod standing;
mod tell;
#[cfg(test)]
mod tests;
mod words;

pub use commit::CommitStatuses;
pub use ended::{Ended, State};
pub use page::Page;
use row::NO_RUN;
pub use row::{Cause, StatusPolicy, StatusRow, urgency};
pub use standing::Standing;
pub use tell::tell;
