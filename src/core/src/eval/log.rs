//! One line of Nix's `--log-format internal-json` → what it says.

use serde::Deserialize;

use super::text::{clean, last};

/// What every line of the log begins with.
const PREFIX: &[u8] = b"@nix ";
/// `Verbosity` in Nix's `src/libutil/include/nix/util/error.hh`.
const LEVEL_ERROR: u64 = 0;
const LEVEL_WARNING: u64 = 1;
const LEVEL_INFO: u64 = 3;
/// `ResultType::resBuildLogLine` in Nix's `src/libutil/include/nix/util/logging.hh`.
const RESULT_BUILD_LOG_LINE: u64 = 101;
/// What `builtins.trace` puts in front.
const TRACE: &str = "trace: ";
/// What `lib.warn` of nixpkgs puts in front where there is no `builtins.warn`.
const TRACED_WARNING: &str = "evaluation warning: ";

/// What one line says. Text has no colours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LogLine {
    /// An error, or what `builtins.trace` was told to print.
    Error(String),
    /// A warning.
    Warning(String),
    /// What a program says about itself.
    Notice(String),
    /// Nix begins something that is more than evaluating: a build, a download, a copy. With what
    /// people may want to see of it, which is empty if that takes no time.
    Activity(String),
    /// Anything else that people may want to see.
    Text(String),
    /// Nothing for people.
    Nothing,
}

impl LogLine {
    /// The same, with at most about `limit` bytes from the end of its text.
    pub(super) fn truncated(self, limit: usize) -> Self {
        let tail = |text: String| {
            if text.len() <= limit {
                text
            } else {
                last(&text, limit).to_owned()
            }
        };
        match self {
            Self::Error(text) => Self::Error(tail(text)),
            Self::Warning(text) => Self::Warning(tail(text)),
            Self::Notice(text) => Self::Notice(tail(text)),
            Self::Activity(text) => Self::Activity(tail(text)),
            Self::Text(text) => Self::Text(tail(text)),
            Self::Nothing => Self::Nothing,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    action: String,
    level: u64,
    msg: String,
    raw_msg: Option<String>,
    text: String,
    #[serde(rename = "type")]
    kind: u64,
    fields: Vec<serde_json::Value>,
}

/// Reads one line. Never fails: what is no line of the log is text.
pub(super) fn parse(line: &[u8]) -> LogLine {
    let wire = line
        .strip_prefix(PREFIX)
        .and_then(|json| serde_json::from_slice::<Wire>(json).ok());
    match wire {
        Some(wire) => from_wire(&wire),
        None => text(&String::from_utf8_lossy(line)),
    }
}

/// Reads one line of the log that Nix writes where nobody asks for another format. What is no
/// error, trace or warning is said because more happens than evaluating.
pub(super) fn parse_plain(line: &[u8]) -> LogLine {
    if line.starts_with(PREFIX) {
        return parse(line);
    }
    let text = clean(&String::from_utf8_lossy(line));
    if let Some(message) = text.strip_prefix("warning: ") {
        return match warning(message) {
            LogLine::Text(text) => LogLine::Activity(text),
            line => line,
        };
    }
    match error(text) {
        LogLine::Error(text) if text.starts_with("error:") => LogLine::Error(text),
        LogLine::Error(text) if text.starts_with(TRACE) => LogLine::Text(text),
        LogLine::Error(text) if text.trim().is_empty() => LogLine::Nothing,
        LogLine::Error(text) => LogLine::Activity(text),
        line => line,
    }
}

/// The message of an error line as it is, for who put something into it.
pub(super) fn raw_error(line: &[u8]) -> Option<String> {
    let wire: Wire = serde_json::from_slice(line.strip_prefix(PREFIX)?).ok()?;
    (wire.action == "msg" && wire.level == LEVEL_ERROR).then_some(wire.msg)
}

fn from_wire(wire: &Wire) -> LogLine {
    match wire.action.as_str() {
        "msg" => match wire.level {
            LEVEL_ERROR => error(clean(&wire.msg)),
            LEVEL_WARNING => warning(&clean(wire.raw_msg.as_ref().unwrap_or(&wire.msg))),
            level if level <= LEVEL_INFO => LogLine::Notice(clean(&wire.msg)),
            _ => LogLine::Nothing,
        },
        "start" if wire.level <= LEVEL_INFO => LogLine::Activity(clean(&wire.text)),
        "start" => LogLine::Activity(String::new()),
        "result" if wire.kind == RESULT_BUILD_LOG_LINE => text(
            wire.fields
                .first()
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default(),
        ),
        _ => LogLine::Nothing,
    }
}

/// What Nix warns of that says something about the moment and the machine, not about the flake:
/// the same evaluation does not bring it again. These are written to the log.
///
/// Nix gives its warnings no number or name, so its words have to do; this is the only place that
/// looks at them. They are those of `handleSQLiteBusy` (`src/libstore/sqlite.cc`), of
/// `src/libstore/filetransfer.cc` and of `src/libstore/http-binary-cache-store.cc`. A flake that
/// chooses the same words only keeps its own warning out of the list.
fn is_passing(warning: &str) -> bool {
    let warning = warning.strip_prefix("error: ").unwrap_or(warning);
    let is_busy = warning.starts_with("SQLite database ") && warning.contains(" is busy");
    let is_retried = warning.contains("; retrying in ") || warning.contains("; retrying from ");
    let is_switched_off = warning.starts_with("disabling binary cache ");
    let is_full = warning.starts_with("download buffer is full");
    is_busy || is_retried || is_switched_off || is_full
}

fn warning(message: &str) -> LogLine {
    let message = message.strip_prefix("warning: ").unwrap_or(message);
    if is_passing(message) {
        LogLine::Text(format!("warning: {message}"))
    } else {
        LogLine::Warning(message.to_owned())
    }
}

fn error(message: String) -> LogLine {
    let traced = message.strip_prefix(TRACE).unwrap_or(&message);
    match traced.strip_prefix(TRACED_WARNING) {
        Some(warning) => LogLine::Warning(warning.to_owned()),
        None => LogLine::Error(message),
    }
}

fn text(text: &str) -> LogLine {
    let text = clean(text);
    match text.strip_prefix(TRACED_WARNING) {
        Some(warning) => LogLine::Warning(warning.to_owned()),
        None if text.trim().is_empty() => LogLine::Nothing,
        None => LogLine::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(json: &str) -> LogLine {
        parse(format!("@nix {json}").as_bytes())
    }

    #[test]
    fn messages_by_level() {
        for (json, expected) in [
            (
                r#"{"action":"msg","level":0,"msg":"\u001b[31;1merror:\u001b[0m boom"}"#,
                LogLine::Error("error: boom".to_owned()),
            ),
            (
                r#"{"action":"msg","level":1,"msg":"\u001b[35;1mevaluation warning:\u001b[0m a","raw_msg":"a"}"#,
                LogLine::Warning("a".to_owned()),
            ),
            (
                r#"{"action":"msg","level":0,"msg":"trace: \u001b[1;35mevaluation warning:\u001b[0m b"}"#,
                LogLine::Warning("b".to_owned()),
            ),
            (
                r#"{"action":"msg","level":3,"msg":"info"}"#,
                LogLine::Notice("info".to_owned()),
            ),
            (
                r#"{"action":"msg","level":4,"msg":"chatter"}"#,
                LogLine::Nothing,
            ),
            (
                r#"{"action":"start","id":1,"level":3,"parent":0,"text":"building 'x'","type":105}"#,
                LogLine::Activity("building 'x'".to_owned()),
            ),
            (
                r#"{"action":"start","id":1,"level":5,"parent":0,"text":"copying","type":0}"#,
                LogLine::Activity(String::new()),
            ),
            (
                r#"{"action":"result","fields":["a line"],"id":1,"type":101}"#,
                LogLine::Text("a line".to_owned()),
            ),
            (r#"{"action":"stop","id":1}"#, LogLine::Nothing),
            (r#"{"action":"new in 2040"}"#, LogLine::Nothing),
        ] {
            assert_eq!(line(json), expected, "{json}");
        }
    }

    #[test]
    fn what_passes_is_no_warning_of_the_flake() {
        let busy = "SQLite database '/nix/var/nix/db/db.sqlite' is busy";
        for message in [
            busy.to_owned(),
            format!("error: {busy} (SQLITE_PROTOCOL)"),
            "unable to download 'https://x': timeout (28); retrying in 267 ms".to_owned(),
            "disabling binary cache 'https://x' for 60 seconds".to_owned(),
        ] {
            let wire = serde_json::json!({ "action": "msg", "level": 1, "msg": message });
            let expected = LogLine::Text(format!("warning: {message}"));
            assert_eq!(line(&wire.to_string()), expected);
        }
        for message in ["unknown setting 'busy'", "the SQLite database is old"] {
            let wire = serde_json::json!({ "action": "msg", "level": 1, "msg": message });
            let expected = LogLine::Warning(message.to_owned());
            assert_eq!(line(&wire.to_string()), expected);
        }
    }

    #[test]
    fn anything_else_is_text() {
        let overflow = b"error: stack overflow (possible infinite recursion)";
        assert_eq!(
            parse(overflow),
            LogLine::Text(String::from_utf8_lossy(overflow).into_owned())
        );
        assert_eq!(parse(b"@nix {"), LogLine::Text("@nix {".to_owned()));
        assert_eq!(parse(b"\xff"), LogLine::Text("\u{fffd}".to_owned()));
        assert_eq!(
            parse(b"\x1b[1;35mevaluation warning:\x1b[0m old"),
            LogLine::Warning("old".to_owned())
        );
    }
}
