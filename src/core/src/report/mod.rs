//! What a person reads about a run: one line for the step, one page for the log.

mod html;
mod reuse;
mod statistics;
pub mod status;
mod text;
mod unbuilt;
mod waiting;

pub use html::{escape, html};
pub use reuse::{Reuse, reuse};
pub use statistics::{costliest, costs};
pub use text::{short, text};
pub use unbuilt::{UnbuiltText, unbuilt};
pub use waiting::waiting;
