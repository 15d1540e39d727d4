//! What commands that read a settings file have in common.

use std::path::PathBuf;

use buildbot_nix_core::error::Error;
use buildbot_nix_core::plan::{LoadedPlan, SecretFiles};

#[derive(Debug, clap::Args)]
pub(crate) struct SettingsFile {
    /// The settings file, YAML or JSON
    #[arg(default_value = "settings.yaml")]
    file: PathBuf,

    /// Do not read the files with secrets that the settings name
    ///
    /// For machines that do not have them, e.g. where a configuration is built. Workers are left
    /// out then, because they are listed in such a file.
    #[arg(long)]
    without_secrets: bool,
}

impl SettingsFile {
    /// The plan for it. Bare names of secrets are looked up as the master does.
    pub(crate) fn load(&self) -> Result<LoadedPlan, Error> {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let secret_files = if self.without_secrets {
            SecretFiles::Skip
        } else {
            SecretFiles::Read
        };
        LoadedPlan::load(&self.file, credentials, secret_files)
    }
}
