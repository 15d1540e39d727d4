use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::Path;

use crate::error::Error;
use crate::machine_line::{Decoder, Line, encode};
use crate::run_roots::{RunFolders, RunName};

/// Name of the file in the folder of a run.
const FILE: &str = "results.lines";
/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// What an evaluation has found, left on its machine for the end of the run: tens of thousands of
/// attributes are more than a command line takes, and the master need not send them back.
#[derive(Debug)]
pub struct Listing(BufWriter<File>);

impl Listing {
    /// Begins that of `run`.
    pub fn create(folders: &RunFolders, run: &RunName) -> Result<Self, Error> {
        let path = folders.make(run)?.join(FILE);
        let file = File::create(&path).map_err(|error| Error::io("make", &path, error))?;
        Ok(Self(BufWriter::new(file)))
    }

    /// Takes the next line of the evaluation.
    pub fn add(&mut self, line: &Line) -> std::io::Result<()> {
        match line {
            Line::Job(_) | Line::Failed(_) | Line::Skipped(_) => self.0.write_all(&encode(line)),
            Line::Done { .. } => {
                self.0.write_all(&encode(line))?;
                self.0.flush()
            }
            _ => Ok(()),
        }
    }

    /// Gives every line in the folder of a run to `take`. False if there is no listing.
    pub(super) fn read(folder: &Path, mut take: impl FnMut(Line)) -> Result<bool, Error> {
        let path = folder.join(FILE);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io("read", &path, error)),
        };
        let mut decoder = Decoder::default();
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = file
                .read(&mut chunk)
                .map_err(|error| Error::io("read", &path, error))?;
            if count == 0 {
                // One that ends in the middle of a line is of an evaluation that was killed.
                return Ok(true);
            }
            let read = chunk.get(..count).unwrap_or_default();
            decoder.feed(read)?.into_iter().for_each(&mut take);
        }
    }
}
