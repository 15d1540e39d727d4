//! Everything buildbot-nix knows that needs neither Python nor Buildbot.
//!
//! | stage | module | in → out |
//! |---|---|---|
//! | settings | [`config`] | settings file → [`config::Settings`], or all problems at once |
//! | event | [`event`] | what a forge sends → verified event → change, cancellation or reason |
//! | plan | [`plan`] | settings → [`plan::MasterPlan`]: plain data that Python materialises |
//! | checkout | [`checkout`] | repository, revision → clean working tree |
//! | eval | [`eval`] | checkout → evaluator processes → machine lines |
//! | jobs, graph | [`run`], [`graph`] | machine lines → jobs → what may be built now |
//! | graph | [`feed`] | runs that have builds → whose is next on the machine |
//! | build | [`build`] | one job → realise, gc root → outcome |
//! | cache | [`cache`] | results that wait → uploads |
//! | report | [`report`] | outcomes → summary, failures first |
//! | forge | [`forge`] | settings of a forge → its repositories, webhooks, statuses, answers |
//! | outbox | [`outbox`] | statuses that a forge does not have → which to send now |
//!
//! [`nix`] holds the validated names, [`daemon`] asks Nix's daemon, [`machine_line`] what the agent on a worker prints for the
//! master, [`run_roots`] where the derivations of a run are kept, [`results`] where what was built is. Modules are pure unless their text says that they run processes.

pub mod agent;
pub mod auth;
pub mod build;
pub mod cache;
pub mod checkout;
pub mod config;
pub mod daemon;
pub mod error;
pub mod eval;
pub mod event;
pub mod feed;
pub mod forge;
#[cfg(test)]
mod fuzz_corpus;
pub mod graph;
pub mod machine_line;
pub mod nix;
pub mod outbox;
pub mod patches;
pub mod placement;
pub mod plan;
pub mod post_build;
pub mod process;
pub mod repo_config;
pub mod report;
pub mod results;
pub mod reuse;
pub mod run;
pub mod run_roots;
pub mod scaffold;
pub mod secret;
