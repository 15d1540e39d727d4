use std::collections::BTreeMap;

use serde::Serialize;

use super::node::{Entry, Node, Value};
use super::table::{Read, Table};
use super::value::{self, Mismatch, Parsed, describe};

/// What runs on the worker after each build of an attribute that went well.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PostBuild {
    /// One after the other.
    pub steps: Vec<PostBuildStep>,
    /// Whether also for pull requests, whose code nobody has to have read.
    pub pull_requests: bool,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PostBuildStep {
    /// Shown in the web interface.
    pub name: String,
    /// Variables of its environment.
    pub environment: BTreeMap<String, Words>,
    /// What is run.
    pub command: PostBuildCommand,
    /// Whether the attribute is none the worse if it fails.
    pub warn_only: bool,
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PostBuildCommand {
    /// Text for a shell.
    Shell(Words),
    /// A program and its arguments.
    Program(Vec<Words>),
}

impl PostBuildCommand {
    /// All texts in it.
    pub fn words(&self) -> &[Words] {
        match self {
            Self::Shell(words) => std::slice::from_ref(words),
            Self::Program(all) => all,
        }
    }
}

/// A text, which may have places for properties and secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Words {
    /// The text.
    pub text: String,
    /// Whether `%(prop:…)s` and the like are such places.
    pub interpolate: bool,
}

/// What may stand in front of the colon in `%(…:…)s`.
const SELECTORS: [&str; 4] = ["prop", "secret", "src", "worker"];

impl Words {
    /// Names of the secrets in it.
    pub fn secrets(&self) -> Vec<&str> {
        let places = self.places().into_iter().flatten();
        places
            .filter_map(|place| place.strip_prefix("secret:"))
            .map(|secret| secret.split(':').next().unwrap_or_default())
            .collect()
    }

    /// What stands between `%(` and `)s`, also within one another; or what is wrong.
    fn places(&self) -> Result<Vec<&str>, String> {
        let mut places = Vec::new();
        if !self.interpolate {
            return Ok(places);
        }
        // With signs that stand for themselves out of the way.
        let rest = self.text.replace("%%", "\0\0");
        let mut from = 0;
        while let Some(found) = rest.get(from..).and_then(|rest| rest.find('%')) {
            let at = from + found;
            let behind = self.text.get(at + 1..).unwrap_or_default();
            let inner = behind.strip_prefix('(').ok_or_else(|| {
                format!(
                    "`%` has no `(` behind it in `{}`: write `%%` for the sign itself",
                    self.text
                )
            })?;
            let place = balanced(inner).ok_or_else(|| format!("`%({inner}` has no end `)s`"))?;
            let selector = place.split(':').next().unwrap_or_default();
            if !SELECTORS.contains(&selector) || !place.contains(':') {
                let known = SELECTORS.join(":…)s`, `%(");
                return Err(format!("`%({place})s` is none of `%({known}:…)s`"));
            }
            places.push(place);
            from = at + 2;
        }
        Ok(places)
    }
}

/// `text` up to the `)s` that ends it, if there is one.
fn balanced(text: &str) -> Option<&str> {
    let mut open = 0;
    for (at, character) in text.char_indices() {
        match character {
            '(' => open += 1,
            ')' if open == 0 => {
                let is_text = text.get(at + 1..).is_some_and(|rest| rest.starts_with('s'));
                return text.get(..at).filter(|_| is_text);
            }
            ')' => open -= 1,
            _ => {}
        }
    }
    None
}

pub(super) fn post_build(table: &Table) -> Read<PostBuild> {
    let steps = table.list("post_build_steps", |step| {
        let name = step.required("name", value::text);
        let environment = step.optional("environment", environment, BTreeMap::new());
        let command = step.required("command", command);
        let warn_only = step.optional("warn_only", value::boolean, false);
        step.finish();
        Ok(PostBuildStep {
            name: name?,
            environment: environment?,
            command: command?,
            warn_only: warn_only?,
        })
    });
    let pull_requests = table.optional("post_build_steps_on_pull_requests", value::boolean, false);
    Ok(PostBuild {
        steps: steps?,
        pull_requests: pull_requests?,
    })
}

fn environment(value: &Value) -> Parsed<BTreeMap<String, Words>> {
    let expected = "texts by name of a variable, such as `{TOKEN: …}`";
    let Value::Table(entries) = value else {
        return Err(Mismatch::expected(expected));
    };
    let is_name = |name: &str| {
        let mut characters = name.chars();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        characters
            .next()
            .is_some_and(|first| plain(first) && !first.is_ascii_digit())
            && characters.all(plain)
    };
    let read = entries.iter().map(|Entry { key, node, .. }| {
        if is_name(key) {
            Ok((key.clone(), words(node, expected)?))
        } else {
            Err(Mismatch::expected(expected).hint(format!("no variable can be called `{key}`")))
        }
    });
    read.collect()
}

fn command(value: &Value) -> Parsed<PostBuildCommand> {
    let expected = "a text for a shell, or a list of a program and its arguments";
    match value {
        Value::List(items) if items.is_empty() => Err(Mismatch::expected(expected)),
        Value::List(items) => {
            let words = items.iter().map(|item| words(item, expected));
            Ok(PostBuildCommand::Program(words.collect::<Parsed<_>>()?))
        }
        // `required` asks with nothing to learn what is expected.
        Value::Null => Err(Mismatch::expected(expected)),
        other => {
            let node = Node {
                line: 0,
                value: other.clone(),
            };
            Ok(PostBuildCommand::Shell(words(&node, expected)?))
        }
    }
}

/// A text, or `{"_type": "interpolate", "value": …}` as the predecessor's module writes it.
fn words(node: &Node, expected: &str) -> Parsed<Words> {
    let mismatch = Mismatch::expected(expected);
    let (text, interpolate) = match &node.value {
        Value::Text(text) => (text, false),
        Value::Table(entries) => {
            let text_of = |name: &str| {
                let found = entries.iter().find(|entry| entry.key == name)?;
                match &found.node.value {
                    Value::Text(text) => Some(text),
                    _ => None,
                }
            };
            let is_interpolated = text_of("_type").is_some_and(|kind| kind == "interpolate");
            let Some(text) = text_of("value").filter(|_| is_interpolated && entries.len() == 2)
            else {
                let hint = "a text with places is `{_type: interpolate, value: \"…\"}`";
                return Err(mismatch.hint(hint));
            };
            (text, true)
        }
        other => return Err(mismatch.found(describe(other))),
    };
    if text.contains('\0') {
        return Err(mismatch.hint("no command can contain a NUL"));
    }
    let words = Words {
        text: text.clone(),
        interpolate,
    };
    match words.places() {
        Ok(_) => Ok(words),
        Err(problem) => Err(Mismatch::expected(expected)
            .found("a text that cannot be filled in")
            .hint(problem)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn interpolated(text: &str) -> Words {
        Words {
            text: text.to_owned(),
            interpolate: true,
        }
    }

    #[rstest]
    #[case("result-%(prop:attr)s", &[])]
    #[case("%(secret:token)s and %(secret:other:-none)s", &["token", "other"])]
    #[case("%(prop:x:-%(secret:inner)s)s", &["inner"])]
    #[case("100 %% of %(secret:a)s", &["a"])]
    fn secrets_are_found(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(interpolated(text).places().map(|_| ()), Ok(()));
        assert_eq!(interpolated(text).secrets(), expected);
    }

    #[rstest]
    #[case("100 % of it")]
    #[case("%(prop:attr)")]
    #[case("%(prop:attr")]
    #[case("%(attr)s")]
    #[case("%(kw:x)s")]
    fn what_cannot_be_filled_in_is_refused(#[case] text: &str) {
        assert!(interpolated(text).places().is_err());
        let plain = Words {
            interpolate: false,
            ..interpolated(text)
        };
        assert_eq!(plain.places(), Ok(vec![]));
    }
}
