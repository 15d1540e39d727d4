use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::{Settings, WorkerEntry, load_settings, load_workers};
use crate::error::Error;
use crate::event::{self, Delivery};
use crate::forge::{ForgeKind, FullName, GitCredentials, HookSecrets, Repository};
use crate::secret::{Secret, SecretFile, SecretFileError, SecretPlaces};

use super::{
    Database, MasterPlan, SecretPart, SecretSource, forge_projects, master_plan, polled_projects,
};

/// A plan with what is needed to read its secrets.
#[derive(Debug, Clone)]
pub struct LoadedPlan {
    settings: Settings,
    plan: MasterPlan,
    places: SecretPlaces,
    workers: Vec<WorkerEntry>,
}

/// Whether files with secrets are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretFiles {
    /// The workers file is read, because workers are part of the plan.
    Read,
    /// None is read, for machines that do not have them; the plan has no workers but local ones.
    Skip,
}

impl LoadedPlan {
    /// Reads the settings file and the workers file and computes the plan.
    ///
    /// `credentials_directory` is `$CREDENTIALS_DIRECTORY`.
    pub fn load(
        settings_file: &Path,
        credentials_directory: Option<PathBuf>,
        secret_files: SecretFiles,
    ) -> Result<Self, Error> {
        let settings = load_settings(settings_file)?;
        let places = SecretPlaces {
            credentials_directory,
            settings_directory: settings_file.parent().unwrap_or(Path::new("")).to_owned(),
        };
        let workers = match secret_files {
            SecretFiles::Read => load_workers(&settings, &places)?,
            SecretFiles::Skip => Vec::new(),
        };
        Self::new(settings, places, workers, secret_files)
    }

    fn new(
        settings: Settings,
        places: SecretPlaces,
        workers: Vec<WorkerEntry>,
        secret_files: SecretFiles,
    ) -> Result<Self, Error> {
        let plan = master_plan(&settings, &polled_projects(&settings), &workers);
        if plan.workers.is_empty() && secret_files == SecretFiles::Read {
            let file = settings.nix_workers_secret_file.as_ref();
            let path = file.map(|file| file.path(&places).display().to_string());
            return Err(Error::Config(format!(
                "{}: there is no worker: expected at least one entry, or `local_workers` above 0",
                path.unwrap_or_default()
            )));
        }
        Ok(Self {
            settings,
            plan,
            places,
            workers,
        })
    }

    /// The same with projects of forges: their `repositories`, as discovery has found them.
    #[must_use]
    pub fn with_repositories(self, repositories: &[Repository]) -> Self {
        let (of_forges, notices) = forge_projects(&self.settings, repositories);
        let mut projects = polled_projects(&self.settings);
        projects.extend(of_forges);
        let mut plan = master_plan(&self.settings, &projects, &self.workers);
        plan.notices.extend(notices);
        Self { plan, ..self }
    }

    /// Verifies and reads a request to the webhook of `forge`. Reads the files with its secrets.
    pub fn receive(
        &self,
        forge: ForgeKind,
        headers: &BTreeMap<String, String>,
        body: &[u8],
    ) -> Result<Delivery, Error> {
        let common = match forge {
            ForgeKind::Github => self.settings.github.as_ref().map(|forge| &forge.common),
            ForgeKind::Gitea => self.settings.gitea.as_ref().map(|forge| &forge.common),
        };
        let common =
            common.ok_or_else(|| Error::Config(format!("the settings have no `{forge}`")))?;
        let secrets = HookSecrets::load(&common.webhook, &self.places)?;
        Ok(event::receive(forge, headers, body, |id| {
            secrets.accepted(id)
        })?)
    }

    /// The plan.
    pub fn plan(&self) -> &MasterPlan {
        &self.plan
    }

    /// The settings that it was made from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where the secrets are that the settings name.
    pub fn places(&self) -> &SecretPlaces {
        &self.places
    }

    /// The password of the workers of `machine`, an entry of the workers file.
    pub fn worker_password(&self, machine: &str) -> Option<&Secret<String>> {
        let entry = self.workers.iter().find(|entry| entry.name == machine)?;
        Some(&entry.pass)
    }

    /// The URL of Buildbot's database. Reads a file if the settings name one.
    pub fn database_url(&self) -> Result<Secret<String>, SecretFileError> {
        match &self.plan.database {
            Database::Url(url) => Ok(Secret::new(url.expose().to_owned())),
            Database::UrlFile(file) => file.read(&self.places),
        }
    }

    /// The secret called `name` in the plan; none if there is no such name.
    ///
    /// `mint` has a forge make credentials for one of its repositories, or for a submodule of it.
    /// What needs none has empty ones.
    pub fn read_secret(
        &self,
        name: &str,
        mint: impl FnOnce(&Repository, Option<&FullName>) -> Result<Option<GitCredentials>, Error>,
    ) -> Result<Option<Secret<String>>, Error> {
        let Some(secret) = self.plan.secrets.get(name) else {
            return Ok(None);
        };
        let minted = match &secret.source {
            SecretSource::File(file) => return Ok(Some(self.read_part(file, secret.part)?)),
            SecretSource::Minted(repository) => mint(repository, None)?,
            // Most commits do without it, and of those that do not git says so.
            SecretSource::MintedForSubmodule { of, name } => {
                mint(of, Some(name)).unwrap_or_else(|error| {
                    tracing::warn!(%error, "a submodule is fetched without credentials");
                    None
                })
            }
        };
        let minted = minted.map(|credentials| match secret.part {
            SecretPart::Whole | SecretPart::Password => credentials.password,
            SecretPart::User => Secret::new(credentials.user),
        });
        Ok(Some(minted.unwrap_or_else(|| Secret::new(String::new()))))
    }

    fn read_part(
        &self,
        file: &SecretFile,
        part: SecretPart,
    ) -> Result<Secret<String>, SecretFileError> {
        let text = file.read(&self.places)?;
        let both = text.expose().split_once(':');
        match (part, both) {
            (SecretPart::Whole, _) => Ok(text),
            (SecretPart::User, Some((user, _))) => Ok(Secret::new(user.to_owned())),
            (SecretPart::Password, Some((_, password))) => Ok(Secret::new(password.to_owned())),
            (SecretPart::User | SecretPart::Password, None) => Err(SecretFileError {
                key: file.key().to_owned(),
                path: file.path(&self.places).display().to_string(),
                reason: "it holds no colon: expected `user:password`".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: &str = "
url: https://ci.example.org
build_systems: [x86_64-linux]
nix_workers_secret_file: workers.json
db_url_file: db
pull_based:
  repositories:
    site: {url: https://host/site, default_branch: main, credentials_file: site-credentials}
";

    fn folder(workers: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("settings.yaml", SETTINGS);
        write("workers.json", workers);
        write("db", "postgresql://ci:hunter2@db/ci\n");
        write("site-credentials", "bot:hunter:3\n");
        folder
    }

    fn load(folder: &tempfile::TempDir, secret_files: SecretFiles) -> Result<LoadedPlan, Error> {
        LoadedPlan::load(&folder.path().join("settings.yaml"), None, secret_files)
    }

    #[test]
    fn secrets_are_read_by_name_and_shown_nowhere() {
        let folder = folder(r#"[{"name": "eve", "pass": "hunter1", "cores": 2}]"#);
        let loaded = load(&folder, SecretFiles::Read).unwrap();
        assert_eq!(loaded.worker_password("eve").unwrap().expose(), "hunter1");
        assert_eq!(loaded.worker_password("adam"), None);
        assert_eq!(
            loaded.database_url().unwrap().expose(),
            "postgresql://ci:hunter2@db/ci"
        );
        let secrets = &loaded.plan().projects[0].git_secrets;
        let read = |name: &Option<String>| {
            let mint = |_: &Repository, _: Option<&FullName>| unreachable!("it is in a file");
            let secret = loaded.read_secret(name.as_deref().unwrap(), mint).unwrap();
            secret.unwrap().expose().clone()
        };
        assert_eq!(read(&secrets.https_user), "bot");
        assert_eq!(read(&secrets.https_password), "hunter:3");
        let is_hidden =
            |name: &Option<String>| loaded.plan().hides_secret(name.as_deref().unwrap());
        assert!(!is_hidden(&secrets.https_user) && is_hidden(&secrets.https_password));
        let mint = |_: &Repository, _: Option<&FullName>| unreachable!("it is nowhere");
        assert_eq!(loaded.read_secret("other", mint).unwrap(), None);
        let shown = format!(
            "{loaded:?}{}",
            serde_json::to_string(loaded.plan()).unwrap()
        );
        assert!(!shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn a_master_without_workers_is_refused() {
        let folder = folder("[]");
        let error = load(&folder, SecretFiles::Read).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("workers.json: there is no worker")
        );
        assert!(load(&folder, SecretFiles::Skip).is_ok());
    }

    #[test]
    fn a_missing_workers_file_is_no_mistake_of_the_settings() {
        let folder = folder("[]");
        std::fs::remove_file(folder.path().join("workers.json")).unwrap();
        let error = load(&folder, SecretFiles::Read).unwrap_err();
        assert!(matches!(error, Error::Secret(_)), "{error}");
    }
}
