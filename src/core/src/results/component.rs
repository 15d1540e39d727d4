use nix_derivation::{HashAlgorithm, hash_bytes};

/// Longest component; with an output's name behind it, file systems still take it.
const NAME_MAX: usize = 200;
/// What a shortened component has of the whole.
pub(super) const HEAD_MAX: usize = NAME_MAX - HASH_DIGITS - 2;
/// Hexadecimal digits of the hash in a shortened name: two names that begin alike do not collide
/// by chance, and nobody can make them.
const HASH_DIGITS: usize = 32;
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// A name, such as that of an attribute, as one component of a path.
///
/// Ordinary names stay as they are. Of others, which a pull request may choose, every byte outside
/// `A-Z a-z 0-9 . _ + -` is percent-encoded, and so are the dots of `.` and `..`. Different names
/// have different results; one longer than 200 bytes ends in a hash.
pub fn component(text: &str) -> String {
    let only_dots = matches!(text, "." | "..");
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"_+-".contains(&byte);
        if plain || (byte == b'.' && !only_dots) {
            name.push(char::from(byte));
        } else {
            push_encoded(&mut name, byte);
        }
    }
    if name.is_empty() {
        // No name contains a NUL, so that this name is free.
        push_encoded(&mut name, 0);
    }
    if name.len() <= NAME_MAX {
        return name;
    }
    // `%-` is part of no other name, so that a shortened one cannot be asked for directly.
    name.truncate(HEAD_MAX);
    name.push_str("%-");
    name.push_str(&digits(text.as_bytes()));
    name
}

/// A hash of `text` in hexadecimal digits.
pub(super) fn digits(text: &[u8]) -> String {
    let digest = hash_bytes(HashAlgorithm::Sha256, text);
    let mut digits = String::with_capacity(HASH_DIGITS);
    for byte in digest.digest_as_bytes().iter().take(HASH_DIGITS / 2) {
        push_hex(&mut digits, *byte);
    }
    digits
}

fn push_encoded(name: &mut String, byte: u8) {
    name.push('%');
    push_hex(name, byte);
}

fn push_hex(name: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 0xf] {
        let digit = HEX.get(usize::from(digit)).copied().unwrap_or(b'0');
        name.push(char::from(digit));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("x86_64-linux.hello", "x86_64-linux.hello")]
    #[case("gtk+-3.0_x", "gtk+-3.0_x")]
    #[case("..", "%2E%2E")]
    #[case(".", "%2E")]
    #[case("...", "...")]
    #[case("", "%00")]
    #[case("p/../../../pwned", "p%2F..%2F..%2F..%2Fpwned")]
    #[case("x.\"a.b\"", "x.%22a.b%22")]
    #[case("a b\n\x1b%ü", "a%20b%0A%1B%25%C3%BC")]
    fn texts_become_one_harmless_component(#[case] attr: &str, #[case] name: &str) {
        assert_eq!(component(attr), name);
    }

    #[test]
    fn long_names_stay_different() {
        let long = "x".repeat(300);
        let name = component(&long);
        assert_eq!(name.len(), NAME_MAX);
        assert_eq!(component(&"x".repeat(200)), "x".repeat(200));
        assert_ne!(name, component(&"x".repeat(301)));
        assert_ne!(name, component(&name));
    }

    proptest! {
        #[test]
        fn different_names_have_different_results(one in "\\PC{0,4}", two in "\\PC{0,4}") {
            prop_assert_eq!(one == two, component(&one) == component(&two));
        }

        #[test]
        fn a_result_is_one_component(attr in ".{0,300}") {
            let name = component(&attr);
            prop_assert!(!name.is_empty() && name.len() <= NAME_MAX);
            prop_assert!(name != "." && name != "..");
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-%".contains(&byte)));
        }
    }
}
