//! What evaluators say and what lies in the store, for tests/fuzz: any bytes are an answer.

use super::eval_jobs::parse_line;
use super::found::Found;
use super::repl::parse_reply;
use super::walk::Selection;
use super::{drv, text};
use crate::nix::{AttrPath, DrvPath};

/// What replies of a repl begin with here.
const NONCE: &str = "0123456789abcdef";
const DRV: &str = "/nix/store/00000000000000000000000000000000-a.drv";

/// Reads lines as those of both evaluators.
///
/// # Panics
///
/// If a text for people has control characters.
pub fn lines(bytes: &[u8]) {
    let prefix = AttrPath::new(["checks"]);
    let selection = Selection {
        systems: Vec::new(),
        known: None,
    };
    for line in bytes.split(|byte| *byte == b'\n') {
        match parse_line(line, &prefix, &selection) {
            Ok(found) => found.into_iter().for_each(|found| check(&found)),
            Err(problem) => assert_clean(&problem),
        }
        parse_reply(NONCE, line);
    }
}

/// Reads a derivation.
///
/// # Panics
///
/// If the two readers of derivations disagree.
pub fn derivation(bytes: &[u8]) {
    let path = DrvPath::try_from(DRV.to_owned());
    let Ok(path) = path else {
        return;
    };
    let edges = drv::parse(bytes, &path);
    let outputs = crate::build::fuzz::outputs(bytes, &path);
    if let (Ok(edges), Ok(outputs)) = (edges, outputs) {
        assert_eq!(edges.outputs, outputs);
    }
}

/// Errors are not looked at: names of attributes are in them as they are, and the assembler sees to
/// that.
fn check(found: &Found) {
    if let Found::Warning(text) | Found::Text(text) = found {
        assert_clean(text);
    }
}

fn assert_clean(shown: &str) {
    assert_eq!(text::clean(shown), shown);
}
