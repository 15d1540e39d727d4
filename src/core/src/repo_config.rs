//! `buildbot-nix.toml`: what a repository says about its own evaluation.
//!
//! A pull request writes this file. So nothing in it can make an evaluation fail or leave the
//! checkout: what is not understood is replaced by its default, with a warning that says so.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path};

use rustix::fs::OFlags;
use toml::{Table, Value};

use crate::eval::parse_attribute;
use crate::nix::AttrPath;

/// The name of the file in the root of a checkout.
pub const FILE_NAME: &str = "buildbot-nix.toml";
/// A larger file is not read.
const SIZE_MAX: u64 = 64 << 10;
/// Warnings about the content of one file.
const WARNINGS_MAX: usize = 20;
/// Keys of the stage `effects`, which reads them from the default branch only.
const KEYS_OF_OTHERS: [&str; 2] = ["effects_on_pull_requests", "effects_branches"];
const KEYS: [&str; 3] = ["lock_file", "attribute", "flake_dir"];

/// The settings of `buildbot-nix.toml` that matter for an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoConfig {
    /// Lock file, below the root of the checkout. Only one that is not called `flake.lock` is
    /// used; Nix finds the other by itself, beside the flake.
    pub lock_file: String,
    /// Attribute whose children are jobs.
    pub attribute: AttrPath,
    /// Folder of the flake below the root of the checkout.
    pub flake_dir: String,
}

impl Default for RepoConfig {
    fn default() -> Self {
        Self {
            lock_file: "flake.lock".to_owned(),
            attribute: AttrPath::new(["checks"]),
            flake_dir: ".".to_owned(),
        }
    }
}

/// The settings in the root of `checkout`, and what is wrong with them, for people.
pub fn read(checkout: &Path) -> (RepoConfig, Vec<String>) {
    let text = match read_file(&checkout.join(FILE_NAME)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Default::default(),
        Err(error) => {
            let warning =
                format!("`{FILE_NAME}` cannot be read, so all its settings are default: {error}");
            return (RepoConfig::default(), vec![warning]);
        }
    };
    let (mut config, mut warnings) = parse(&text);
    let default = RepoConfig::default();
    for (key, value, default) in [
        ("flake_dir", &mut config.flake_dir, default.flake_dir),
        ("lock_file", &mut config.lock_file, default.lock_file),
    ] {
        if leads_outside(checkout, value) {
            warnings.push(unusable(
                key,
                &format!("`{value}` leads out of the checkout"),
                &default,
            ));
            *value = default;
        }
    }
    (config, warnings)
}

/// The settings in `text`, and what is wrong with them, for people.
pub fn parse(text: &str) -> (RepoConfig, Vec<String>) {
    let mut config = RepoConfig::default();
    let table = match text.parse::<Table>() {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map_or(1, |span| {
                1 + text
                    .bytes()
                    .take(span.start)
                    .filter(|byte| *byte == b'\n')
                    .count()
            });
            let warning = format!(
                "`{FILE_NAME}` is no valid TOML, so all its settings are default: line {line}: {}",
                error.message().replace('\n', ", ")
            );
            return (config, vec![warning]);
        }
    };
    let mut warnings = Vec::new();
    for (key, value) in &table {
        let result = match key.as_str() {
            "lock_file" => path(value).map(|path| config.lock_file = path),
            "flake_dir" => path(value).map(|path| config.flake_dir = path),
            "attribute" => attribute(value).map(|attribute| config.attribute = attribute),
            other if KEYS_OF_OTHERS.contains(&other) => Ok(()),
            unknown => {
                warnings.push(unknown_key(unknown));
                Ok(())
            }
        };
        if let Err(problem) = result {
            warnings.push(unusable(key, &problem, &default_of(key)));
        }
    }
    let surplus = warnings.len().saturating_sub(WARNINGS_MAX);
    if surplus > 0 {
        warnings.truncate(WARNINGS_MAX);
        warnings.push(format!("`{FILE_NAME}` has {surplus} more mistakes"));
    }
    (config, warnings)
}

fn default_of(key: &str) -> String {
    let default = RepoConfig::default();
    match key {
        "lock_file" => default.lock_file,
        "flake_dir" => default.flake_dir,
        _ => default.attribute.to_string(),
    }
}

fn unusable(key: &str, problem: &str, default: &str) -> String {
    format!("`{key}` in `{FILE_NAME}` is not used: {problem}; using `{default}`")
}

fn unknown_key(key: &str) -> String {
    let nearest = KEYS
        .iter()
        .chain(&KEYS_OF_OTHERS)
        .max_by(|a, b| strsim::jaro(a, key).total_cmp(&strsim::jaro(b, key)))
        .filter(|known| strsim::jaro(known, key) > 0.8);
    let key = key.escape_debug();
    match nearest {
        Some(known) => format!("`{FILE_NAME}` has the unknown key `{key}`; did you mean `{known}`"),
        None => format!("`{FILE_NAME}` has the unknown key `{key}`; it is ignored"),
    }
}

fn text(value: &Value) -> Result<&str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("it is of type {}, not a string", value.type_str()))
}

fn attribute(value: &Value) -> Result<AttrPath, String> {
    let text = text(value)?;
    parse_attribute(text)
        .ok_or_else(|| format!("`{}` is no attribute such as `checks`", text.escape_debug()))
}

/// A path that stays below where it starts, whatever it stands in (a flake reference, say).
fn path(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    let shown = text.escape_debug();
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if let Some(bad) = text.chars().find(|c| c.is_control() || ":?#".contains(*c)) {
        return Err(format!("`{shown}` contains `{}`", bad.escape_debug()));
    }
    for component in Path::new(text).components() {
        match component {
            Component::Normal(_) | Component::CurDir => {}
            Component::ParentDir => return Err(format!("`{shown}` contains `..`")),
            Component::RootDir | Component::Prefix(_) => {
                return Err(format!("`{shown}` is absolute, not below the checkout"));
            }
        }
    }
    Ok(text.to_owned())
}

/// The file's text. Follows no symbolic link and does not wait for a pipe's other end.
fn read_file(path: &Path) -> io::Result<String> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| match rustix::io::Errno::from_io_error(&error) {
            Some(rustix::io::Errno::LOOP) => io::Error::other("it is a symbolic link"),
            _ => error,
        })?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    read_limited(file)
}

fn read_limited(file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(SIZE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SIZE_MAX {
        return Err(io::Error::other(format!(
            "it is larger than {} KiB",
            SIZE_MAX >> 10
        )));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is no UTF-8 text"))
}

/// Whether `path`, which exists, is somewhere else once symbolic links are followed.
fn leads_outside(checkout: &Path, path: &str) -> bool {
    match (checkout.canonicalize(), checkout.join(path).canonicalize()) {
        (Ok(checkout), Ok(path)) => !path.starts_with(checkout),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn warnings(text: &str) -> Vec<String> {
        let (config, warnings) = parse(text);
        assert_eq!(config, RepoConfig::default(), "{text}");
        warnings
    }

    #[test]
    fn all_settings() {
        let (config, warnings) = parse(
            "lock_file = 'other.lock'\nattribute = 'ci.\"a.b\"'\nflake_dir = './nix/ci'\n\
             effects_on_pull_requests = true\neffects_branches = ['x']",
        );
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(
            config,
            RepoConfig {
                lock_file: "other.lock".to_owned(),
                attribute: AttrPath::new(["ci", "a.b"]),
                flake_dir: "./nix/ci".to_owned(),
            }
        );
    }

    #[test]
    fn what_is_wrong_is_said_and_the_default_used() {
        insta::assert_snapshot!(
            [
                "attribute = 5",
                "attribute = 'a..b'",
                "flake_dir = '../other'",
                "flake_dir = '/etc'",
                "flake_dir = 'a?ref=x'",
                "flake_dir = ''",
                "lock_file = 'a#b'",
                "lock_file = \"a\\u001bb\"",
                "lock_file = ['x']",
                "flakedir = 'x'",
                "\"colour\\u0007\" = 'red'",
                "a = 1\nb = = 2",
            ]
            .map(|text| warnings(text).join("\n"))
            .join("\n"),
            @r"
        `attribute` in `buildbot-nix.toml` is not used: it is of type integer, not a string; using `checks`
        `attribute` in `buildbot-nix.toml` is not used: `a..b` is no attribute such as `checks`; using `checks`
        `flake_dir` in `buildbot-nix.toml` is not used: `../other` contains `..`; using `.`
        `flake_dir` in `buildbot-nix.toml` is not used: `/etc` is absolute, not below the checkout; using `.`
        `flake_dir` in `buildbot-nix.toml` is not used: `a?ref=x` contains `?`; using `.`
        `flake_dir` in `buildbot-nix.toml` is not used: it is empty; using `.`
        `lock_file` in `buildbot-nix.toml` is not used: `a#b` contains `#`; using `flake.lock`
        `lock_file` in `buildbot-nix.toml` is not used: `a\u{1b}b` contains `\u{1b}`; using `flake.lock`
        `lock_file` in `buildbot-nix.toml` is not used: it is of type array, not a string; using `flake.lock`
        `buildbot-nix.toml` has the unknown key `flakedir`; did you mean `flake_dir`
        `buildbot-nix.toml` has the unknown key `colour\u{7}`; it is ignored
        `buildbot-nix.toml` is no valid TOML, so all its settings are default: line 2: extra `=`, expected nothing
        "
        );
    }

    #[test]
    fn the_number_of_warnings_is_bounded() {
        let lines: Vec<String> = (0..100).map(|number| format!("key{number} = 1")).collect();
        let warnings = warnings(&lines.join("\n"));
        assert_eq!(warnings.len(), WARNINGS_MAX + 1);
        assert_eq!(
            warnings[WARNINGS_MAX],
            "`buildbot-nix.toml` has 80 more mistakes"
        );
    }

    #[test]
    fn one_bad_setting_does_not_spoil_the_others() {
        let (config, warnings) = parse("attribute = 'hydraJobs'\nflake_dir = '..'");
        assert_eq!(config.attribute, AttrPath::new(["hydraJobs"]));
        assert_eq!(warnings.len(), 1);
    }

    #[test]
    fn a_file_that_is_no_plain_file_is_not_followed() {
        let checkout = tempfile::tempdir().unwrap();
        let file = checkout.path().join(FILE_NAME);
        assert_eq!(read(checkout.path()), Default::default());

        symlink("/etc/hostname", &file).unwrap();
        let (config, warnings) = read(checkout.path());
        assert_eq!(config, RepoConfig::default());
        assert!(
            warnings[0].ends_with("it is a symbolic link"),
            "{warnings:?}"
        );

        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(read(checkout.path()).1[0].ends_with("it is no regular file"));

        std::fs::remove_dir(&file).unwrap();
        std::fs::write(&file, " ".repeat(70_000)).unwrap();
        assert!(read(checkout.path()).1[0].ends_with("it is larger than 64 KiB"));
    }

    #[test]
    fn a_folder_that_is_a_link_out_of_the_checkout_is_not_used() {
        let checkout = tempfile::tempdir().unwrap();
        std::fs::write(checkout.path().join(FILE_NAME), "flake_dir = 'out'").unwrap();
        symlink("/etc", checkout.path().join("out")).unwrap();
        let (config, warnings) = read(checkout.path());
        assert_eq!(config.flake_dir, ".");
        assert!(
            warnings[0].contains("`out` leads out of the checkout"),
            "{warnings:?}"
        );

        std::fs::write(
            checkout.path().join(FILE_NAME),
            "lock_file = 'out/hostname'",
        )
        .unwrap();
        let (config, warnings) = read(checkout.path());
        assert_eq!(config.lock_file, "flake.lock");
        assert!(
            warnings[0].contains("`out/hostname` leads out of the checkout"),
            "{warnings:?}"
        );

        std::fs::write(checkout.path().join(FILE_NAME), "flake_dir = 'out'").unwrap();
        std::fs::remove_file(checkout.path().join("out")).unwrap();
        std::fs::create_dir(checkout.path().join("out")).unwrap();
        assert_eq!(read(checkout.path()).0.flake_dir, "out");
    }
}
