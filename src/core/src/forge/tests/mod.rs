//! The adapters against doubles that answer as the forges' documents say.

mod connections;
mod double;
mod examine;
mod faults;
mod gitea;
mod github;
mod modes;
mod statuses;
mod tokens;

use double::Double;
