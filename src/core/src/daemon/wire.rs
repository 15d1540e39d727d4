//! Numbers, texts and lists as the protocol has them: little-endian words of 8 bytes, texts padded
//! with zeros to whole words.

use std::collections::HashSet;
use std::io::{BufRead, Read};

use super::DaemonError;
use crate::nix::StorePath;

/// Most bytes of one answer, with everything that is said before it. An answer about 100,000 paths
/// has about 10 MB.
const ANSWER_MAX: u64 = 64 << 20;

/// What is sent.
#[derive(Debug, Default)]
pub(super) struct Request(Vec<u8>);

impl Request {
    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    pub(super) fn text(self, text: &str) -> Self {
        let padding = padding(text.len());
        let mut request = self.number(text.len() as u64);
        request.0.extend_from_slice(text.as_bytes());
        request.0.extend_from_slice(padding);
        request
    }

    pub(super) fn texts<'t>(self, texts: impl ExactSizeIterator<Item = &'t str>) -> Self {
        let request = self.number(texts.len() as u64);
        texts.fold(request, Self::text)
    }

    /// Content as one piece, and the mark of its end. Pieces are not padded.
    pub(super) fn framed(self, content: &[u8]) -> Self {
        let mut request = self.number(content.len() as u64);
        request.0.extend_from_slice(content);
        request.number(0)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn padding(length: usize) -> &'static [u8] {
    const ZEROS: [u8; 7] = [0; 7];
    let missing = length.next_multiple_of(8) - length;
    ZEROS.get(..missing).unwrap_or_default()
}

/// Reads one answer from a stream.
pub(super) struct Answer<'s, R> {
    stream: &'s mut R,
    /// Bytes that may still come.
    left: u64,
}

impl<'s, R: BufRead> Answer<'s, R> {
    pub(super) fn from(stream: &'s mut R) -> Self {
        Self {
            stream,
            left: ANSWER_MAX,
        }
    }

    pub(super) fn number(&mut self) -> Result<u64, DaemonError> {
        self.spend(8)?;
        let mut word = [0; 8];
        self.stream.read_exact(&mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    pub(super) fn text(&mut self) -> Result<String, DaemonError> {
        let length = self.number()?;
        self.spend(length)?;
        // Grows with what comes, not with what is announced.
        let mut bytes = Vec::new();
        self.stream.by_ref().take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Err(DaemonError::Closed);
        }
        let expected = padding(bytes.len());
        self.spend(expected.len() as u64)?;
        let mut zeros = [0; 7];
        let zeros = zeros.get_mut(..expected.len()).unwrap_or_default();
        self.stream.read_exact(zeros)?;
        if zeros != expected {
            return Err(DaemonError::odd("a text is not padded with zeros"));
        }
        // Words for people may be in any encoding; what is compared is checked by its own type.
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// A list of texts that nobody wants.
    pub(super) fn skip_texts(&mut self) -> Result<(), DaemonError> {
        for _ in 0..self.number()? {
            self.text()?;
        }
        Ok(())
    }

    pub(super) fn paths(&mut self) -> Result<HashSet<StorePath>, DaemonError> {
        let mut paths = HashSet::new();
        for _ in 0..self.number()? {
            paths.insert(self.path()?);
        }
        Ok(paths)
    }

    pub(super) fn path(&mut self) -> Result<StorePath, DaemonError> {
        StorePath::try_from(self.text()?).map_err(|error| DaemonError::odd(error.to_string()))
    }

    fn spend(&mut self, bytes: u64) -> Result<(), DaemonError> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            DaemonError::odd(format!("it has more than {} MiB", ANSWER_MAX >> 20))
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text_of(bytes: &[u8]) -> Result<String, DaemonError> {
        Answer::from(&mut &*bytes).text()
    }

    #[test]
    fn texts_are_padded() {
        let request = Request::default().text("abc");
        assert_eq!(request.bytes(), b"\x03\0\0\0\0\0\0\0abc\0\0\0\0\0");
        assert_eq!(text_of(request.bytes()).unwrap(), "abc");
        let error = text_of(b"\x03\0\0\0\0\0\0\0abc\0\0\0\0!").unwrap_err();
        assert!(error.to_string().contains("not padded"), "{error}");
    }

    #[test]
    fn what_is_announced_is_not_reserved() {
        for length in [ANSWER_MAX, ANSWER_MAX + 1, u64::MAX - 7, u64::MAX] {
            let bytes = Request::default().number(length);
            let error = text_of(bytes.bytes()).unwrap_err().to_string();
            assert!(error.contains("more than 64 MiB"), "{error}");
        }
        let just_fits = Request::default().number(ANSWER_MAX - 8);
        assert!(matches!(
            text_of(just_fits.bytes()),
            Err(DaemonError::Closed)
        ));
        let list = Request::default().number(u64::MAX).number(0);
        assert!(Answer::from(&mut list.bytes()).skip_texts().is_err());
    }

    #[test]
    fn paths_are_checked() {
        let list = Request::default().texts(["/etc/passwd"].into_iter());
        let error = Answer::from(&mut list.bytes()).paths().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the answer is not understood: `/etc/passwd` is no store path"
        );
    }

    proptest! {
        #[test]
        fn texts_come_back(texts in prop::collection::vec("\\PC{0,20}", 0..4)) {
            let request = Request::default().texts(texts.iter().map(String::as_str));
            let mut bytes = request.bytes();
            let mut answer = Answer::from(&mut bytes);
            prop_assert_eq!(answer.number().unwrap(), texts.len() as u64);
            for text in &texts {
                prop_assert_eq!(&answer.text().unwrap(), text);
            }
            prop_assert!(bytes.is_empty());
        }
    }
}
