use super::Line;

/// Longest line that is put together, in bytes. A line holds one attribute; even an error trace
/// of a NixOS system is far below.
const LINE_MAX: usize = 16 << 20;
/// Characters of a bad line that an error shows.
const EXCERPT: usize = 120;

/// Turns the agent's stdout, in pieces of any size, into [`Line`]s. Does no I/O.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Bytes behind the last newline seen.
    partial: Vec<u8>,
    /// Pieces of a cut line so far.
    pieces: Vec<u8>,
    /// Physical lines seen, for messages.
    line_number: u64,
}

/// The agent printed something that is no machine line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line_number} from the agent is no machine line ({reason}): `{excerpt}`")]
pub struct ProtocolError {
    /// Physical line, counted from 1.
    pub line_number: u64,
    /// What is wrong with it.
    pub reason: String,
    /// Its beginning.
    pub excerpt: String,
}

impl Decoder {
    /// Takes the next bytes; returns the lines that they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Line>, ProtocolError> {
        let mut lines = Vec::new();
        let mut rest = bytes;
        while let Some(newline) = rest.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = rest.split_at(newline);
            self.partial.extend_from_slice(head);
            rest = tail.get(1..).unwrap_or_default();
            let physical = std::mem::take(&mut self.partial);
            lines.extend(self.physical_line(&physical)?);
        }
        self.partial.extend_from_slice(rest);
        self.check_length()?;
        Ok(lines)
    }

    /// To be called at the end of the stream: what was never completed is an error.
    pub fn finish(&mut self) -> Result<(), ProtocolError> {
        if self.partial.is_empty() && self.pieces.is_empty() {
            return Ok(());
        }
        let mut unfinished = std::mem::take(&mut self.pieces);
        unfinished.append(&mut self.partial);
        Err(self.error("the output ends in the middle of a line", &unfinished))
    }

    fn physical_line(&mut self, line: &[u8]) -> Result<Option<Line>, ProtocolError> {
        self.line_number += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.split_first() {
            None => Ok(None),
            Some((b'+', piece)) => {
                self.pieces.extend_from_slice(piece);
                self.check_length()?;
                Ok(None)
            }
            Some((b'=', piece)) => {
                let mut whole = std::mem::take(&mut self.pieces);
                whole.extend_from_slice(piece);
                self.parse(&whole).map(Some)
            }
            Some(_) if !self.pieces.is_empty() => {
                Err(self.error("the previous line was not completed", line))
            }
            Some(_) => self.parse(line).map(Some),
        }
    }

    fn parse(&self, json: &[u8]) -> Result<Line, ProtocolError> {
        serde_json::from_slice(json).map_err(|error| self.error(&error.to_string(), json))
    }

    fn check_length(&self) -> Result<(), ProtocolError> {
        if self.partial.len() + self.pieces.len() > LINE_MAX {
            let reason = format!("longer than {LINE_MAX} bytes");
            return Err(self.error(&reason, &self.partial));
        }
        Ok(())
    }

    fn error(&self, reason: &str, line: &[u8]) -> ProtocolError {
        ProtocolError {
            line_number: self.line_number,
            reason: reason.to_owned(),
            excerpt: String::from_utf8_lossy(line)
                .chars()
                .take(EXCERPT)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::encode::PHYSICAL_LINE_MAX;
    use super::super::{Failed, encode};
    use super::*;
    use crate::nix::AttrPath;

    fn failed(error: &str) -> Line {
        let attr_path = AttrPath::new(["x86_64-linux", "a"]);
        Line::Failed(Failed {
            attr: attr_path.to_string(),
            attr_path,
            error: error.to_owned(),
            position: None,
        })
    }

    proptest! {
        /// Whatever the text and wherever the stream is cut, the same lines come out.
        #[test]
        fn encoding_survives_any_chunking(
            texts in prop::collection::vec(".{0,6000}", 1..4),
            chunk in 1_usize..5000,
        ) {
            let lines: Vec<Line> = texts.iter().map(|text| failed(text)).collect();
            let bytes: Vec<u8> = lines.iter().flat_map(encode).collect();
            prop_assert!(bytes.is_ascii());
            prop_assert!(bytes.split(|byte| *byte == b'\n').all(|line| line.len() < PHYSICAL_LINE_MAX));
            let mut decoder = Decoder::default();
            let mut decoded = Vec::new();
            for piece in bytes.chunks(chunk) {
                decoded.extend(decoder.feed(piece).unwrap());
            }
            prop_assert_eq!(decoder.finish(), Ok(()));
            prop_assert_eq!(decoded, lines);
        }

        /// Hostile bytes never panic.
        #[test]
        fn garbage_is_an_error_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut decoder = Decoder::default();
            let _ = decoder.feed(&bytes);
            let _ = decoder.finish();
        }
    }

    #[test]
    fn unknown_types_and_fields_are_tolerated() {
        let mut decoder = Decoder::default();
        let lines = decoder
            .feed(b"{\"type\":\"telemetry\",\"x\":1}\n{\"type\":\"warning\",\"message\":\"m\",\"new\":2}\n")
            .unwrap();
        let warning = Line::Warning {
            message: "m".to_owned(),
        };
        assert_eq!(lines, [Line::Unknown, warning]);
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = Decoder::default()
            .feed(b"{\"type\":\"warning\",\"message\":\"m\"}\nTraceback (most recent\n")
            .unwrap_err();
        assert_eq!(error.line_number, 2);
        assert_eq!(error.excerpt, "Traceback (most recent");
    }

    #[test]
    fn an_unfinished_line_is_an_error_at_the_end() {
        let mut decoder = Decoder::default();
        decoder.feed(b"{\"type\":").unwrap();
        assert!(
            decoder
                .finish()
                .unwrap_err()
                .reason
                .contains("ends in the middle")
        );
    }
}
