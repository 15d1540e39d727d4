//! What a builder printed → text that is safe in a log and on a terminal.

use std::borrow::Cow;

/// Longest text of a line, in bytes. With its prefix it stays below the 4,096 characters at which
/// a stock buildbot-worker breaks lines.
const LINE_MAX: usize = 3800;
/// Bytes of a longer line that are shown from its end.
const LINE_TAIL: usize = 800;

/// Switches all colours off.
pub(super) const RESET: &str = "\x1b[0m";

/// `text` without terminal control sequences and control characters; tabs and newlines stay, and
/// so do colours if `colour`.
pub fn clean(text: &str, colour: bool) -> Cow<'_, str> {
    // Two bytes because the control characters U+0080 to U+009F begin with 0xC2.
    let suspicious =
        |byte: u8| (byte < 0x20 && byte != b'\t' && byte != b'\n') || byte == 0x7f || byte == 0xc2;
    if !text.bytes().any(suspicious) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut coloured = false;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if character == '\x1b' {
            let (sequence, behind) = rest.split_at(escape_length(rest));
            if colour && is_colour(sequence) {
                cleaned.push_str(sequence);
                coloured = true;
            }
            rest = behind;
            continue;
        }
        if !character.is_control() || matches!(character, '\t' | '\n') {
            cleaned.push(character);
        }
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
    }
    if coloured {
        cleaned.push_str(RESET);
    }
    Cow::Owned(cleaned)
}

/// Length of the escape sequence at the beginning of `text`, as ECMA-48 has it.
fn escape_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let until = |end: &dyn Fn(u8) -> bool| {
        let body = bytes.iter().skip(2).position(|byte| end(*byte));
        body.map_or(bytes.len(), |length| length + 3)
    };
    match bytes.get(1) {
        // CSI: parameters and intermediates are ASCII below `@`; anything else ends it.
        Some(b'[') => {
            let end = until(&|byte| !(0x20..0x40).contains(&byte));
            // A sequence that is cut short must not swallow half of the character behind it.
            if text.is_char_boundary(end) {
                end
            } else {
                end - 1
            }
        }
        // OSC and its kin, up to BEL or the escape of the string terminator.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let end = until(&|byte| byte == 0x07 || byte == 0x1b);
            if bytes.get(end - 1) == Some(&0x1b) {
                end - 1
            } else {
                end
            }
        }
        Some(byte) if byte.is_ascii() && *byte != 0x1b => 2,
        _ => 1,
    }
}

fn is_colour(sequence: &str) -> bool {
    sequence.starts_with("\x1b[")
        && sequence.ends_with('m')
        && sequence
            .bytes()
            .skip(2)
            .all(|byte| byte.is_ascii_digit() || b";:m".contains(&byte))
}

/// `line`, shortened in its middle if it is very long; `left_out` bytes of it are missing already
/// behind its first `split` bytes.
pub(super) fn shorten(line: &str, split: usize, left_out: u64) -> Cow<'_, str> {
    if line.len() <= LINE_MAX && left_out == 0 {
        return Cow::Borrowed(line);
    }
    let split = if left_out == 0 { line.len() } else { split };
    let head = floor_boundary(line, split.min(LINE_MAX - LINE_TAIL));
    let tail = floor_boundary(line, line.len().saturating_sub(LINE_TAIL).max(head));
    let missing = (tail - head) as u64 + left_out;
    let begin = line.get(..head).unwrap_or_default();
    let end = line.get(tail..).unwrap_or_default();
    Cow::Owned(format!("{begin} … {missing} bytes left out … {end}"))
}

/// The last place at or before `index` where `text` can be cut.
pub(super) fn floor_boundary(text: &str, index: usize) -> usize {
    (0..=index.min(text.len()))
        .rev()
        .find(|index| text.is_char_boundary(*index))
        .unwrap_or(0)
}

/// `bytes` as a size for people.
pub(super) fn size(bytes: u64) -> String {
    let tenths_of = |unit: u64| {
        let tenths = bytes.saturating_mul(10) / unit;
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KiB", tenths_of(1 << 10)),
        _ => format!("{} MiB", tenths_of(1 << 20)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("plain\tü\n", "plain\tü\n", "plain\tü\n")]
    #[case("\x1b[31;1mred\x1b[0m", "red", "\x1b[31;1mred\x1b[0m\x1b[0m")]
    #[case("\x1b[2Jwiped\x1b[1;1H", "wiped", "wiped")]
    #[case("\x1b]0;title\x07text", "text", "text")]
    #[case("\x1b]8;;http://x\x1b\\link", "link", "link")]
    #[case("bell\x07 back\x08\x7f \u{9b}31m", "bell back 31m", "bell back 31m")]
    #[case("cut \x1b[3ü", "cut ü", "cut ü")]
    #[case("end \x1b[", "end ", "end ")]
    #[case("end \x1b", "end ", "end ")]
    #[case("\x1b(B\u{a0}x", "B\u{a0}x", "B\u{a0}x")]
    fn control_sequences_go(#[case] text: &str, #[case] plain: &str, #[case] coloured: &str) {
        assert_eq!(clean(text, false), plain);
        assert_eq!(clean(text, true), coloured);
    }

    proptest! {
        #[test]
        fn nothing_that_controls_a_terminal_is_left(text in "(\\PC|[\x00-\x1f\x7f\u{80}-\u{9f}]|\x1b\\[|\x1b\\]){0,60}") {
            let cleaned = clean(&text, false);
            prop_assert!(!cleaned.chars().any(|c| c.is_control() && c != '\t' && c != '\n'));
        }

        #[test]
        fn a_shortened_line_is_short(line in "\\PC{0,3000}", split in 0_usize..4000, left_out in 0_u64..3) {
            let split = floor_boundary(&line, split);
            prop_assert!(shorten(&line, split, left_out).len() < 4000);
        }
    }

    #[test]
    fn a_long_line_says_what_is_missing() {
        let line = format!("begin{}end", "x".repeat(5_000_000));
        let short = shorten(&line, 0, 0);
        assert!(short.starts_with("beginxx"));
        assert!(short.ends_with("xxend"));
        assert!(short.contains(" … 4996208 bytes left out … "), "{short}");
    }

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(
            [size(7), size(1536), size(50 << 20), size((1 << 20) - 1)],
            ["7 bytes", "1.5 KiB", "50.0 MiB", "1023.9 KiB"]
        );
    }
}
