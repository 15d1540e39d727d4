//! Whether a delivery is from who knows the secret.

use aws_lc_rs::hmac;

use crate::secret::Secret;

/// Why a signature proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is none.
    #[error("it is not signed")]
    Missing,
    /// Not 64 hexadecimal digits.
    #[error("its signature is not the hexadecimal digits of an HMAC-SHA256")]
    Malformed,
    /// Made with another secret, or of another body.
    #[error("its signature does not match: the secret of the webhook is another one")]
    Mismatch,
}

/// Verifies the HMAC-SHA256 of `body`, in a time that does not depend on where it differs.
///
/// `digits` are hexadecimal; GitHub puts `sha256=` before them, Gitea nothing. While a secret is
/// being replaced there are several, any of which will do.
pub(super) fn verify(
    secrets: &[Secret<String>],
    body: &[u8],
    digits: Option<&str>,
) -> Result<(), SignatureError> {
    let digits = digits.ok_or(SignatureError::Missing)?.trim();
    if digits.is_empty() {
        return Err(SignatureError::Missing);
    }
    let digits = digits.strip_prefix("sha256=").unwrap_or(digits);
    let tag = unhex(digits)
        .filter(|tag| tag.len() == 32)
        .ok_or(SignatureError::Malformed)?;
    let matches = |secret: &Secret<String>| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        hmac::verify(&key, body, &tag).is_ok()
    };
    if secrets.iter().any(matches) {
        Ok(())
    } else {
        Err(SignatureError::Mismatch)
    }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    let bytes = digits.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(value(*high)? << 4 | value(*low)?).ok(),
        _ => None,
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From GitHub's documentation, "Validating webhook deliveries", as are secret and body.
    const DIGITS: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    const BODY: &[u8] = b"Hello, World!";

    fn secrets(texts: &[&str]) -> Vec<Secret<String>> {
        texts
            .iter()
            .map(|text| Secret::new((*text).to_owned()))
            .collect()
    }

    #[rstest::rstest]
    #[case(&["It's a Secret to Everybody"])]
    #[case(&["the one before", "It's a Secret to Everybody"])]
    fn the_documented_example_is_right(#[case] texts: &[&str]) {
        for digits in [DIGITS.to_owned(), format!("sha256={DIGITS}")] {
            let verified = verify(&secrets(texts), BODY, Some(&digits));
            assert_eq!(verified, Ok(()), "{digits}");
        }
    }

    #[rstest::rstest]
    #[case(None, SignatureError::Missing)]
    #[case(Some(""), SignatureError::Missing)]
    #[case(Some("sha256="), SignatureError::Malformed)]
    #[case(Some("sha1=7571"), SignatureError::Malformed)]
    #[case(Some("757107ea"), SignatureError::Malformed)]
    #[case(
        Some("zz7107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
        SignatureError::Malformed
    )]
    #[case(
        Some("üü7107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
        SignatureError::Malformed
    )]
    #[case(
        Some("757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e18"),
        SignatureError::Mismatch
    )]
    fn anything_else_is_refused(#[case] digits: Option<&str>, #[case] error: SignatureError) {
        let secrets = secrets(&["It's a Secret to Everybody"]);
        assert_eq!(verify(&secrets, BODY, digits), Err(error));
    }

    #[test]
    fn without_a_secret_nothing_is_right() {
        assert_eq!(
            verify(&[], BODY, Some(DIGITS)),
            Err(SignatureError::Mismatch)
        );
    }
}
