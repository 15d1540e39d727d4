use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::LoginError;
use crate::auth::Provider;

/// A person has to type a password, and find a second factor.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Anybody can begin: so many are remembered, and of more the oldest are forgotten.
const COUNT_MAX: usize = 10_000;
/// Characters of a path that is gone to afterwards.
const REDIRECT_MAX: usize = 2000;

/// A browser that was sent to a provider.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) provider: Provider,
    /// The provider puts it into what it signs, so that this cannot be from another log-in.
    pub(super) nonce: String,
    /// Proves that who comes with the code is who began (PKCE).
    pub(super) verifier: String,
    pub(super) redirect: String,
    cookie: String,
    begun: SystemTime,
}

impl Attempt {
    /// A new one, its state and its cookie.
    pub(super) fn new(
        provider: Provider,
        redirect: &str,
    ) -> Result<(Self, String, String), LoginError> {
        let cookie = random()?;
        let attempt = Self {
            provider,
            nonce: random()?,
            verifier: random()?,
            redirect: own_path(redirect),
            cookie: cookie.clone(),
            begun: SystemTime::now(),
        };
        Ok((attempt, random()?, cookie))
    }

    /// What of the verifier the provider is told beforehand.
    pub(super) fn challenge(&self) -> String {
        base64url(digest(&SHA256, self.verifier.as_bytes()).as_ref())
    }
}

/// Those that have not come back, by state.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<String, Attempt>>);

impl Attempts {
    pub(super) fn add(&self, state: String, attempt: Attempt, now: SystemTime) {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.len() >= COUNT_MAX {
            attempts.retain(|_, attempt| !attempt.is_over(now));
        }
        if attempts.len() >= COUNT_MAX {
            let oldest = attempts.iter().min_by_key(|(_, attempt)| attempt.begun);
            if let Some(oldest) = oldest.map(|(state, _)| state.clone()) {
                attempts.remove(&oldest);
            }
        }
        attempts.insert(state, attempt);
    }

    pub(super) fn adopt(&self, before: &Self) {
        let mut before = before.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.extend(before.drain());
    }

    /// The one with `state`, if it is the browser with `cookie` that has come back in time. It is
    /// over then.
    pub(super) fn take(&self, state: &str, cookie: &str, now: SystemTime) -> Option<Attempt> {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = attempts.get(state)?;
        // Another's browser must not end it.
        verify_slices_are_equal(attempt.cookie.as_bytes(), cookie.as_bytes()).ok()?;
        let attempt = attempts.remove(state)?;
        (!attempt.is_over(now)).then_some(attempt)
    }
}

impl Attempt {
    fn is_over(&self, now: SystemTime) -> bool {
        now.duration_since(self.begun)
            .is_ok_and(|age| age > LIFETIME)
    }
}

/// `redirect`, if it is a path of Buildbot's pages, which are all behind a `#`; else the first.
fn own_path(redirect: &str) -> String {
    let is_path = redirect.starts_with('/')
        && redirect.len() <= REDIRECT_MAX
        && !redirect.contains(char::is_control);
    if is_path { redirect } else { "/" }.to_owned()
}

/// 256 random bits.
fn random() -> Result<String, LoginError> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| LoginError::NoRandomness)?;
    Ok(base64url(&bytes))
}

/// For URLs.
fn base64url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_of_the_specification() {
        let (attempt, ..) = Attempt::new(Provider::Github, "/").unwrap();
        let attempt = Attempt {
            verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned(),
            ..attempt
        };
        assert_eq!(
            attempt.challenge(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[rstest::rstest]
    #[case("/builders/1", "/builders/1")]
    #[case("", "/")]
    #[case("https://evil.example", "/")]
    #[case("builders", "/")]
    #[case("/a\r\nLocation: b", "/")]
    fn only_own_pages_are_gone_to(#[case] redirect: &str, #[case] path: &str) {
        assert_eq!(own_path(redirect), path);
    }

    #[test]
    fn an_attempt_is_taken_once_by_its_browser_in_time() {
        let attempts = Attempts::default();
        let now = SystemTime::now();
        let begin = || {
            let (attempt, state, cookie) = Attempt::new(Provider::Github, "/").unwrap();
            attempts.add(state.clone(), attempt, now);
            (state, cookie)
        };
        let (state, cookie) = begin();
        assert!(attempts.take(&state, "another", now).is_none());
        assert!(attempts.take("another", &cookie, now).is_none());
        assert!(attempts.take(&state, &cookie, now).is_some());
        assert!(attempts.take(&state, &cookie, now).is_none());
        let (state, cookie) = begin();
        let late = now + LIFETIME + Duration::from_secs(2);
        assert!(attempts.take(&state, &cookie, late).is_none());
    }

    #[test]
    fn no_more_are_remembered_than_so_many() {
        let attempts = Attempts::default();
        let now = SystemTime::now();
        for number in 0..COUNT_MAX + 5 {
            let (attempt, ..) = Attempt::new(Provider::Github, "/").unwrap();
            attempts.add(number.to_string(), attempt, now);
        }
        assert_eq!(attempts.0.lock().unwrap().len(), COUNT_MAX);
    }
}
