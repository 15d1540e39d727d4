use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// GitHub: "wait for at least one minute" where it does not say how long.
const UNSAID: Duration = Duration::from_secs(60);
/// No forge means a longer time; a clock that is wrong might.
const LONGEST: Duration = Duration::from_secs(2 * 60 * 60);

/// Until when the forge wants no requests, by whose requests they are.
#[derive(Debug, Default)]
pub(super) struct Limits(Mutex<BTreeMap<String, Instant>>);

impl Limits {
    /// How long `scope` has to wait.
    pub(super) fn wait_of(&self, scope: &str) -> Option<Duration> {
        let mut limits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        limits.retain(|_, until| *until > now);
        limits.get(scope).map(|until| *until - now)
    }

    /// Notes that `scope` has to wait for `time`.
    pub(super) fn hold(&self, scope: &str, time: Duration) {
        let mut limits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + time;
        let held = limits.entry(scope.to_owned()).or_insert(until);
        *held = until.max(*held);
    }
}

/// For how long an answer with `status` and `headers` forbids more requests, if it is the refusal
/// of one because of too many. `about` is the answer's `documentation_url`.
///
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>: 403 or 429,
/// with `retry-after`, or with nothing left until `x-ratelimit-reset`, or with neither.
pub(super) fn refusal(
    status: StatusCode,
    headers: &HeaderMap,
    about: Option<&str>,
    now: i64,
) -> Option<Duration> {
    let is_limit = match status {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::FORBIDDEN => {
            headers.contains_key(RETRY_AFTER)
                || used_up(headers, now).is_some()
                || about.is_some_and(|url| url.contains("rate-limit"))
        }
        _ => false,
    };
    is_limit.then(|| {
        let said = retry_after(headers, now).or_else(|| used_up(headers, now));
        said.unwrap_or(UNSAID)
    })
}

/// How long until there are requests again, if none is left.
pub(super) fn used_up(headers: &HeaderMap, now: i64) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let reset = number("x-ratelimit-reset")?;
    (number("x-ratelimit-remaining")? == 0).then(|| seconds(reset - now + 1))
}

/// The header `Retry-After`: seconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap, now: i64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(after) = text.parse::<i64>() {
        return Some(seconds(after));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()?;
    Some(seconds(date.as_second() - now))
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn headers(lines: &str) -> HeaderMap {
        let lines = lines.split("; ").filter(|line| !line.is_empty());
        lines
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap();
                let name: reqwest::header::HeaderName = name.parse().unwrap();
                (name, value.parse().unwrap())
            })
            .collect()
    }

    /// Seconds to wait; none if the answer is about something else.
    #[rstest::rstest]
    #[case::primary(
        403,
        "x-ratelimit-remaining: 0; x-ratelimit-reset: 1700000100",
        "",
        Some(101)
    )]
    #[case::secondary(403, "retry-after: 7; x-ratelimit-remaining: 4999", "", Some(7))]
    #[case::both(
        403,
        "retry-after: 7; x-ratelimit-remaining: 0; x-ratelimit-reset: 1700000100",
        "",
        Some(7)
    )]
    #[case::unsaid(
        403,
        "",
        "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits",
        Some(60)
    )]
    #[case::too_many(429, "", "", Some(60))]
    #[case::a_date(429, "retry-after: Tue, 14 Nov 2023 22:13:30 GMT", "", Some(10))]
    #[case::a_date_of_the_past(429, "retry-after: Tue, 14 Nov 2023 22:13:10 GMT", "", Some(0))]
    #[case::nonsense(429, "retry-after: soon", "", Some(60))]
    #[case::for_ever(429, "retry-after: 99999999999", "", Some(7200))]
    #[case::forbidden(
        403,
        "x-ratelimit-remaining: 4999; x-ratelimit-reset: 1700000100",
        "https://docs.github.com/rest/repos",
        None
    )]
    #[case::broken(503, "retry-after: 7", "", None)]
    fn limits_are_told_from_other_refusals(
        #[case] status: u16,
        #[case] lines: &str,
        #[case] about: &str,
        #[case] wait: Option<u64>,
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        let refusal = refusal(status, &headers(lines), Some(about), NOW);
        assert_eq!(refusal.map(|wait| wait.as_secs()), wait);
    }

    #[test]
    fn one_scope_does_not_hold_up_another() {
        let limits = Limits::default();
        limits.hold("installation 1", Duration::from_secs(50));
        limits.hold("installation 1", Duration::from_secs(5));
        assert!(limits.wait_of("installation 1").unwrap() > Duration::from_secs(40));
        assert_eq!(limits.wait_of("installation 2"), None);
    }
}
