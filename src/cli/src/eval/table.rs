//! Results as a table, and what is going on as a few lines below it. Writes nothing.

use std::time::Duration;

use buildbot_nix_core::eval::Progress;
use buildbot_nix_core::machine_line::CacheStatus;

use super::words::{safe, status_text};

/// Attributes in evaluation that are shown at most.
const CURRENT_MAX: usize = 8;
/// What a name is never cut to.
const NAME_MIN: usize = 20;
const RESET: &str = "\x1b[0m";

/// What came of an attribute, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    InStore,
    ToFetch,
    ToBuild,
    Failed,
}

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) state: State,
    pub(super) attr: String,
    /// What its evaluation took, if that is known.
    pub(super) time: Option<Duration>,
}

/// Attributes by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts([u64; 4]);

impl State {
    /// All of them, in the order of sentences: failures last, where eyes are.
    const SAID: [Self; 4] = [Self::ToBuild, Self::ToFetch, Self::InStore, Self::Failed];

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::InStore => status_text(CacheStatus::Local),
            Self::ToFetch => status_text(CacheStatus::Cached),
            Self::ToBuild => status_text(CacheStatus::NotBuilt),
            Self::Failed => "failed",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::InStore => "\x1b[32m",
            Self::ToFetch => "\x1b[36m",
            Self::ToBuild => "\x1b[33m",
            Self::Failed => "\x1b[31;1m",
        }
    }
}

impl From<CacheStatus> for State {
    fn from(status: CacheStatus) -> Self {
        match status {
            CacheStatus::Local => Self::InStore,
            CacheStatus::Cached => Self::ToFetch,
            CacheStatus::NotBuilt => Self::ToBuild,
        }
    }
}

impl Counts {
    pub(super) fn add(&mut self, state: State) {
        if let Some(count) = self.0.get_mut(state as usize) {
            *count += 1;
        }
    }

    /// `3 to build, 1 failed`; empty if there is nothing.
    pub(super) fn text(self) -> String {
        let parts = State::SAID.into_iter().filter_map(|state| {
            let count = *self.0.get(state as usize)?;
            (count > 0).then(|| format!("{count} {}", state.text()))
        });
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// The whole table for a terminal of `width` columns, failures last.
pub(super) fn table(mut rows: Vec<Row>, width: usize, colour: bool) -> String {
    rows.sort_by(|one, other| (one.state, &one.attr).cmp(&(other.state, &other.attr)));
    let names: Vec<String> = rows.iter().map(|row| safe(&row.attr)).collect();
    let times: Vec<String> = rows.iter().map(|row| time_text(row.time)).collect();
    let columns = |texts: &[String], title: &str| {
        let longest = texts.iter().map(|text| text.chars().count()).max();
        longest.unwrap_or_default().max(title.len())
    };
    let time_width = columns(&times, "time");
    let state_width = rows.iter().map(|row| row.state.text().len()).max();
    let state_width = state_width.unwrap_or_default().max("status".len());
    let left = width.saturating_sub(state_width + time_width + 4);
    let name_width = columns(&names, "attribute").min(left.max(NAME_MIN));
    let mut text = format!(
        "{:state_width$}  {:name_width$}  {:>time_width$}\n",
        "status", "attribute", "time"
    );
    for ((row, name), time) in rows.iter().zip(&names).zip(&times) {
        let state = format!("{:state_width$}", row.state.text());
        let state = if colour {
            format!("{}{state}{RESET}", row.state.colour())
        } else {
            state
        };
        let name = cut(name, name_width);
        let line = format!("{state}  {name:name_width$}  {time:>time_width$}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What is going on, for a terminal of `height` rows.
pub(super) fn live(
    progress: &Progress,
    counts: Counts,
    elapsed: Duration,
    height: usize,
) -> Vec<String> {
    let mut lines = vec![format!("{progress} in {} s", elapsed.as_secs())];
    let counted = counts.text();
    if !counted.is_empty() {
        lines.push(counted);
    }
    // One row is the shell's, so that nothing scrolls away.
    let room = height.saturating_sub(lines.len() + 1).min(CURRENT_MAX);
    let current = progress.current.iter().take(room);
    lines.extend(current.map(|current| {
        let seconds = current.time.as_secs_f64();
        format!("{seconds:>7.1} s  {}", safe(&current.attr_path.to_string()))
    }));
    lines
}

fn time_text(time: Option<Duration>) -> String {
    match time {
        None => String::new(),
        Some(time) if time < Duration::from_secs(1) => format!("{} ms", time.as_millis()),
        Some(time) => format!("{:.2} s", time.as_secs_f64()),
    }
}

/// `name` in at most `width` columns.
fn cut(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_owned();
    }
    let kept: String = name.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use buildbot_nix_core::eval::Current;
    use buildbot_nix_core::nix::AttrPath;
    use insta::assert_snapshot;

    use super::*;

    fn row(state: State, attr: &str, milliseconds: Option<u64>) -> Row {
        Row {
            state,
            attr: attr.to_owned(),
            time: milliseconds.map(Duration::from_millis),
        }
    }

    fn rows() -> Vec<Row> {
        vec![
            row(State::Failed, "x86_64-linux.wrong", Some(12_345)),
            row(State::ToBuild, "x86_64-linux.b\u{1b}[31m", Some(7)),
            row(State::ToBuild, "x86_64-linux.a", None),
            row(
                State::InStore,
                "x86_64-linux.a-name-that-is-far-too-long-for-the-screen",
                Some(0),
            ),
        ]
    }

    #[test]
    fn a_table_has_failures_last_and_fits() {
        let narrow = table(rows(), 50, false);
        assert_snapshot!(narrow, @r"
        status        attribute                       time
        in the store  x86_64-linux.a-name-that-i…     0 ms
        to build      x86_64-linux.a
        to build      x86_64-linux.b\u{1b}[31m        7 ms
        failed        x86_64-linux.wrong           12.35 s
        ");
        assert!(narrow.lines().all(|line| line.chars().count() <= 50));
        let wide = table(rows(), 200, false);
        assert!(wide.contains("a-name-that-is-far-too-long-for-the-screen"));
    }

    #[test]
    fn colours_are_for_the_status_only() {
        let coloured = table(rows(), 80, true);
        assert!(coloured.contains("\x1b[31;1mfailed      \x1b[0m  x86_64-linux.wrong"));
        assert!(!table(rows(), 80, false).contains('\x1b'));
    }

    #[test]
    fn what_is_going_on_fits_the_screen() {
        let current = |name: &str, milliseconds| Current {
            attr_path: AttrPath::new(["x86_64-linux", name]),
            time: Duration::from_millis(milliseconds),
        };
        let progress = Progress {
            known: Some(40),
            finished: 3,
            current: vec![current("slow", 12_340), current("next\u{7}", 90)],
        };
        let mut counts = Counts::default();
        for state in [State::Failed, State::ToBuild, State::ToBuild] {
            counts.add(state);
        }
        let lines = |height| live(&progress, counts, Duration::from_secs(13), height).join("\n");
        assert_snapshot!(lines(24), @r"
        evaluated 3 of 40 attributes in 13 s
        2 to build, 1 failed
           12.3 s  x86_64-linux.slow
            0.1 s  x86_64-linux.next\u{7}
        ");
        assert_eq!(lines(4).lines().count(), 3);
        assert_eq!(lines(1).lines().count(), 2);
        let nothing = live(&Progress::default(), Counts::default(), Duration::ZERO, 24);
        assert_eq!(nothing, ["evaluated 0 attributes in 0 s"]);
    }
}
