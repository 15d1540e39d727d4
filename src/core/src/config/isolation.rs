use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::node::{Node, Value};
use super::table::{Read, Table};
use super::value::{self, Mismatch, Parsed, describe};

/// What evaluators may see and do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IsolationSettings {
    /// Whether they run in bubblewrap.
    pub sandbox: SandboxMode,
    /// What they can read there besides what every evaluator can.
    pub sandbox_paths: Vec<PathBuf>,
    /// Settings that are taken from a flake's `nixConfig`: values by name.
    pub nix_config_allow: BTreeMap<String, Vec<String>>,
    /// Whether they may build what the evaluation itself needs.
    pub import_from_derivation: bool,
}

/// Whether evaluators run in bubblewrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxMode {
    /// Where it works; elsewhere every evaluation warns.
    #[default]
    Auto,
    /// Where it does not work, nothing is evaluated.
    Required,
    /// No.
    Off,
}

impl SandboxMode {
    /// The word in settings and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Required => "required",
            Self::Off => "off",
        }
    }
}

pub(super) fn isolation(table: &Table) -> Read<IsolationSettings> {
    let sandbox = table.optional("eval_sandbox", mode, SandboxMode::Auto);
    let sandbox_paths = table.optional("eval_sandbox_paths", paths, Vec::new());
    let nix_config_allow = table.optional("nix_config_allow", allowed, BTreeMap::new());
    let import = table.optional("allow_import_from_derivation", value::boolean, true);
    Ok(IsolationSettings {
        sandbox: sandbox?,
        sandbox_paths: sandbox_paths?,
        nix_config_allow: nix_config_allow?,
        import_from_derivation: import?,
    })
}

fn mode(value: &Value) -> Parsed<SandboxMode> {
    let modes = [SandboxMode::Auto, SandboxMode::Required, SandboxMode::Off];
    let mismatch = Mismatch::expected("`auto`, `required` or `off`");
    match value {
        Value::Text(text) => modes.into_iter().find(|mode| mode.as_str() == text),
        _ => None,
    }
    .ok_or(mismatch)
}

fn paths(value: &Value) -> Parsed<Vec<PathBuf>> {
    let expected = "a list of absolute paths such as `[/srv/fonts]`";
    let paths = texts(value, expected)?;
    match paths.iter().find(|path| !path.starts_with('/')) {
        Some(path) => {
            Err(Mismatch::expected(expected).hint(format!("`{path}` does not begin with `/`")))
        }
        None => Ok(paths.into_iter().map(PathBuf::from).collect()),
    }
}

fn allowed(value: &Value) -> Parsed<BTreeMap<String, Vec<String>>> {
    let expected = "lists of values by name of a Nix setting, such as \
                    `{extra-substituters: [\"https://cache.example.org\"]}`";
    let Value::Table(entries) = value else {
        return Err(Mismatch::expected(expected));
    };
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let read = entries.iter().map(|entry| {
        if is_name(&entry.key) {
            Ok((entry.key.clone(), texts(&entry.node.value, expected)?))
        } else {
            Err(Mismatch::expected(expected).hint("names have only letters, digits and `-`"))
        }
    });
    read.collect()
}

pub(super) fn texts(value: &Value, expected: &str) -> Parsed<Vec<String>> {
    let Value::List(items) = value else {
        return Err(Mismatch::expected(expected));
    };
    let read = items.iter().map(|Node { line, value }| {
        value::text(value).map_err(|mismatch| Mismatch {
            expected: expected.to_owned(),
            found: Some(format!("{} on line {line}", describe(value))),
            ..mismatch
        })
    });
    read.collect()
}
