use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

type Order = (Command, Sender<io::Result<Child>>);

static SPAWNER: OnceLock<Option<Sender<Order>>> = OnceLock::new();

/// Starts `command` from a thread that lives as long as this process. Linux tells a child that
/// its parent has died when the *thread* that started it ends, so a program that ends with its
/// parent must not be started by one of the short-lived ones.
///
/// It gets a process group of its own. A signal to ours would end a `bwrap` that has just started the
/// first process of its sandbox, but not that one, which has no handler yet and is the first of a
/// namespace: nothing would ever wake it. We hear the signal too, and end both.
pub(super) fn spawn(mut command: Command) -> io::Result<Child> {
    command.process_group(0);
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, orders) = channel();
        let thread = thread::Builder::new().name("spawner".to_owned());
        thread.spawn(move || serve(&orders)).ok().map(|_| sender)
    });
    let gone = || io::Error::other("the thread that starts programs is gone");
    let (sender, answer) = channel();
    let spawner = spawner.as_ref().ok_or_else(gone)?;
    spawner.send((command, sender)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

fn serve(orders: &Receiver<Order>) {
    for (mut command, answer) in orders {
        let _ = answer.send(command.spawn());
    }
}

/// How the program in a sandbox ended, from how the sandbox did.
pub(super) fn inner_status(status: ExitStatus) -> ExitStatus {
    match status.code() {
        Some(code @ 129..=192) => ExitStatus::from_raw(code - 128),
        _ => status,
    }
}
