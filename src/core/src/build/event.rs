//! One line of Nix's `--log-format internal-json` → [`Event`].
//!
//! The numbers are those of `ActivityType`, `ResultType` and `Verbosity` in Nix's
//! `src/libutil/include/nix/util/logging.hh` and `error.hh`; they are part of the protocol between
//! Nix and its build hooks, and have only ever been added to.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::lines::RawLine;

/// What every line of the stream begins with.
const PREFIX: &[u8] = b"@nix ";

/// Kinds of activity that mean something here.
pub(super) mod activity {
    /// Meter of all paths that are substituted.
    pub(in super::super) const COPY_PATHS: u64 = 103;
    /// Meter of all builds.
    pub(in super::super) const BUILDS: u64 = 104;
    /// One builder runs. Fields: derivation, machine, round, rounds.
    pub(in super::super) const BUILD: u64 = 105;
    /// The post-build hook runs.
    pub(in super::super) const POST_BUILD_HOOK: u64 = 110;
}

/// Kinds of result that mean something here.
pub(super) mod result {
    /// A line of a builder. Fields: the line.
    pub(in super::super) const BUILD_LOG_LINE: u64 = 101;
    /// A builder says what it does. Fields: the phase.
    pub(in super::super) const SET_PHASE: u64 = 104;
    /// A meter moves. Fields: done, expected, running, failed.
    pub(in super::super) const PROGRESS: u64 = 105;
    /// A line of the post-build hook. Fields: the line.
    pub(in super::super) const POST_BUILD_LOG_LINE: u64 = 107;
}

/// Levels of messages.
pub(super) mod level {
    /// Something went wrong.
    pub(in super::super) const ERROR: u64 = 0;
    /// What people read; above this come details for those who debug Nix.
    pub(in super::super) const INFO: u64 = 3;
}

/// One line of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// An activity begins.
    Start {
        id: u64,
        parent: u64,
        kind: u64,
        level: u64,
        text: Cow<'a, str>,
        fields: Vec<Field<'a>>,
    },
    /// An activity ends.
    Stop { id: u64 },
    /// Something comes out of an activity.
    Result {
        id: u64,
        kind: u64,
        fields: Vec<Field<'a>>,
    },
    /// A builder's (or hook's) line that was too long to be kept.
    LongLine {
        id: u64,
        kind: u64,
        head: String,
        tail: String,
        left_out: u64,
    },
    /// Text for people.
    Message { level: u64, text: Cow<'a, str> },
    /// Something that is no line of the stream: shown as it is.
    Other { text: Cow<'a, str>, left_out: u64 },
    /// A line of a kind that this version does not know.
    Unknown,
}

/// A field of an activity or result: text or number.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    /// Anything else, e.g. of a newer Nix.
    Other,
}

impl Field<'_> {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Other => None,
        }
    }

    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) | Self::Other => None,
        }
    }
}

/// All lines in one: a tagged enum would make serde copy every line first.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    id: u64,
    parent: u64,
    #[serde(rename = "type")]
    kind: u64,
    level: u64,
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(borrow)]
    msg: Cow<'a, str>,
    #[serde(borrow)]
    fields: Vec<Field<'a>>,
}

/// Reads one line and hands it to `sink`, which is called once. Never fails: what is no event is
/// text.
pub(super) fn parse(line: &RawLine, sink: impl FnOnce(Event)) {
    match *line {
        RawLine::Whole(line) => parse_whole(line, sink),
        RawLine::Long {
            head,
            tail,
            left_out,
        } => sink(parse_long(head, tail, left_out)),
    }
}

fn parse_whole(line: &[u8], sink: impl FnOnce(Event)) {
    let Some(json) = line.strip_prefix(PREFIX) else {
        return sink(Event::Other {
            text: String::from_utf8_lossy(line),
            left_out: 0,
        });
    };
    // Nix replaces invalid UTF-8 before it writes JSON; this copies nothing then.
    let json = String::from_utf8_lossy(json);
    match serde_json::from_str::<Wire>(&json) {
        Ok(wire) => sink(wire.into()),
        Err(_) => sink(Event::Other {
            text: String::from_utf8_lossy(line),
            left_out: 0,
        }),
    }
}

/// A line too long to be kept can only be a log line. Its JSON is cut, but Nix writes keys in
/// alphabetical order, so that the text stands in front and `id` and `type` behind it.
fn parse_long<'a>(head: &'a [u8], tail: &[u8], left_out: u64) -> Event<'a> {
    const BEFORE: &[u8] = br#"@nix {"action":"result","fields":[""#;
    const BEHIND: &str = r#""],"id":"#;
    let tail_text = String::from_utf8_lossy(tail);
    let parts = head
        .strip_prefix(BEFORE)
        .zip(tail_text.rsplit_once(BEHIND))
        .and_then(|(text, (end, keys))| {
            let keys = format!("{{\"id\":{keys}");
            let wire: Wire = serde_json::from_str(&keys).ok()?;
            Some((text, end, wire.id, wire.kind))
        });
    match parts {
        Some((text, end, id, kind)) => Event::LongLine {
            id,
            kind,
            head: unescape_head(&String::from_utf8_lossy(text)),
            tail: unescape_tail(end),
            left_out,
        },
        None => Event::Other {
            text: String::from_utf8_lossy(head),
            left_out: left_out + tail.len() as u64,
        },
    }
}

/// The text of a JSON string that ends somewhere, perhaps in the middle of an escape: at most
/// eleven bytes (`\ud83d\ude0`) have to go until the rest is a string again.
fn unescape_head(escaped: &str) -> String {
    let shorter = (0..12).map(|less| escaped.len().saturating_sub(less));
    unescape_some(shorter.filter_map(|end| escaped.get(..end)))
}

/// The same for a string whose beginning is missing.
fn unescape_tail(escaped: &str) -> String {
    unescape_some((0..12).filter_map(|begin| escaped.get(begin..)))
}

fn unescape_some<'a>(candidates: impl Iterator<Item = &'a str>) -> String {
    candidates
        .into_iter()
        .find_map(|candidate| serde_json::from_str(&format!("\"{candidate}\"")).ok())
        .unwrap_or_default()
}

impl<'a> From<Wire<'a>> for Event<'a> {
    fn from(wire: Wire<'a>) -> Self {
        let Wire {
            action,
            id,
            parent,
            kind,
            level,
            text,
            msg,
            fields,
        } = wire;
        match &*action {
            "start" => Self::Start {
                id,
                parent,
                kind,
                level,
                text,
                fields,
            },
            "stop" => Self::Stop { id },
            "result" => Self::Result { id, kind, fields },
            "msg" => Self::Message { level, text: msg },
            _ => Self::Unknown,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a field")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Field::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::Lines;
    use super::*;

    /// What becomes of `line`, in Rust's notation.
    fn parsed(line: &[u8]) -> String {
        let mut seen = String::new();
        let mut lines = Lines::default();
        let mut sink = |line: RawLine| parse(&line, |event| seen = format!("{event:?}"));
        lines.feed(line, &mut sink);
        lines.finish(&mut sink);
        seen
    }

    #[test]
    fn fields_of_a_newer_nix_do_no_harm() {
        let line = br#"@nix {"action":"start","id":7,"type":105,"level":3,"text":"t","fields":["a",1,-1,null,{"x":[1]},[2],1.5,true],"new":{"a":1}}"#;
        insta::assert_snapshot!(parsed(line), @r#"Start { id: 7, parent: 0, kind: 105, level: 3, text: "t", fields: [Text("a"), Number(1), Other, Other, Other, Other, Other, Other] }"#);
        assert_eq!(parsed(br#"@nix {"action":"telemetry"}"#), "Unknown");
    }

    #[test]
    fn malformed_lines_are_text() {
        for line in [
            "@nix {\"action\":",
            "@nix null",
            "@nix {\"action\":\"stop\",\"id\":-1}",
            "segfault",
            "",
        ] {
            let expected = format!("Other {{ text: {line:?}, left_out: 0 }}");
            assert_eq!(
                parsed(line.as_bytes()),
                if line.is_empty() { "" } else { &expected }
            );
        }
    }

    #[test]
    fn invalid_utf8_is_replaced() {
        assert_eq!(
            parsed(b"@nix {\"action\":\"msg\",\"level\":1,\"msg\":\"a\xffb\"}"),
            "Message { level: 1, text: \"a\u{fffd}b\" }"
        );
        assert_eq!(parsed(b"\xff"), "Other { text: \"\u{fffd}\", left_out: 0 }");
    }

    /// Wherever the cut falls, in front of, in or behind an escape.
    #[test]
    fn a_line_too_long_to_keep_keeps_its_activity() {
        for shift in 0..16 {
            let text = format!(
                "{}{}",
                "y".repeat(shift),
                r"\ud83d\ude00x\n".repeat(400_000)
            );
            let line = format!(
                "@nix {{\"action\":\"result\",\"fields\":[\"{text}\"],\"id\":9,\"type\":101}}\n"
            );
            let mut lines = Lines::default();
            lines.feed(line.as_bytes(), &mut |line| {
                parse(&line, |event| {
                    let Event::LongLine {
                        id,
                        kind,
                        head,
                        tail,
                        left_out,
                    } = event
                    else {
                        panic!("{event:?}");
                    };
                    assert_eq!((id, kind), (9, 101));
                    assert!(head.trim_start_matches('y').starts_with("😀x\n😀"));
                    assert!(tail.ends_with("😀x\n") && left_out > 5_000_000);
                });
            });
        }
    }

    #[test]
    fn any_other_line_too_long_to_keep_is_text() {
        let mut line = b"@nix {\"action\":\"msg\",\"level\":0,\"msg\":\"".to_vec();
        line.resize(3 << 20, b'z');
        assert!(parsed(&line).starts_with("Other { text: \"@nix {"));
    }
}
