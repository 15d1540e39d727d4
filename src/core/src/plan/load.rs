use std::path::{Path, PathBuf};

use crate::config::{Settings, WorkerEntry, load_settings, load_workers};
use crate::error::Error;
use crate::secret::{Secret, SecretFileError, SecretPlaces};

use super::{Database, MasterPlan, SecretPart, SecretPlan, master_plan, polled_projects};

/// A plan with what is needed to read its secrets.
#[derive(Debug, Clone)]
pub struct LoadedPlan {
    plan: MasterPlan,
    settings: Settings,
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
            plan,
            settings,
            places,
            workers,
        })
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

    /// Reads the secret called `name` in the plan; none if there is no such name.
    pub fn read_secret(&self, name: &str) -> Result<Option<Secret<String>>, SecretFileError> {
        let secret = self.plan.secrets.get(name);
        secret.map(|secret| self.read_part(secret)).transpose()
    }

    fn read_part(&self, secret: &SecretPlan) -> Result<Secret<String>, SecretFileError> {
        let text = secret.file.read(&self.places)?;
        let both = text.expose().split_once(':');
        match (secret.part, both) {
            (SecretPart::Whole, _) => Ok(text),
            (SecretPart::User, Some((user, _))) => Ok(Secret::new(user.to_owned())),
            (SecretPart::Password, Some((_, password))) => Ok(Secret::new(password.to_owned())),
            (SecretPart::User | SecretPart::Password, None) => Err(SecretFileError {
                key: secret.file.key().to_owned(),
                path: secret.file.path(&self.places).display().to_string(),
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
            let secret = loaded.read_secret(name.as_deref().unwrap()).unwrap();
            secret.unwrap().expose().clone()
        };
        assert_eq!(read(&secrets.https_user), "bot");
        assert_eq!(read(&secrets.https_password), "hunter:3");
        assert_eq!(loaded.read_secret("other").unwrap(), None);
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
