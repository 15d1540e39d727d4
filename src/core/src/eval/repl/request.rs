//! What is typed into a `nix repl`, as text. Starts nothing.
//!
//! The repl has the flake's outputs as variables. Results come back through `builtins.trace` as
//! messages that begin with a random word; the flake cannot know it, so whatever it prints itself
//! is no result. Attributes are asked for by their number among their siblings (`builtins.attrNames`
//! sorts), so that no name has to survive a line editor.

use std::fmt::Write as _;

use crate::nix::{AttrPath, System};

/// Definitions, one a line. `NONCE`, `SYSTEMS` and `ROOT` are replaced. They begin with `b'`, which
/// no flake has as the name of an output, and do not see each other's arguments' names.
///
/// - `b'r`: what an attribute is; of a derivation for another system only that.
/// - `b't`: the tree of all attributes below the root, evaluated as far as it was asked for.
/// - `b'q`: the children `first`, `first + 1`, … of the set at `path`, each printed at once.
/// - `b'o`: the root itself.
/// - `b'x`, `b'e`: marks.
const PRELUDE: &str = r#"b'n = "NONCE"
b'w = [ SYSTEMS ]
b'r = v: if builtins.isAttrs v then if v.type or null == "derivation" then if b'w == [ ] || builtins.elem v.system b'w then { inherit (v) name system drvPath; } else { inherit (v) system; } else { names = builtins.attrNames v; } else { type = builtins.typeOf v; }
b't = let t = v: { inherit v; children = builtins.map (name: t v.${name}) (builtins.attrNames v); }; in t (ROOT)
b'q = path: first: count: let t = builtins.foldl' (t: i: builtins.elemAt t.children i) b't path; in builtins.foldl' (a: i: builtins.trace "${b'n} item ${builtins.toString i} ${builtins.toJSON (b'r (builtins.elemAt t.children i).v)}" null) null (builtins.genList (i: first + i) count)
b'o = n: builtins.trace "${b'n} item ${builtins.toString n} ${builtins.toJSON (if b't.v == b'n then { missing = true; } else b'r b't.v)}" null
b'x = n: builtins.trace "${b'n} fine ${builtins.toString n}" null
b'e = n: builtins.trace "${b'n} end ${builtins.toString n}" null
"#;

/// Words that are no variable names though they look like some.
const KEYWORDS: [&str; 9] = [
    "assert", "else", "if", "in", "inherit", "let", "or", "rec", "then",
];

/// The definitions for a fresh repl. `None` if the first component of `root` cannot be a variable.
pub(super) fn prelude(nonce: &str, root: &AttrPath, systems: &[System]) -> Option<String> {
    let systems: Vec<String> = systems.iter().map(|it| literal(it.as_str())).collect();
    let root = root_expression(root)?;
    let text = PRELUDE
        .replace("NONCE", nonce)
        .replace("SYSTEMS", &systems.join(" "))
        .replace("ROOT", &root);
    Some(text)
}

/// The root's value, or the nonce if there is no such attribute: variables of a `with` count only
/// where there is no other of that name.
fn root_expression(root: &AttrPath) -> Option<String> {
    let (first, rest) = root.components().split_first()?;
    if !is_identifier(first) {
        return None;
    }
    Some(if rest.is_empty() {
        format!("with {{ {first} = b'n; }}; {first}")
    } else {
        let expression = select(first, rest);
        format!("with {{ {first} = {{ }}; }}; {expression} or b'n")
    })
}

fn is_identifier(text: &str) -> bool {
    let mut characters = text.chars();
    let is_start = |character: char| character.is_ascii_alphabetic() || character == '_';
    let is_part = |character: char| character.is_ascii_alphanumeric() || "_'-".contains(character);
    characters.next().is_some_and(is_start)
        && characters.all(is_part)
        && !KEYWORDS.contains(&text)
        && text != "with"
}

/// Tells whether the repl works: the first mark comes if it does; only the second if the flake has
/// an output called `builtins`, which hides ours.
pub(super) fn probe(nonce: &str) -> String {
    format!("builtins.trace \"{nonce} fine 0\" null\n__trace \"{nonce} end 0\" null\n")
}

/// Asks for the root; the answer is item 0.
pub(super) fn root(id: u64) -> String {
    format!("b'o 0\nb'e {id}\n")
}

/// Asks for `count` children of the set at `position`, from child `first` on.
pub(super) fn children(id: u64, position: &[usize], first: usize, count: usize) -> String {
    let mut text = String::from("b'q [");
    for index in position {
        let _ = write!(text, " {index}");
    }
    let _ = write!(text, " ] {first} {count}\nb'e {id}\n");
    text
}

/// Forces one part of the attribute at `path` below `root` without any call of ours around it, so
/// that an error has only the flake's own trace. Mark 0 comes if it evaluates: the operands of
/// `==` are evaluated from left to right.
pub(super) fn force(id: u64, root: &AttrPath, path: &AttrPath, part: Part) -> String {
    let components: Vec<&String> = root.components().iter().chain(path.components()).collect();
    let (first, rest) = components
        .split_first()
        .map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let expression = select(first, rest);
    let suffix = match part {
        Part::Value => "",
        Part::Type => ".type or null",
        Part::System => ".system",
        Part::DrvPath => ".drvPath",
        Part::Name => ".name",
    };
    format!("({expression}{suffix}) == b'x 0\nb'e {id}\n")
}

/// A part of an attribute that may fail to evaluate, in the order in which `b'r` looks at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Value,
    Type,
    System,
    DrvPath,
    Name,
}

impl Part {
    pub(super) const ALL: [Self; 5] = [
        Self::Value,
        Self::Type,
        Self::System,
        Self::DrvPath,
        Self::Name,
    ];
}

fn select<S: AsRef<str>>(first: &str, rest: &[S]) -> String {
    let mut expression = first.to_owned();
    for component in rest {
        let _ = write!(expression, ".${{{}}}", literal(component.as_ref()));
    }
    expression
}

/// `text` as a Nix expression in printable ASCII: the repl's line editor would take control
/// characters for commands, and other characters depend on the locale.
fn literal(text: &str) -> String {
    let is_plain = |character: char| {
        character == ' ' || (character.is_ascii_graphic() && !"\"\\$".contains(character))
    };
    if text.chars().all(is_plain) {
        return format!("\"{text}\"");
    }
    let mut json = String::from("builtins.fromJSON \"\\\"");
    for character in text.chars() {
        if is_plain(character) {
            json.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(json, "\\\\u{unit:04x}");
            }
        }
    }
    json.push_str("\\\"\"");
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_short() {
        assert_eq!(children(7, &[0, 12], 40, 20), "b'q [ 0 12 ] 40 20\nb'e 7\n");
    }

    #[test]
    fn names_are_plain_ascii() {
        let path = AttrPath::new(["x86_64-linux", "a.b", "\u{1b}${x}\"\\😀"]);
        assert_eq!(
            force(3, &AttrPath::new(["checks"]), &path, Part::DrvPath),
            "(checks.${\"x86_64-linux\"}.${\"a.b\"}.${builtins.fromJSON \
             \"\\\"\\\\u001b\\\\u0024{x}\\\\u0022\\\\u005c\\\\ud83d\\\\ude00\\\"\"}.drvPath) == b'x 0\nb'e 3\n"
        );
    }

    #[test]
    fn only_a_variable_can_be_the_root() {
        let root =
            |components: &[&str]| root_expression(&AttrPath::new(components.iter().copied()));
        assert_eq!(root(&["checks"]).unwrap(), "with { checks = b'n; }; checks");
        assert_eq!(
            root(&["ci", "build bot"]).unwrap(),
            "with { ci = { }; }; ci.${\"build bot\"} or b'n"
        );
        for bad in ["a b", "", "1a", "if", "with", "a;b"] {
            assert_eq!(root(&[bad]), None, "{bad}");
        }
        assert_eq!(root(&[]), None);
    }

    #[test]
    fn every_definition_is_one_line() {
        let systems = ["x86_64-linux".parse().unwrap()];
        let text = prelude("0123", &AttrPath::new(["checks"]), &systems).unwrap();
        assert!(
            text.lines()
                .all(|line| line.starts_with("b'") && line.contains(" = "))
        );
        assert!(text.contains("b'w = [ \"x86_64-linux\" ]"));
    }
}
