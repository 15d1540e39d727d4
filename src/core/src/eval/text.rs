//! Text of an evaluator → text for a machine line.

/// Longest error text in bytes.
const ERROR_MAX: usize = 64 << 10;
/// Bytes of it that are kept from its end, where the cause stands.
const ERROR_TAIL: usize = 16 << 10;
/// Where Nix says that a piece of code was typed in, and not read from a file.
const TYPED_IN: &str = "at «string»:";

/// `text` without terminal control sequences and control characters other than newline and tab.
pub(super) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // CSI sequence: everything up to its final byte. Of others only the escape goes.
            if characters.next_if_eq(&'[').is_some() {
                while characters
                    .next_if(|next| (' '..'@').contains(next))
                    .is_some()
                {}
                characters.next_if(|next| ('@'..='~').contains(next));
            }
        } else if !character.is_control() || matches!(character, '\n' | '\t') {
            cleaned.push(character);
        }
    }
    cleaned
}

/// A cleaned message as the error of an attribute.
pub(super) fn error_text(message: &str) -> String {
    cut(without_typed_in(message).trim_end())
}

/// What was typed into the evaluator tells nothing about the flake. A place in it is shown as a
/// line with the position and lines with the code around it; below a heading of its own it is a
/// frame of the trace, which ends with an empty line.
fn without_typed_in(message: &str) -> String {
    if !message.contains(TYPED_IN) {
        return message.to_owned();
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut lines = message.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.trim_start().starts_with(TYPED_IN) {
            kept.push(line);
            continue;
        }
        while lines.next_if(|line| is_code(line)).is_some() {}
        if kept
            .pop_if(|last| last.trim_start().starts_with('…'))
            .is_some()
        {
            lines.next_if(|line| line.is_empty());
        }
    }
    kept.join("\n")
}

/// Whether `line` shows code: its number or nothing, a bar, and the code or a pointer into it.
fn is_code(line: &str) -> bool {
    let number = |character: char| character.is_ascii_digit() || character == ' ';
    line.starts_with(' ') && line.trim_start_matches(number).starts_with('|')
}

/// `text` without its middle if it is too long for a machine line.
fn cut(text: &str) -> String {
    if text.len() <= ERROR_MAX {
        return text.to_owned();
    }
    let head = first(text, ERROR_MAX - ERROR_TAIL);
    let tail = last(text, ERROR_TAIL);
    let left_out = text.len() - head.len() - tail.len();
    format!("{head}\n[… {left_out} bytes left out …]\n{tail}")
}

/// At most `limit` bytes from the beginning of `text`.
pub(super) fn first(text: &str, limit: usize) -> &str {
    text.split_at(boundary(text, limit)).0
}

/// At most about `limit` bytes from the end of `text`.
pub(super) fn last(text: &str, limit: usize) -> &str {
    text.split_at(boundary(text, text.len().saturating_sub(limit)))
        .1
}

/// The end of the last character of `text` that ends at or before `index`.
fn boundary(text: &str, index: usize) -> usize {
    let mut boundary = index.min(text.len());
    while !text.is_char_boundary(boundary) {
        boundary -= 1;
    }
    boundary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_control_characters_go() {
        assert_eq!(
            clean("\u{1b}[31;1merror:\u{1b}[0m a\r\n\tb\u{7}ü"),
            "error: a\n\tbü"
        );
        assert_eq!(clean("\u{1b}[31"), "");
        assert_eq!(clean("\u{1b}ü\u{9b}1m"), "ü1m");
    }

    #[test]
    fn what_was_typed_in_is_not_shown() {
        let message = "error:\n       … while calling the 'trace' builtin\n         at «string»:1:9:\n\
            \x20           1| b'q [ ] 0 1\n             | ^\n\n       \
            … while calling the 'throw' builtin\n         at /nix/store/x/flake.nix:1:1:\n\n       \
            error: boom";
        assert_eq!(
            error_text(message),
            "error:\n       … while calling the 'throw' builtin\n         \
             at /nix/store/x/flake.nix:1:1:\n\n       error: boom"
        );
    }

    #[test]
    fn an_error_that_is_itself_in_typed_in_text_stays() {
        let message = "error: attribute 'x' missing\n       at «string»:1:1:\n            \
            1| a.x\n             | ^";
        assert_eq!(error_text(message), "error: attribute 'x' missing");
    }

    #[test]
    fn long_text_loses_its_middle() {
        let text = format!("head{}tail", "ü".repeat(100_000));
        let cut = error_text(&text);
        assert!(cut.len() < ERROR_MAX + 100);
        assert!(cut.starts_with("head") && cut.ends_with("tail"));
        assert!(cut.contains("bytes left out"));
    }
}
