use std::path::Path;

use crate::error::Error;
use crate::secret::SecretPlaces;

use super::{Problem, Problems, Settings, WorkerEntry, parse_settings, parse_workers};

/// A thousand repositories take a quarter of it.
const SETTINGS_BYTES_MAX: u64 = 4 << 20;

/// Reads the settings file `path`.
///
/// Wrong settings are [`Error::Config`], with every problem; a file that cannot be read is
/// [`Error::Io`].
pub fn load_settings(path: &Path) -> Result<Settings, Error> {
    use std::io::Read as _;

    let failed = |source| Error::io("read", path, source);
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(SETTINGS_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let name = path.display().to_string();
    let wrong = |line, message: &str| {
        let problem = Problem {
            line,
            ..Problem::of_file("", message)
        };
        Error::from(Problems::new(&name, vec![problem]))
    };
    if bytes.len() as u64 > SETTINGS_BYTES_MAX {
        return Err(wrong(None, "the file is larger than 4 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        wrong(Some(line), "the file is not UTF-8 text from here on")
    })?;
    // Windows editors put it in front of UTF-8.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(parse_settings(&name, text)?)
}

/// Reads the workers file that `settings` name, if they do.
pub fn load_workers(settings: &Settings, places: &SecretPlaces) -> Result<Vec<WorkerEntry>, Error> {
    let Some(file) = &settings.nix_workers_secret_file else {
        return Ok(Vec::new());
    };
    let text = file.read(places)?;
    let name = file.path(places).display().to_string();
    Ok(parse_workers(&name, text.expose())?)
}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        Self::Config(problems.to_string())
    }
}
