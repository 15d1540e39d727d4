use std::collections::BTreeMap;
use std::path::PathBuf;

use buildbot_nix_core::eval::{Isolation, SandboxChoice};
use clap::ValueEnum;

/// What the evaluator may see and do.
#[derive(Debug, clap::Args)]
pub(super) struct IsolationArguments {
    /// Evaluate in bubblewrap, without homes, other checkouts and secrets
    #[arg(long, value_enum, default_value_t = Sandbox::Off)]
    sandbox: Sandbox,
    /// Let the sandbox read PATH too; can be given several times
    #[arg(long, value_name = "PATH")]
    sandbox_path: Vec<PathBuf>,
    /// Keep what a sandboxed evaluation fetches for others of the same NAME
    #[arg(long, value_name = "NAME")]
    fetch_cache: Option<String>,
    /// Take this setting from the flake's `nixConfig`; can be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_setting)]
    allow_nix_config: Vec<(String, String)>,
    /// Let the evaluation build nothing
    #[arg(long)]
    no_import_from_derivation: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sandbox {
    /// Where it works; elsewhere a warning tells
    Auto,
    /// Fail where it does not work
    Required,
    /// No
    Off,
}

impl IsolationArguments {
    pub(super) fn isolation(&self) -> Isolation {
        let mut nix_config_allow: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in &self.allow_nix_config {
            let values = nix_config_allow.entry(name.clone()).or_default();
            values.push(value.clone());
        }
        Isolation {
            sandbox: match self.sandbox {
                Sandbox::Auto => SandboxChoice::Auto,
                Sandbox::Required => SandboxChoice::Required,
                Sandbox::Off => SandboxChoice::Off,
            },
            sandbox_paths: self.sandbox_path.clone(),
            fetch_cache: self.fetch_cache.clone(),
            nix_config_allow,
            import_from_derivation: !self.no_import_from_derivation,
        }
    }
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected the name of a setting, `=` and its value".to_owned()),
    }
}
