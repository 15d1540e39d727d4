use std::fmt;

use serde::{Deserialize, Serialize};

/// The path of an attribute below the evaluated one, e.g. `["x86_64-linux", "a.b"]`.
///
/// Components are arbitrary strings: a pull request chooses them. Never use one as a file name
/// or in HTML without escaping.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttrPath(Vec<String>);

impl AttrPath {
    /// A path from its components.
    pub fn new<I, S>(components: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Self(components.into_iter().map(Into::into).collect())
    }

    /// The components, outermost first.
    pub fn components(&self) -> &[String] {
        &self.0
    }

    /// The path one level deeper.
    #[must_use]
    pub fn child(&self, component: &str) -> Self {
        let mut components = self.0.clone();
        components.push(component.to_owned());
        Self(components)
    }

    /// A Nix expression that selects this path from `root`, every component quoted.
    pub fn select_from(&self, root: &str) -> String {
        let mut expression = root.to_owned();
        for component in &self.0 {
            expression.push_str(".${");
            expression.push_str(&nix_string(component));
            expression.push('}');
        }
        expression
    }
}

/// The form nix-eval-jobs prints as `attr` and the predecessor used in names: components joined
/// with dots, a component that itself contains a dot in double quotes.
impl fmt::Display for AttrPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, component) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(".")?;
            }
            if component.contains('.') {
                write!(formatter, "\"{component}\"")?;
            } else {
                formatter.write_str(component)?;
            }
        }
        Ok(())
    }
}

/// `text` as a Nix string literal, in which nothing is interpolated.
pub(crate) fn nix_string(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' | '$' => {
                literal.push('\\');
                literal.push(character);
            }
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            other => literal.push(other),
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_quotes_only_components_with_a_dot() {
        let path = AttrPath::new(["x86_64-linux", "a.b", "c d"]);
        assert_eq!(path.to_string(), "x86_64-linux.\"a.b\".c d");
    }

    #[test]
    fn selection_escapes_every_component() {
        let path = AttrPath::new(["a\"b", "${c}\n"]);
        assert_eq!(path.select_from("x"), r#"x.${"a\"b"}.${"\${c}\n"}"#);
    }
}
