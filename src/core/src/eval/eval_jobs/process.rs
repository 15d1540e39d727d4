use std::io::{BufReader, Read};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use super::super::budget::{Budget, Group, Groups, Share};
use super::super::found::{Found, Outlet};
use super::super::lines;
use super::super::log::{self, LogLine};
use super::super::walk::{Known, Selection};
use super::line::{self, JobsLine};
use super::said::Said;
use crate::error::Error;
use crate::nix::AttrPath;
use crate::process::{Child, CommandSpec, Leftovers, Stream, describe_exit, memory_at_most};

/// Longest line of results read; those with long lists of dependencies have megabytes.
const LINE_MAX: usize = 64 << 20;
/// Longest line of the log read.
const LOG_LINE_MAX: usize = 1 << 20;
/// Lines that may wait to be looked at. The program waits itself if there are more.
const LINES_MAX: usize = 16;
/// How often the wish to stop is looked at.
const POLL: Duration = Duration::from_millis(100);
/// How often it is looked at whether the program still runs, and with what workers.
const LOOK: Duration = Duration::from_secs(1);
/// How long the program may take to end after its last result.
const LEAVE: Duration = Duration::from_secs(10);

/// How nix-eval-jobs is started.
#[derive(Debug)]
pub(in super::super) struct JobsCommand {
    /// The command without the flake.
    pub(in super::super) base: CommandSpec,
    /// The flake, without `#`.
    pub(in super::super) reference: String,
    /// The attribute whose children are jobs.
    pub(in super::super) root: AttrPath,
    /// How long it may take for one result.
    pub(in super::super) attribute: Duration,
    /// How long it may say nothing at all.
    pub(in super::super) silence: Duration,
    /// Memory above which one of its processes is killed, MiB.
    pub(in super::super) most_memory: u64,
    /// Where the kernel enforces that for all together, if it does.
    pub(in super::super) groups: Option<Arc<Groups>>,
}

impl JobsCommand {
    /// The command that evaluates what is below `prefix`, and is as large as `share`.
    fn below(&self, prefix: &AttrPath, share: Share) -> CommandSpec {
        let components = self.root.components().iter().chain(prefix.components());
        let attribute = AttrPath::new(components.cloned());
        let flake = format!("{}#{attribute}", self.reference);
        self.base.clone().args([
            "--workers",
            &share.evaluators.to_string(),
            "--max-memory-size",
            &share.memory.to_string(),
            "--flake",
            &flake,
        ])
    }
}

/// Evaluates the members `names` of the root, and remembers in `known` what came of it.
pub(in super::super) fn evaluate(
    command: &JobsCommand,
    names: &[String],
    selection: &Selection,
    budget: &Budget,
    outlet: &Outlet<'_>,
    known: &mut Known,
) -> Result<(), Error> {
    for prefix in prefixes(names, selection) {
        // How many workers it has cannot be changed while it runs.
        let (problem, is_lasting) = budget.promise(|share| {
            let run = Run::start(command, &prefix, share)?;
            Ok::<_, Error>(run.read(&prefix, selection, outlet, known))
        })?;
        if outlet.is_stopped() {
            return Ok(());
        }
        if !is_lasting || problem.is_some() {
            outlet.send(Found::Passing);
        }
        if let Some(problem) = problem {
            outlet.send(Found::Warning(format!(
                "{problem}; Nix itself evaluates what is missing"
            )));
        }
    }
    Ok(())
}

/// What to have evaluated in one go: single systems where others are to be left out, else all.
fn prefixes(names: &[String], selection: &Selection) -> Vec<AttrPath> {
    let has_others = names.iter().any(|name| selection.is_other_system(name));
    let wanted = names.iter().filter(|name| !selection.is_other_system(name));
    let is_wanted_system = |name: &&String| selection.systems.iter().any(|it| it.as_str() == *name);
    if has_others && wanted.clone().all(|name| is_wanted_system(&name)) {
        wanted.map(|name| AttrPath::new([name])).collect()
    } else {
        vec![AttrPath::new::<_, String>([])]
    }
}

/// A running nix-eval-jobs.
struct Run {
    child: Child,
    output: Receiver<Output>,
    attribute: Duration,
    silence: Duration,
    said: Said,
    has_failures: bool,
    /// Its worker processes, in case it dies and they do not.
    leftovers: Leftovers,
    /// Goes after the processes in it.
    _group: Option<Group>,
}

/// What it says, one line at a time.
enum Output {
    Line(Vec<u8>),
    Log(LogLine),
}

/// How reading came to its end.
enum End {
    /// Nothing more is said. With what was wrong with a line.
    Complete(Option<String>),
    /// It has to be ended. With the reason, if that is not that nobody wants more.
    Over(Option<String>),
}

impl Run {
    fn start(command: &JobsCommand, prefix: &AttrPath, share: Share) -> Result<Self, Error> {
        // The kernel ends the largest of its workers; then it gives up itself.
        let memory = command.most_memory * share.evaluators as u64;
        let group = command.groups.as_ref();
        let group = group.and_then(|groups| groups.make(memory, false));
        let spec = command.below(prefix, share);
        let spec = match &group {
            Some(group) => group.command(spec),
            None => spec,
        };
        let mut child = Child::spawn(&spec, [Stream::Null, Stream::Piped, Stream::Piped])?;
        let (sender, output) = mpsc::sync_channel(LINES_MAX);
        if let Some(stdout) = child.take_stdout() {
            let sender = sender.clone();
            thread::spawn(move || read(stdout, LINE_MAX, &sender, Output::Line));
        }
        if let Some(stderr) = child.take_stderr() {
            let parse = |line: Vec<u8>| Output::Log(log::parse_plain(&line));
            thread::spawn(move || read(stderr, LOG_LINE_MAX, &sender, parse));
        }
        Ok(Self {
            child,
            output,
            attribute: command.attribute,
            silence: command.silence,
            said: Said::default(),
            has_failures: false,
            leftovers: Leftovers::default(),
            _group: group,
        })
    }

    /// Reads all results. Returns why they may not be all that there are, and whether they would
    /// be the same again.
    fn read(
        mut self,
        prefix: &AttrPath,
        selection: &Selection,
        outlet: &Outlet<'_>,
        known: &mut Known,
    ) -> (Option<String>, bool) {
        let end = self.listen(prefix, selection, outlet, known);
        self.said.end(&mut |found| outlet.send(found));
        let is_lasting = !(self.said.is_active && self.has_failures);
        match end {
            End::Complete(problem) => (self.end(problem), is_lasting),
            End::Over(problem) => {
                self.child.terminate();
                (problem, false)
            }
        }
    }

    fn listen(
        &mut self,
        prefix: &AttrPath,
        selection: &Selection,
        outlet: &Outlet<'_>,
        known: &mut Known,
    ) -> End {
        let mut problem = None;
        let mut last = Instant::now();
        let mut last_word = last;
        let mut next_look = last + LOOK;
        loop {
            let output = self.output.recv_timeout(POLL);
            let is_quiet = output.is_err();
            if !is_quiet {
                last_word = Instant::now();
            }
            match output {
                Ok(Output::Log(line)) => {
                    self.said.hear(line, &mut |found| outlet.send(found));
                }
                Ok(Output::Line(line)) => {
                    last = Instant::now();
                    match line::parse(&line, prefix, selection) {
                        Ok(line) if line.is_endless => {
                            return End::Over(Some(endless(&line.attr_path)));
                        }
                        Ok(line) => self.take(line, selection, outlet, known),
                        Err(bad) => problem = Some(bad),
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return End::Complete(problem),
            }
            if outlet.is_stopped() {
                return End::Over(None);
            }
            let now = Instant::now();
            if let Some(problem) = self.over(now - last, now - last_word) {
                return End::Over(Some(problem));
            }
            if now >= next_look {
                next_look = now + LOOK;
                if is_quiet && self.child.try_wait().is_some() {
                    // Its workers keep the pipes open; nobody reads what they find out.
                    return End::Complete(problem);
                }
                self.leftovers = Leftovers::below(self.child.id());
                let memory = self.leftovers.ids().filter_map(memory_at_most).max();
                outlet.send(Found::Memory(memory.unwrap_or_default()));
            }
        }
    }

    /// Hands over what one line says.
    fn take(
        &mut self,
        line: JobsLine,
        selection: &Selection,
        outlet: &Outlet<'_>,
        known: &mut Known,
    ) {
        for found in &line.found {
            if let Found::Failed { error, .. } = found {
                self.has_failures = true;
                self.said.is_result(error);
            }
        }
        // The same attribute may come twice.
        if !line.is_doubtful
            && is_wanted(&line.attr_path, selection)
            && known.insert(&line.attr_path)
        {
            line.found.into_iter().for_each(|found| outlet.send(found));
        }
    }

    /// Why it must end, after so much time without a result and without a word.
    fn over(&self, without_result: Duration, without_word: Duration) -> Option<String> {
        let (what, limit, setting) = if without_result > self.attribute {
            let setting = "`eval_attribute_timeout` (`--attribute-timeout`)";
            ("gave no result", self.attribute, setting)
        } else if without_word > self.silence {
            let setting = "`eval_max_silent_time` (`--max-silent`)";
            ("said nothing", self.silence, setting)
        } else {
            return None;
        };
        let seconds = limit.as_secs();
        Some(format!(
            "nix-eval-jobs {what} for {seconds} s, which is {setting}"
        ))
    }

    /// Looks at how it ended. It may fail though it has evaluated everything, and the other way
    /// round.
    fn end(mut self, problem: Option<String>) -> Option<String> {
        let status = self.child.wait(LEAVE);
        self.child.terminate();
        self.leftovers.kill();
        match status {
            Some(status) if status.success() => problem,
            Some(status) => {
                let how = describe_exit(status);
                Some(problem.unwrap_or_else(|| format!("nix-eval-jobs ended with {how}")))
            }
            None => Some("nix-eval-jobs did not end after its last result".to_owned()),
        }
    }
}

fn endless(path: &AttrPath) -> String {
    let beginning = path.components().iter().take(2).cloned();
    format!(
        "nix-eval-jobs comes to no end with sets that are part of themselves in `{}`",
        AttrPath::new(beginning)
    )
}

/// The whole root may have been evaluated though only some of it was asked for.
fn is_wanted(path: &AttrPath, selection: &Selection) -> bool {
    let first = path.components().first();
    !first.is_some_and(|name| selection.is_other_system(name))
}

/// Reads `stream` to its end, so that the program never waits for long, or until nobody listens.
fn read(
    stream: impl Read,
    limit: usize,
    sender: &SyncSender<Output>,
    parse: impl Fn(Vec<u8>) -> Output,
) {
    let mut stream = BufReader::with_capacity(64 << 10, stream);
    while let Ok(Some(line)) = lines::next(&mut stream, limit) {
        if sender.send(parse(line)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes_of(names: &[&str], systems: &[&str]) -> Vec<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let selection = Selection {
            systems: systems.iter().map(|it| it.parse().unwrap()).collect(),
            known: None,
        };
        let prefixes = prefixes(&names, &selection);
        prefixes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_wanted_systems_are_evaluated() {
        let names = ["aarch64-linux", "x86_64-darwin", "x86_64-linux"];
        assert_eq!(prefixes_of(&names, &["x86_64-linux"]), ["x86_64-linux"]);
        assert_eq!(prefixes_of(&names, &[]), [""]);
        assert_eq!(prefixes_of(&["x86_64-linux"], &["x86_64-linux"]), [""]);
        // Attributes that are no systems may be many, so not one process for each.
        assert_eq!(
            prefixes_of(&["a", "aarch64-linux"], &["x86_64-linux"]),
            [""]
        );
        assert_eq!(prefixes_of(&["aarch64-linux"], &["x86_64-linux"]), [""; 0]);
    }

    #[test]
    fn the_command_names_the_attribute() {
        let command = JobsCommand {
            base: CommandSpec::new("nix-eval-jobs"),
            reference: "git+file:///x".to_owned(),
            root: AttrPath::new(["ci", "a.b"]),
            attribute: Duration::ZERO,
            silence: Duration::ZERO,
            most_memory: 0,
            groups: None,
        };
        assert_eq!(
            command
                .below(
                    &AttrPath::new(["x86_64-linux"]),
                    Share {
                        evaluators: 3,
                        memory: 2048
                    }
                )
                .to_string(),
            "nix-eval-jobs --workers 3 --max-memory-size 2048 --flake 'git+file:///x#ci.\"a.b\".x86_64-linux'"
        );
    }
}
