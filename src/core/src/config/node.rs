use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::Problem;
use super::json::without_surrogate_pairs;

/// A value of a settings file, with the line on which it starts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What a settings file can hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    /// A number that is no [`Value::Integer`], as written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// One key of a table. Keys are unique in a table: [`parse`] reports the others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) node: Node,
}

/// The settings need four levels.
const DEPTH_MAX: usize = 16;
/// Aliases are copied, and a few lines of them can ask for billions of nodes. A thousand
/// repositories are some ten thousand nodes.
const NODES_MAX: usize = 200_000;

/// Reads YAML (and so JSON). Problems that leave a usable tree come with it; a syntax error is one
/// problem without a tree.
pub(super) fn parse(text: &str) -> (Option<Node>, Vec<Problem>) {
    let text = without_surrogate_pairs(text);
    let mut loader = Loader {
        parser: Parser::new_from_str(&text),
        anchors: BTreeMap::new(),
        nodes: 0,
        path: Vec::new(),
        problems: Vec::new(),
    };
    let root = match loader.document() {
        Ok(root) => root,
        Err(problem) => {
            loader.problems.push(problem);
            None
        }
    };
    (root, loader.problems)
}

struct Loader<'text> {
    parser: Parser<'text, StrInput<'text>>,
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    /// Keys of the tables that are being read.
    path: Vec<String>,
    problems: Vec<Problem>,
}

impl<'text> Loader<'text> {
    /// The only document of the stream, if there is one.
    fn document(&mut self) -> Result<Option<Node>, Problem> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(Problem::at(
                        span.start.line(),
                        "",
                        "a second document starts here",
                    )
                    .hint("a settings file holds one document; remove the line `---`"));
                }
                Event::Nothing
                | Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
                content => root = Some(self.node(content, span, 0)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'text>, Span), Problem> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(syntax_problem(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The node that `event` starts.
    fn node(&mut self, event: Event<'text>, span: Span, depth: usize) -> Result<Node, Problem> {
        let line = span.start.line();
        if depth > DEPTH_MAX {
            let message = format!("nested deeper than {DEPTH_MAX} levels");
            return Err(Problem::at(line, "", message));
        }
        let before = self.nodes;
        self.count(1, line)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), line);
                (scalar(&text, style), anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), line);
                (Value::List(self.items(depth)?), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), line);
                (Value::Table(self.entries(depth)?), anchor)
            }
            Event::Alias(anchor) => return self.alias(anchor, line),
            // The parser balances starts and ends; anything else here is its mistake.
            _ => return Err(Problem::at(line, "", "the YAML is not well formed")),
        };
        let node = Node { line, value };
        if anchor > 0 {
            let size = self.nodes - before;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Node>, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<Entry>, Problem> {
        let mut entries = Vec::new();
        let mut first_lines = BTreeMap::new();
        loop {
            let (event, span) = self.next()?;
            let line = span.start.line();
            let key = match event {
                Event::MappingEnd | Event::StreamEnd => return Ok(entries),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => {
                    return Err(Problem::at(line, "", "this key is no plain text")
                        .hint("a key that starts with `[`, `{`, `*` or `&` needs quotes"));
                }
            };
            self.path.push(key.clone());
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            if let Some(first) = first_lines.get(&key) {
                let message = format!("this key was already given on line {first}");
                let problem = Problem::at(line, &self.path.join("."), message);
                self.problems.push(problem.hint("remove one of them"));
            } else {
                first_lines.insert(key.clone(), line);
                entries.push(Entry { key, line, node });
            }
            self.path.pop();
        }
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Result<Node, Problem> {
        // The parser knows every anchor, but this one may be the node that is being read.
        let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
            return Err(Problem::at(
                line,
                "",
                "this alias refers to what contains it",
            ));
        };
        self.count(size, line)?;
        Ok(node)
    }

    fn count(&mut self, nodes: usize, line: usize) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            let message =
                format!("the file has more than {NODES_MAX} values with aliases expanded");
            return Err(Problem::at(line, "", message));
        }
        Ok(())
    }

    fn refuse_tag(&mut self, has_tag: bool, line: usize) {
        if has_tag {
            let problem = Problem::at(line, "", "YAML tags such as `!name` mean nothing here");
            self.problems
                .push(problem.hint("remove the tag; put text in quotes"));
        }
    }
}

fn syntax_problem(error: &ScanError) -> Problem {
    let marker = error.marker();
    let message = format!(
        "the file is no valid YAML or JSON: {} (column {})",
        error.info(),
        marker.col() + 1
    );
    Problem::at(marker.line(), "", message)
}

/// Type of a scalar by the core schema of YAML 1.2, so `yes` and `0o7` are text and an octal.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).unwrap_or_else(|| Value::Text(text.to_owned())),
    }
}

fn number(text: &str) -> Option<Value> {
    let radix = |prefix, radix| {
        let digits = text.strip_prefix(prefix)?;
        i64::from_str_radix(digits, radix).ok()
    };
    if let Some(integer) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Some(Value::Integer(integer));
    }
    let looks_numeric = text
        .strip_prefix(['-', '+'])
        .unwrap_or(text)
        .starts_with(|first: char| first.is_ascii_digit() || first == '.');
    if !looks_numeric {
        return None;
    }
    if let Ok(integer) = text.parse() {
        return Some(Value::Integer(integer));
    }
    let is_float = text.parse::<f64>().is_ok();
    is_float.then(|| Value::Number(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        parse(text).1.iter().map(ToString::to_string).collect()
    }

    fn only_value(text: &str) -> Value {
        let (root, problems) = parse(text);
        assert_eq!(problems, []);
        root.unwrap().value
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        for (text, value) in [
            ("~", Value::Null),
            ("true", Value::Bool(true)),
            ("yes", Value::Text("yes".to_owned())),
            ("\"1\"", Value::Text("1".to_owned())),
            ("-12", Value::Integer(-12)),
            ("0x10", Value::Integer(16)),
            ("1.5", Value::Number("1.5".to_owned())),
            (
                "99999999999999999999",
                Value::Number("99999999999999999999".to_owned()),
            ),
            ("1.2.3", Value::Text("1.2.3".to_owned())),
            ("infinity", Value::Text("infinity".to_owned())),
        ] {
            assert_eq!(only_value(text), value, "{text}");
        }
    }

    #[test]
    fn json_with_tabs_is_yaml() {
        let Value::Table(entries) =
            only_value("{\n\t\"a\": [1, null],\n\t\"b\":{\"c\":\"\\/d\"}\n}\n")
        else {
            panic!("no table");
        };
        assert_eq!((entries[0].line, entries[1].line), (2, 3));
    }

    #[test]
    fn json_may_escape_what_yaml_may_not() {
        let text = Value::Text("😀".to_owned());
        assert_eq!(
            only_value(r#"["\ud83d\ude00"]"#),
            Value::List(vec![Node {
                line: 1,
                value: text
            }])
        );
    }

    #[test]
    fn aliases_copy_but_never_explode() {
        assert!(matches!(
            only_value("a: &x {b: 1}\nc: *x\n"),
            Value::Table(_)
        ));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            use std::fmt::Write as _;
            let alias = format!("*a{}, ", level - 1).repeat(10);
            writeln!(bomb, "a{level}: &a{level} [{alias}]").unwrap();
        }
        let messages = messages(&bomb);
        assert_eq!(messages.len(), 1);
        assert!(messages[0].contains("aliases expanded"), "{messages:?}");
        assert!(
            parse("a: &x [*x]\n").1[0]
                .message
                .contains("refers to what contains it")
        );
    }

    #[test]
    fn nesting_is_bounded() {
        for text in ["[".repeat(100_000), "- ".repeat(50_000)] {
            assert_eq!(messages(&text).len(), 1);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[-a-c:\\[\\]{}&*!\"'|>#\\n\\t ,0-9~%@\\\\u]{0,80}") {
            let _ = parse(&text);
        }
    }
}
