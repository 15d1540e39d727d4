use std::fmt;
use std::str::FromStr;

/// Characters of a master's name.
const MASTER_MAX: usize = 64;

/// The name of a run on all machines: its master, and its number there. Later runs of a master have
/// higher numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunName {
    master: String,
    number: u64,
}

/// A text is no name of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no run such as `master-12`: letters, digits, `_` and `-`, then `-` and a number")]
pub struct BadRunName(String);

impl RunName {
    /// What the master of the run is called.
    pub fn master(&self) -> &str {
        &self.master
    }

    /// Which of that master's runs it is.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl FromStr for RunName {
    type Err = BadRunName;

    fn from_str(text: &str) -> Result<Self, BadRunName> {
        let parse = || {
            let (master, number) = text.rsplit_once('-')?;
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            let is_master =
                (1..=MASTER_MAX).contains(&master.len()) && master.bytes().all(is_plain);
            let run = Self {
                master: master.to_owned(),
                number: number.parse().ok()?,
            };
            // One spelling for each: the name is that of a folder.
            (is_master && run.to_string() == text).then_some(run)
        };
        parse().ok_or_else(|| BadRunName(text.to_owned()))
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.master, self.number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_name_has_two_parts() {
        let run: RunName = "my-master_1-12".parse().unwrap();
        assert_eq!((run.master(), run.number()), ("my-master_1", 12));
    }

    #[rstest]
    #[case("")]
    #[case("12")]
    #[case("-12")]
    #[case("a-")]
    #[case("a-012")]
    #[case("a-+1")]
    #[case("a/b-1")]
    #[case("..-1")]
    #[case("a-18446744073709551616")]
    #[case(&format!("{}-1", "a".repeat(65)))]
    fn other_texts_are_refused(#[case] text: &str) {
        assert_eq!(text.parse::<RunName>(), Err(BadRunName(text.to_owned())));
    }

    proptest! {
        #[test]
        fn a_name_is_one_harmless_component(text in "\\PC{0,9}-?[0-9]{0,3}") {
            if let Ok(run) = text.parse::<RunName>() {
                prop_assert_eq!(run.to_string(), text.clone());
                prop_assert!(!text.contains(['/', '.', '\0']));
            }
        }
    }
}
