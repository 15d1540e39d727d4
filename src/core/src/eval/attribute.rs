use crate::nix::AttrPath;

/// The path that a person or a settings file writes as `checks` or `ci."a.b"`: components
/// separated by dots, a component that contains a dot in double quotes. `None` if it is no such.
pub fn parse_attribute(text: &str) -> Option<AttrPath> {
    let mut components = Vec::new();
    let mut rest = text;
    loop {
        let (component, tail) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted.split_once('"')?
        } else {
            rest.split_at(rest.find('.').unwrap_or(rest.len()))
        };
        if component.is_empty() || component.contains('"') || component.contains(char::is_control) {
            return None;
        }
        components.push(component);
        match tail.strip_prefix('.') {
            Some(tail) => rest = tail,
            None if tail.is_empty() => return Some(AttrPath::new(components)),
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_separate_and_quotes_protect() {
        for (text, components) in [
            ("checks", vec!["checks"]),
            ("ci.build bot", vec!["ci", "build bot"]),
            ("\"a.b\".c.\"d\"", vec!["a.b", "c", "d"]),
        ] {
            assert_eq!(
                parse_attribute(text),
                Some(AttrPath::new(components)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "", ".", "a.", ".a", "a..b", "\"a", "\"a\"b", "a\"b", "\"\"", "a\u{1b}",
        ] {
            assert_eq!(parse_attribute(text), None, "{text:?}");
        }
    }
}
