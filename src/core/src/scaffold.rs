//! Stage: before settings. In: this machine's system and places, a number of workers, a fresh
//! password. Out: the files of a folder in which a master and its workers run, from the templates in
//! `python/`.
//!
//! Pure: the caller writes the files and brings the randomness.

use serde_json::json;

use crate::nix::System;
use crate::secret::Secret;

/// Name of the only machine in the workers file.
pub const MACHINE: &str = "worker";

/// One file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaffoldFile {
    /// Its name in the folder.
    pub name: &'static str,
    /// Its text.
    pub text: Secret<String>,
    /// Whether only its owner may read it.
    pub private: bool,
}

/// Where things are on this machine, for the units of systemd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The new folder, absolute.
    pub folder: String,
    /// The folder with `buildbot` and `twistd`, absolute.
    pub programs: String,
    /// `PATH` of whoever makes the folder.
    pub path: String,
    /// Who runs the services.
    pub user: String,
}

impl Places {
    /// `PATH` with the folder of programs, which is that of a virtual environment that nobody has to
    /// activate: the agent is there too.
    fn path_of_units(&self) -> String {
        if self.path.split(':').any(|folder| folder == self.programs) {
            return self.path.clone();
        }
        format!("{}:{}", self.programs, self.path)
    }
}

/// The files of a new folder: settings for a try on this machine, and what starts it.
pub fn scaffold(
    system: &System,
    workers: u32,
    password: &Secret<String>,
    places: &Places,
) -> Vec<ScaffoldFile> {
    let path = places.path_of_units();
    let unit = |template: &str| {
        [
            ("@folder@", &places.folder),
            ("@programs@", &places.programs),
            ("@path@", &path),
            ("@user@", &places.user),
        ]
        .iter()
        // `%` begins what systemd replaces.
        .fold(template.to_owned(), |text, (name, value)| {
            text.replace(name, &value.replace('%', "%%"))
        })
        .replace("@name@", MACHINE)
        .replace("@count@", &workers.to_string())
    };
    let master_unit = unit(include_str!("../../../python/buildbot-nix-master.service"));
    let worker_unit = unit(include_str!("../../../python/buildbot-nix-worker.service"));
    let settings =
        include_str!("../../../python/settings.yaml").replace("@system@", system.as_str());
    let entry = json!([{ "name": MACHINE, "pass": password.expose(), "cores": workers }]);
    let file = |name, text: &str, private| ScaffoldFile {
        name,
        text: Secret::new(text.to_owned()),
        private,
    };
    vec![
        file("settings.yaml", &settings, false),
        file(
            "master.cfg",
            include_str!("../../../python/master.cfg"),
            false,
        ),
        file(
            "buildbot.tac",
            include_str!("../../../python/buildbot.tac"),
            false,
        ),
        file(
            "worker.tac",
            include_str!("../../../python/worker.tac"),
            false,
        ),
        file("buildbot-nix-master.service", &master_unit, false),
        file("buildbot-nix-worker.service", &worker_unit, false),
        file("workers.json", &format!("{entry}\n"), true),
        file("worker-password", &format!("{}\n", password.expose()), true),
    ]
}

/// What Nix calls a machine with `architecture` and `operating_system` of
/// [`std::env::consts`]; none if Nix does not know it.
pub fn nix_system(architecture: &str, operating_system: &str) -> Option<System> {
    let cpu = match architecture {
        "x86" => "i686",
        "arm" => "armv7l",
        other => other,
    };
    let kernel = match operating_system {
        "macos" => "darwin",
        other => other,
    };
    format!("{cpu}-{kernel}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{parse_settings, parse_workers};
    use crate::plan::{master_plan, polled_projects, render};

    fn files() -> Vec<ScaffoldFile> {
        let system = nix_system("aarch64", "macos").unwrap();
        let places = Places {
            folder: "/srv/ci 100%".to_owned(),
            programs: "/opt/venv/bin".to_owned(),
            path: "/usr/local/bin:/usr/bin".to_owned(),
            user: "ci".to_owned(),
        };
        scaffold(&system, 4, &Secret::new("hunter2".to_owned()), &places)
    }

    fn text(name: &str) -> String {
        let file = files().into_iter().find(|file| file.name == name).unwrap();
        file.text.expose().clone()
    }

    #[test]
    fn the_settings_are_complete_and_give_a_plan() {
        let settings = parse_settings("settings.yaml", &text("settings.yaml")).unwrap();
        let workers = parse_workers("workers.json", &text("workers.json")).unwrap();
        let plan = master_plan(&settings, &polled_projects(&settings), &workers);
        insta::assert_snapshot!(render(&plan), @r#"
          Title               buildbot-nix
          Web interface       http://localhost:8010/ on tcp:8010:interface=127.0.0.1
          Workers connect to  tcp:9989:interface=127.0.0.1
          Database            sqlite:///state.sqlite
          Controlled by       everyone
          Systems             aarch64-darwin
          At once             2 evaluations a machine, 4 builds
          gc roots of         none
          Services            build_canceller

        Machines (1)
          name    workers                  runs
          worker  worker-000 … worker-003  connects

        Notices (1)
          about                    notice
          pull_based.repositories  there is no repository: nothing will be built
        "#);
        assert_eq!(workers[0].pass.expose(), text("worker-password").trim_end());
    }

    #[test]
    fn what_is_commented_out_can_be_used_as_it_is() {
        let settings = text("settings.yaml");
        let uncommented: Vec<String> = settings
            .lines()
            .map(|line| {
                let code = line.trim_start().strip_prefix("# ").filter(|code| {
                    code.split_once(": ")
                        .is_some_and(|(key, _)| !key.contains([' ', '`']))
                });
                match (code, line.split_once("#  ")) {
                    (_, Some((indent, rest))) => format!("{indent}  {rest}"),
                    (Some(code), None) => line.replace(&format!("# {code}"), code),
                    (None, None) => line.to_owned(),
                }
            })
            .collect();
        let uncommented = uncommented.join("\n");
        let settings = parse_settings("settings.yaml", &uncommented).unwrap();
        assert_eq!(settings.pull_based.repositories.len(), 1, "{uncommented}");
        assert_eq!(settings.branches.len(), 1);
    }

    #[test]
    fn units_name_this_machine_s_places() {
        for name in ["buildbot-nix-master.service", "buildbot-nix-worker.service"] {
            let unit = text(name);
            assert!(!unit.contains('@'), "{unit}");
            assert!(unit.contains("WorkingDirectory=/srv/ci 100%%\n"));
            assert!(unit.contains("ExecStart=/opt/venv/bin/twistd --nodaemon"));
            assert!(unit.contains("PATH=/opt/venv/bin:/usr/local/bin:/usr/bin\""));
        }
        assert!(
            text("buildbot-nix-worker.service").contains("WORKER_NAME=worker WORKER_COUNT=4\n")
        );
    }

    #[test]
    fn only_passwords_are_private() {
        let files = files();
        let private: Vec<&str> = files
            .iter()
            .filter(|file| file.private)
            .map(|file| file.name)
            .collect();
        assert_eq!(private, ["workers.json", "worker-password"]);
        for file in files.iter().filter(|file| !file.private) {
            assert!(!file.text.expose().contains("hunter2"), "{}", file.name);
        }
        assert!(!format!("{files:?}").contains("hunter2"));
    }
}
