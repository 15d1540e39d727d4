//! What a lock file says about how far the files of a flake determine its inputs.

use serde_json::{Map, Value};

/// A lock file that pins everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lock {
    /// Whether an input may be told the commit of the flake itself.
    pub(super) passes_commit_on: bool,
}

impl Lock {
    /// Of a flake without lock file, which Nix evaluates only if it has no inputs.
    pub(super) const NONE: Self = Self {
        passes_commit_on: false,
    };

    /// Reads a lock file; `None` if it is none or leaves an input open.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let lock: Value = serde_json::from_slice(text).ok()?;
        let root = lock.get("root")?.as_str()?;
        let nodes = lock.get("nodes")?.as_object()?;
        let mut passes_commit_on = false;
        for (name, node) in nodes {
            if name != root {
                passes_commit_on |= match pinned(node.get("locked")?.as_object()?)? {
                    Pinned::Content => false,
                    Pinned::Folder => true,
                };
            }
            let inputs = node.get("inputs").and_then(Value::as_object);
            passes_commit_on |= inputs
                .into_iter()
                .flat_map(Map::values)
                .any(|input| leads_to_root(input, root));
        }
        Some(Self { passes_commit_on })
    }
}

/// What pins an input.
enum Pinned {
    /// A hash of its own.
    Content,
    /// It is a folder of the flake that it is an input of, and has that one's revision and date.
    Folder,
}

fn pinned(locked: &Map<String, Value>) -> Option<Pinned> {
    let text = |name: &str| locked.get(name).and_then(Value::as_str);
    if text("type") == Some("path") && !text("path")?.starts_with('/') {
        return Some(Pinned::Folder);
    }
    let is_hash = |rev: &str| rev.len() >= 40 && rev.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_pinned = text("narHash").is_some() || text("rev").is_some_and(is_hash);
    is_pinned.then_some(Pinned::Content)
}

/// `inputs.x.inputs.y.follows = ""` makes the flake itself the input of another.
fn leads_to_root(input: &Value, root: &str) -> bool {
    match input {
        Value::String(node) => node == root,
        Value::Array(path) => path.is_empty(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read(root_inputs: &str, node: &str) -> Option<bool> {
        let text = format!(
            r#"{{"version":7,"root":"root","nodes":{{"root":{{"inputs":{root_inputs}}},"a":{node}}}}}"#
        );
        Lock::read(text.as_bytes()).map(|lock| lock.passes_commit_on)
    }

    const REV: &str = "0123456789012345678901234567890123456789";

    #[rstest]
    #[case::hash(
        r#"{"a":"a"}"#,
        r#"{"locked":{"type":"github","narHash":"sha256-x"}}"#,
        Some(false)
    )]
    #[case::rev(r#"{"a":"a"}"#, &format!(r#"{{"locked":{{"type":"git","rev":"{REV}"}}}}"#), Some(false))]
    #[case::open(r#"{"a":"a"}"#, r#"{"locked":{"type":"git","ref":"main"}}"#, None)]
    #[case::not_locked(r#"{"a":"a"}"#, r#"{"original":{"type":"git"}}"#, None)]
    #[case::short_rev(r#"{"a":"a"}"#, r#"{"locked":{"type":"git","rev":"abc"}}"#, None)]
    #[case::folder(
        r#"{"a":"a"}"#,
        r#"{"locked":{"type":"path","path":"./sub"},"parent":[]}"#,
        Some(true)
    )]
    #[case::path(
        r#"{"a":"a"}"#,
        r#"{"locked":{"type":"path","path":"/x","narHash":"y"}}"#,
        Some(false)
    )]
    #[case::follows(
        r#"{"a":"a","b":["a","x"]}"#,
        r#"{"locked":{"narHash":"y"}}"#,
        Some(false)
    )]
    #[case::follows_root(
        r#"{"a":"a"}"#,
        r#"{"inputs":{"b":[]},"locked":{"narHash":"y"}}"#,
        Some(true)
    )]
    #[case::root_itself(r#"{"a":"a","me":[]}"#, r#"{"locked":{"narHash":"y"}}"#, Some(true))]
    #[case::root_by_name(
        r#"{"a":"a"}"#,
        r#"{"inputs":{"b":"root"},"locked":{"narHash":"y"}}"#,
        Some(true)
    )]
    #[case::odd(r#"{"a":5}"#, r#"{"locked":{"narHash":"y"}}"#, Some(true))]
    fn inputs(#[case] root_inputs: &str, #[case] node: &str, #[case] expected: Option<bool>) {
        assert_eq!(read(root_inputs, node), expected);
    }

    #[test]
    fn nonsense_pins_nothing() {
        for text in ["", "{}", "[]", r#"{"root":"r","nodes":[]}"#] {
            assert_eq!(Lock::read(text.as_bytes()), None, "{text}");
        }
    }
}
