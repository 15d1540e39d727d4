use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long processes may take to stop or to end: those that wait for a disk do not before it has
/// answered.
const LIMIT: Duration = Duration::from_millis(500);
/// How often they are looked at meanwhile.
const PAUSE: Duration = Duration::from_millis(1);

/// The descendants that a process had at some moment, e.g. builders that Nix has started. Empty
/// where there is no `/proc`: there nothing more than a SIGKILL to the process itself can be done.
#[derive(Debug, Default)]
pub struct Leftovers(Vec<Process>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    /// In clock ticks after boot: tells a process from a later one with its number.
    started: u64,
}

impl Leftovers {
    /// All descendants of process `root`.
    pub fn below(root: u32) -> Self {
        let Ok(root) = i32::try_from(root) else {
            return Self::default();
        };
        let all: Vec<Process> = list();
        let mut found: Vec<Process> = Vec::new();
        let mut parents = vec![root];
        while let Some(parent) = parents.pop() {
            for process in all.iter().filter(|process| process.parent == parent) {
                parents.push(process.pid);
                found.push(*process);
            }
        }
        Self(found)
    }

    /// All descendants of process `root`, which is stopped and so are they: nothing can be started
    /// any more that this does not list.
    pub(super) fn stopped(root: u32) -> Self {
        let deadline = Instant::now() + LIMIT;
        signal_id(root, Signal::STOP);
        let mut told = Self::default();
        loop {
            // Who was told to may be starting another just now.
            let are_still = is_still(root) && told.ids().all(is_still);
            let now = Self::below(root);
            let mut new = now.0.iter().filter(|it| !told.0.contains(it)).peekable();
            let is_all = are_still && new.peek().is_none();
            if is_all || Instant::now() >= deadline {
                return now;
            }
            for process in new {
                process.signal(Signal::STOP);
            }
            told = now;
            thread::sleep(PAUSE);
        }
    }

    /// Lets process `root` and these go on.
    pub(super) fn resume(&self, root: u32) {
        for process in &self.0 {
            process.signal(Signal::CONT);
        }
        signal_id(root, Signal::CONT);
    }

    /// The numbers that they have, or had.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        self.0
            .iter()
            .filter_map(|process| u32::try_from(process.pid).ok())
    }

    /// The child of the only child of process `root`.
    pub(super) fn grandchild(root: u32) -> Option<u32> {
        let root = i32::try_from(root).ok()?;
        let all = list();
        let child_of = |parent: i32| {
            let child = all.iter().find(|process| process.parent == parent);
            child.map(|process| process.pid)
        };
        u32::try_from(child_of(child_of(root)?)?).ok()
    }

    /// Ends those that still run, wherever they hang now, and waits until they have: each has to get a
    /// processor to end on.
    pub fn kill(&self) {
        for process in &self.0 {
            process.signal(Signal::KILL);
        }
        let deadline = Instant::now() + LIMIT;
        while self.0.iter().any(|process| process.runs()) && Instant::now() < deadline {
            thread::sleep(PAUSE);
        }
    }
}

impl Process {
    fn runs(self) -> bool {
        let is_same = read(self.pid).is_some_and(|now| now.started == self.started);
        is_same && state(self.pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
    }

    /// Signals it if it still runs.
    fn signal(self, signal: Signal) {
        if self.runs()
            && let Ok(pid) = u32::try_from(self.pid)
        {
            signal_id(pid, signal);
        }
    }
}

/// Signals process `pid`.
pub(super) fn signal_id(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // Gone in this very moment, or another user's: nothing to be done about either.
        let _ = kill_process(pid, signal);
    }
}

fn list() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    let pids = names.filter_map(|name| name.to_str()?.parse().ok());
    pids.filter_map(read).collect()
}

/// Whether process `pid` does nothing until it is told to go on, or nothing any more.
fn is_still(pid: u32) -> bool {
    let state = i32::try_from(pid).ok().and_then(state);
    state.is_none_or(|state| matches!(state, 'T' | 't' | 'Z' | 'X'))
}

/// The kernel's letter for what process `pid` is doing.
fn state(pid: i32) -> Option<char> {
    stat(pid)?.first()?.chars().next()
}

fn read(pid: i32) -> Option<Process> {
    let fields = stat(pid)?;
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// What the kernel says of process `pid`: its state, its parent, and more (proc(5)).
fn stat(pid: i32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name stands in parentheses and may itself contain some, and spaces.
    let (_, fields) = stat.rsplit_once(')')?;
    Some(fields.split_ascii_whitespace().map(str::to_owned).collect())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn grandchildren_are_found_and_ended() {
        let mut child = Command::new("/bin/sh")
            .args(["-c", "sleep 600 & echo $!; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        let grandchild: i32 = line.trim().parse().unwrap();
        let leftovers = Leftovers::below(child.id());
        assert!(leftovers.0.iter().any(|process| process.pid == grandchild));
        assert!(
            !leftovers
                .0
                .iter()
                .any(|process| i64::from(process.pid) == i64::from(child.id()))
        );
        leftovers.kill();
        // The shell ends because what it waits for has.
        child.wait().unwrap();
    }
}
