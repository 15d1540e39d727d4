use std::collections::BTreeMap;
use std::io;
use std::thread;

use nix_derivation::{Derivation, StoreDir};

use crate::nix::{DrvPath, StorePath};

/// What matters of a derivation here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Drv {
    /// Output paths by output name; `None` where the path is only known after the build.
    pub(super) outputs: BTreeMap<String, Option<StorePath>>,
    /// Derivations that it needs directly.
    pub(super) inputs: Vec<DrvPath>,
}

/// Fewer derivations are read by one thread: to start others takes longer.
const PARALLEL_MIN: usize = 32;

/// Where derivations are read from.
pub(super) trait DrvReader: Sync {
    /// The derivation at `path`.
    fn read(&self, path: &DrvPath) -> io::Result<Drv>;
}

/// Reads derivations as files of the local store.
#[derive(Debug)]
pub(super) struct StoreReader;

impl DrvReader for StoreReader {
    fn read(&self, path: &DrvPath) -> io::Result<Drv> {
        parse(&std::fs::read(path.as_str())?, path).map_err(io::Error::other)
    }
}

/// Reads `paths` on up to `threads` threads. What cannot be read is `None`.
pub(super) fn read_all(
    paths: &[&DrvPath],
    reader: &dyn DrvReader,
    threads: usize,
) -> Vec<Option<Drv>> {
    let read = |paths: &[&DrvPath]| -> Vec<Option<Drv>> {
        paths.iter().map(|path| reader.read(path).ok()).collect()
    };
    if paths.len() < PARALLEL_MIN || threads < 2 {
        return read(paths);
    }
    thread::scope(|scope| {
        let parts = paths.chunks(paths.len().div_ceil(threads));
        let readers: Vec<_> = parts.map(|part| scope.spawn(move || read(part))).collect();
        let parts = readers.into_iter().map(|reader| {
            let part = reader.join();
            part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        parts.flatten().collect()
    })
}

pub(super) fn parse(bytes: &[u8], path: &DrvPath) -> Result<Drv, String> {
    let store = path
        .as_str()
        .rsplit_once('/')
        .map_or("", |(store, _)| store);
    let store = StoreDir::new(store).map_err(|error| error.to_string())?;
    let derivation = Derivation::from_aterm_bytes_in(bytes, path.name(), store.clone())
        .map_err(|error| error.to_string())?;
    let mut drv = Drv::default();
    for (name, output) in derivation
        .resolved_outputs()
        .map_err(|error| error.to_string())?
    {
        let path = output.path.map(|path| path.to_absolute_path_in(&store));
        let path = path.map(StorePath::try_from).transpose();
        drv.outputs
            .insert(name, path.map_err(|error| error.to_string())?);
    }
    for input in derivation.input_derivations().keys() {
        let path = DrvPath::try_from(input.to_absolute_path_in(&store));
        drv.inputs.push(path.map_err(|error| error.to_string())?);
    }
    Ok(drv)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: &str = "/nix/store/00000000000000000000000000000000";

    #[test]
    fn outputs_and_inputs() {
        let text = format!(
            r#"Derive([("dev","{STORE}-a-dev","",""),("out","","r:sha256","")],[("{STORE}-b.drv",["out"])],[],"s","b",[],[("name","a")])"#
        );
        let drv = parse(text.as_bytes(), &format!("{STORE}-a.drv").parse().unwrap()).unwrap();
        let dev = format!("{STORE}-a-dev").parse().unwrap();
        assert_eq!(
            drv,
            Drv {
                outputs: [("dev".to_owned(), Some(dev)), ("out".to_owned(), None)].into(),
                inputs: vec![format!("{STORE}-b.drv").parse().unwrap()],
            }
        );
    }

    #[test]
    fn nonsense_is_an_error() {
        let path = format!("{STORE}-a.drv").parse().unwrap();
        assert!(parse(b"Derive(", &path).is_err());
        assert!(StoreReader.read(&path).is_err());
    }
}
