//! Nix's log and derivations, for tests/fuzz: any bytes are an answer.

use std::collections::BTreeMap;
use std::time::Duration;

use super::derivation;
use super::event::parse;
use super::lines::Lines;
use super::render::Renderer;
use crate::nix::{DrvPath, StorePath};

/// Renders a log that comes in one piece and in pieces of some bytes.
///
/// # Panics
///
/// If the pieces make a difference.
pub fn log(bytes: &[u8]) {
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let whole = render(rest, rest.len().max(1));
    let pieces = render(rest, usize::from(*first) + 1);
    assert_eq!(
        String::from_utf8_lossy(&pieces),
        String::from_utf8_lossy(&whole)
    );
}

fn render(stream: &[u8], chunk: usize) -> Vec<u8> {
    let mut lines = Lines::default();
    let mut renderer = Renderer::new(false);
    for piece in stream.chunks(chunk) {
        lines.feed(piece, &mut |line| {
            parse(&line, |event| renderer.event(&event, Duration::ZERO));
        });
    }
    lines.finish(&mut |line| parse(&line, |event| renderer.event(&event, Duration::ZERO)));
    renderer.finish(Duration::ZERO);
    renderer.activities().oldest_running();
    renderer.text().to_vec()
}

/// Reads the outputs of a derivation.
pub(crate) fn outputs(
    bytes: &[u8],
    path: &DrvPath,
) -> Result<BTreeMap<String, Option<StorePath>>, String> {
    derivation::parse(bytes, path)
}
