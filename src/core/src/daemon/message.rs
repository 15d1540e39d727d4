//! What the daemon says before an answer: its log, and whether there is an answer at all.

use std::io::BufRead;

use super::DaemonError;
use super::wire::Answer;

const NEXT: u64 = 0x6f6c_6d67;
const LAST: u64 = 0x616c_7473;
const ERROR: u64 = 0x6378_7470;
const START_ACTIVITY: u64 = 0x5354_5254;
const STOP_ACTIVITY: u64 = 0x5354_4f50;
const RESULT: u64 = 0x5253_4c54;

/// Characters of an error that are passed on.
const ERROR_MAX: usize = 2000;

/// Reads up to where the answer begins. The log is not wanted. The two messages by which the
/// daemon asks for data or sends some have no place in a question.
pub(super) fn skip<R: BufRead>(answer: &mut Answer<'_, R>) -> Result<(), DaemonError> {
    loop {
        match answer.number()? {
            LAST => return Ok(()),
            ERROR => return Err(DaemonError::Refused(error(answer)?)),
            NEXT => drop(answer.text()?),
            START_ACTIVITY => {
                // Number, level, kind, text, fields, parent.
                for _ in 0..3 {
                    answer.number()?;
                }
                answer.text()?;
                skip_fields(answer)?;
                answer.number()?;
            }
            STOP_ACTIVITY => drop(answer.number()?),
            RESULT => {
                // Activity, kind, fields.
                answer.number()?;
                answer.number()?;
                skip_fields(answer)?;
            }
            other => {
                return Err(DaemonError::odd(format!(
                    "there is no message {other:#x} here"
                )));
            }
        }
    }
}

fn skip_fields<R: BufRead>(answer: &mut Answer<'_, R>) -> Result<(), DaemonError> {
    for _ in 0..answer.number()? {
        match answer.number()? {
            0 => drop(answer.number()?),
            1 => drop(answer.text()?),
            kind => {
                return Err(DaemonError::odd(format!(
                    "there is no field of kind {kind}"
                )));
            }
        }
    }
    Ok(())
}

/// The daemon's own words, without its stack trace.
fn error<R: BufRead>(answer: &mut Answer<'_, R>) -> Result<String, DaemonError> {
    // Type, level, name: always the same or of no use.
    answer.text()?;
    answer.number()?;
    answer.text()?;
    let mut message = answer.text()?;
    // Positions are never sent.
    answer.number()?;
    for _ in 0..answer.number()? {
        answer.number()?;
        answer.text()?;
    }
    if let Some((end, _)) = message.char_indices().nth(ERROR_MAX) {
        message.truncate(end);
        message.push('…');
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::super::wire::Request;
    use super::*;

    fn after(request: &Request) -> Result<(), DaemonError> {
        skip(&mut Answer::from(&mut request.bytes()))
    }

    #[test]
    fn all_kinds_of_log_are_passed_over() {
        let log = Request::default()
            .number(NEXT)
            .text("warning: something\n")
            .number(START_ACTIVITY)
            .number(7)
            .number(3)
            .number(100)
            .text("querying")
            .number(2)
            .number(0)
            .number(42)
            .number(1)
            .text("field")
            .number(0)
            .number(RESULT)
            .number(7)
            .number(105)
            .number(0)
            .number(STOP_ACTIVITY)
            .number(7)
            .number(LAST);
        after(&log).unwrap();
    }

    #[test]
    fn an_error_is_the_daemons_words() {
        let refused = |text: &str| {
            let request = Request::default()
                .number(ERROR)
                .text("Error")
                .number(0)
                .text("Error")
                .text(text)
                .number(0)
                .number(1)
                .number(0)
                .text("while doing something");
            after(&request).unwrap_err()
        };
        assert!(matches!(refused("no"), DaemonError::Refused(text) if text == "no"));
        let long = refused(&"ä".repeat(9999)).to_string();
        assert_eq!(long.chars().count(), ERROR_MAX + 1);
    }

    #[test]
    fn requests_of_the_daemon_are_not_followed() {
        // "data needed", "data for the client".
        for odd in [0x6461_7461, 0x6461_7416, 0] {
            let error = after(&Request::default().number(odd)).unwrap_err();
            assert!(matches!(error, DaemonError::Odd(_)), "{error}");
        }
    }
}
