use std::io;

use serde::Serialize as _;

use super::Line;

/// Bytes in a physical line, newline included. A stock buildbot-worker inserts a newline after
/// 4,096 characters (its `max_line_length`); this stays well below.
pub(super) const PHYSICAL_LINE_MAX: usize = 4000;

/// `line` as ASCII bytes ready to be written, newline included.
///
/// A line that fits is one JSON object. A longer one is cut: every piece but the last stands on a
/// line of its own behind `+`, the last behind `=`.
pub fn encode(line: &Line) -> Vec<u8> {
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut json, Ascii);
    if line.serialize(&mut serializer).is_err() {
        // Our own types have string keys and finite numbers, and a Vec takes every write.
        return Vec::new();
    }
    if json.len() < PHYSICAL_LINE_MAX {
        json.push(b'\n');
        return json;
    }
    let piece_length = PHYSICAL_LINE_MAX - 2;
    let pieces = json.len().div_ceil(piece_length);
    let mut framed = Vec::with_capacity(json.len() + 2 * pieces);
    for (index, piece) in json.chunks(piece_length).enumerate() {
        framed.push(if index + 1 == pieces { b'=' } else { b'+' });
        framed.extend_from_slice(piece);
        framed.push(b'\n');
    }
    framed
}

/// JSON with everything outside ASCII escaped, so that no cut can fall into a character.
struct Ascii;

impl serde_json::ser::Formatter for Ascii {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut units = [0; 2];
        for character in fragment.chars() {
            if character.is_ascii() {
                writer.write_all(&[character as u8])?;
            } else {
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}
