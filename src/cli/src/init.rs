use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use buildbot_nix_core::error::Error;
use buildbot_nix_core::nix::System;
use buildbot_nix_core::scaffold::{MACHINE, Places, ScaffoldFile, nix_system, scaffold};
use buildbot_nix_core::secret::Secret;

use crate::{Exit, output};

/// Write a settings file, master.cfg and buildbot.tac to start from
///
/// The folder is ready for a try on this machine: name your repositories in its settings.yaml and
/// start it as the command tells. Overwrites nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  buildbot-nix init ci
  buildbot-nix init --system aarch64-linux --workers 2 /var/lib/ci

Files:
  settings.yaml    all settings, with comments
  master.cfg       Buildbot's configuration, made from the settings; may be extended
  buildbot.tac     what `buildbot start` starts
  worker.tac       what starts the workers of a machine
  *.service        what has systemd start both
  workers.json     which workers may connect, with a new random password; keep it secret
  worker-password  the same password, for the workers; keep it secret")]
pub(crate) struct Arguments {
    /// The folder to write to; made if it is missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// What to build for, instead of this machine's system
    #[arg(long)]
    system: Option<System>,

    /// How many workers there are on this machine, instead of one for each core
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    workers: Option<u32>,
}

/// More workers than that build no faster on one machine: a build uses several cores itself.
const WORKERS_MAX: usize = 16;
/// Bytes of randomness in a password.
const PASSWORD_BYTES: usize = 24;

pub(crate) fn run(arguments: &Arguments) -> Exit {
    match init(arguments) {
        Ok(text) => output::say(&text),
        Err(error) => output::fail(&error),
    }
}

fn init(arguments: &Arguments) -> Result<String, Error> {
    let folder = &arguments.folder;
    let system = match &arguments.system {
        Some(system) => system.clone(),
        None => host_system()?,
    };
    let workers = arguments.workers.unwrap_or_else(default_workers);
    let files = scaffold(&system, workers, &password()?, &places(folder)?);
    refuse_existing(folder, &files)?;
    fs::create_dir_all(folder).map_err(|error| Error::io("make the folder", folder, error))?;
    for file in &files {
        let path = folder.join(file.name);
        write(&path, file).map_err(|error| Error::io("write", &path, error))?;
    }
    Ok(told(folder, &files, workers))
}

fn places(folder: &Path) -> Result<Places, Error> {
    let absolute =
        |path: &Path| std::path::absolute(path).map_err(|error| Error::io("find", path, error));
    let path = std::env::var("PATH").unwrap_or_default();
    let has_twistd = |folder: &PathBuf| folder.join("twistd").is_file();
    // The console script's own environment, else the first on PATH.
    let own =
        crate::apply_patches::own_python().and_then(|python| Some(python.parent()?.to_owned()));
    let programs = own
        .into_iter()
        .chain(std::env::split_paths(&path))
        .find(has_twistd)
        .unwrap_or_else(|| PathBuf::from("/usr/bin"));
    let user = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    Ok(Places {
        folder: absolute(folder)?.display().to_string(),
        programs: absolute(&programs)?.display().to_string(),
        path,
        user: user.unwrap_or_else(|| "root".to_owned()),
    })
}

fn host_system() -> Result<System, Error> {
    let (architecture, kernel) = (std::env::consts::ARCH, std::env::consts::OS);
    nix_system(architecture, kernel).ok_or_else(|| {
        let message = format!("cannot tell the Nix system of `{architecture}` on `{kernel}`");
        Error::Config(format!("{message}: name it with `--system`"))
    })
}

fn default_workers() -> u32 {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cores.min(WORKERS_MAX)).unwrap_or(1)
}

fn password() -> Result<Secret<String>, Error> {
    const SOURCE: &str = "/dev/urandom";
    let mut bytes = [0; PASSWORD_BYTES];
    File::open(SOURCE)
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|error| Error::io("read randomness from", SOURCE, error))?;
    let digits = |byte: u8| {
        [byte >> 4, byte & 0xf].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
    };
    Ok(Secret::new(bytes.into_iter().flat_map(digits).collect()))
}

/// Nothing is written if anything is in the way: half a new folder in an old one helps nobody.
fn refuse_existing(folder: &Path, files: &[ScaffoldFile]) -> Result<(), Error> {
    let existing: Vec<String> = files
        .iter()
        .map(|file| folder.join(file.name))
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| format!("`{}`", path.display()))
        .collect();
    if existing.is_empty() {
        return Ok(());
    }
    let existing = existing.join(", ");
    Err(Error::Config(format!(
        "{existing} exist already and nothing was written: name another folder, or move them away"
    )))
}

fn write(path: &Path, file: &ScaffoldFile) -> io::Result<()> {
    let mode = if file.private { 0o600 } else { 0o644 };
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    target.write_all(file.text.expose().as_bytes())
}

fn told(folder: &Path, files: &[ScaffoldFile], workers: u32) -> String {
    let shown = folder.display();
    let names: Vec<&str> = files.iter().map(|file| file.name).collect();
    let quoted = shell_quoted(&folder.display().to_string());
    format!(
        "Wrote {names} to {shown}.

Next:
  1. Name your repositories in {shown}/settings.yaml, then check it:
       buildbot-nix check-config {quoted}/settings.yaml
  2. Make the database and start the master, on http://localhost:8010/:
       buildbot upgrade-master {quoted}
       buildbot start {quoted}
  3. Start the workers:
       cd {quoted} && WORKER_NAME={MACHINE} WORKER_COUNT={workers} \\
         twistd --pidfile=worker.pid --logfile=worker.log --python=worker.tac

Or have systemd start both, instead of 2 and 3:
       sudo cp {quoted}/*.service /etc/systemd/system/
       sudo systemctl enable --now buildbot-nix-master buildbot-nix-worker
",
        names = names.join(", ")
    )
}

/// `text` as one word of a shell command.
fn shell_quoted(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-+".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
