//! A daemon that says anything, for tests/fuzz.

use std::io::{self, Read, Write};

use super::connection::{Connection, Wanted};
use crate::nix::{DrvPath, StorePath};

/// Says what it is given, and takes whatever it is told.
struct Daemon<'b>(&'b [u8]);

impl Read for Daemon<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Daemon<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has a daemon say `bytes`, from the handshake on.
pub fn conversation(bytes: &[u8]) {
    let name = "/nix/store/00000000000000000000000000000000-a";
    let path = StorePath::try_from(name.to_owned());
    let drv = DrvPath::try_from(format!("{name}.drv"));
    let (Ok(mut connection), Ok(path), Ok(drv)) = (Connection::open(Daemon(bytes)), path, drv)
    else {
        return;
    };
    // A question that fails ends the conversation, as the client does.
    let _ = connection
        .add_temp_roots(&[&path])
        .and_then(|()| connection.valid_paths(&[&path]).map(drop))
        .and_then(|()| connection.add_text("a", "b", &[&path]).map(drop))
        .and_then(|()| connection.leave_out_broken_substituters())
        .and_then(|()| connection.missing(&[Wanted::Outputs(drv)]).map(drop));
}
