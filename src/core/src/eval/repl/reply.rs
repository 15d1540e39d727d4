//! What comes back from a `nix repl`, line by line. Reads nothing itself.

use serde::Deserialize;

use super::super::log::{self, LogLine};

/// Characters that may stand in front of a result (`trace: `). What shows a result's text further
/// behind is something else, e.g. an error that quotes what was typed.
const BEFORE_NONCE: usize = 16;

/// One line of a repl's stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// The attribute of that number is this.
    Item(usize, Item),
    /// A mark inside a request.
    Fine,
    /// All that there is about the request of that number has been said.
    End(u64),
    /// Something that is no result.
    Log(LogLine),
}

/// What an attribute is, as the flake says. Strings are not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// A derivation to look at.
    Derivation {
        name: String,
        system: String,
        drv_path: String,
    },
    /// A derivation for a system that nobody asked for.
    OtherSystem(String),
    /// A set with these names.
    Set(Vec<String>),
    /// A value of that type, as `builtins.typeOf` names it.
    Value(String),
    /// There is no such attribute.
    Missing,
    /// A derivation with nonsense in it.
    Odd(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    name: Option<serde_json::Value>,
    system: Option<serde_json::Value>,
    drv_path: Option<String>,
    names: Option<Vec<String>>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    missing: bool,
}

/// Reads one line of a repl that was told to begin its results with `nonce`.
pub(super) fn parse(nonce: &str, line: &[u8]) -> Reply {
    let contains_nonce = line.windows(nonce.len()).any(|it| it == nonce.as_bytes());
    let result = contains_nonce
        .then(|| log::raw_error(line))
        .flatten()
        .and_then(|message| from_message(nonce, &message));
    result.unwrap_or_else(|| Reply::Log(log::parse(line)))
}

fn from_message(nonce: &str, message: &str) -> Option<Reply> {
    let (before, rest) = message.split_once(nonce)?;
    if before.len() > BEFORE_NONCE {
        return None;
    }
    let (word, rest) = rest.strip_prefix(' ')?.split_once(' ')?;
    match word {
        "item" => {
            let (index, json) = rest.split_once(' ')?;
            Some(Reply::Item(index.parse().ok()?, item(json)))
        }
        "fine" => Some(Reply::Fine),
        "end" => Some(Reply::End(rest.parse().ok()?)),
        _ => None,
    }
}

fn item(json: &str) -> Item {
    let wire: Wire = match serde_json::from_str(json) {
        Ok(wire) => wire,
        Err(error) => return Item::Odd(error.to_string()),
    };
    match wire {
        Wire { missing: true, .. } => Item::Missing,
        Wire {
            names: Some(names), ..
        } => Item::Set(names),
        Wire {
            kind: Some(kind), ..
        } => Item::Value(kind),
        Wire {
            drv_path: Some(drv_path),
            name: Some(serde_json::Value::String(name)),
            system: Some(serde_json::Value::String(system)),
            ..
        } => Item::Derivation {
            name,
            system,
            drv_path,
        },
        Wire {
            drv_path: None,
            name: None,
            system: Some(serde_json::Value::String(system)),
            ..
        } => Item::OtherSystem(system),
        _ => Item::Odd("`name`, `system` or `drvPath` is no string".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "0123456789abcdef";

    fn message(text: &str) -> Reply {
        let wire = serde_json::json!({ "action": "msg", "level": 0, "msg": text });
        parse(NONCE, format!("@nix {wire}").as_bytes())
    }

    fn reply(text: &str) -> Reply {
        message(&format!("trace: {NONCE} {text}"))
    }

    #[test]
    fn items() {
        for (json, item) in [
            (
                r#"{"drvPath":"/d","name":"n","system":"s"}"#,
                Item::Derivation {
                    name: "n".to_owned(),
                    system: "s".to_owned(),
                    drv_path: "/d".to_owned(),
                },
            ),
            (r#"{"system":"s"}"#, Item::OtherSystem("s".to_owned())),
            (
                "{\"names\":[\"a\",\"\\u001b\u{7f}\"]}",
                Item::Set(vec!["a".to_owned(), "\u{1b}\u{7f}".to_owned()]),
            ),
            (r#"{"type":"lambda"}"#, Item::Value("lambda".to_owned())),
            (r#"{"missing":true}"#, Item::Missing),
            (
                r#"{"drvPath":null,"name":"n","system":"s"}"#,
                Item::Odd("`name`, `system` or `drvPath` is no string".to_owned()),
            ),
            (
                r#"{"drvPath":"/d","name":5,"system":"s"}"#,
                Item::Odd("`name`, `system` or `drvPath` is no string".to_owned()),
            ),
        ] {
            assert_eq!(
                reply(&format!("item 7 {json}")),
                Reply::Item(7, item),
                "{json}"
            );
        }
    }

    #[test]
    fn marks() {
        assert_eq!(reply("fine 0"), Reply::Fine);
        assert_eq!(reply("end 12"), Reply::End(12));
    }

    #[test]
    fn only_what_begins_with_the_nonce_is_a_result() {
        for text in [
            "trace: end 12".to_owned(),
            format!("error: undefined variable\n 1| b'n = \"{NONCE} end 12\""),
            format!("trace: {NONCE} sing 12"),
        ] {
            assert!(
                matches!(message(&text), Reply::Log(LogLine::Error(_))),
                "{text}"
            );
        }
        let plain = format!("trace: {NONCE} end 12");
        assert!(matches!(parse(NONCE, plain.as_bytes()), Reply::Log(_)));
    }
}
