use std::cell::RefCell;

use serde::Serialize;

use super::node::{Entry, Node, Value};
use super::value::{Mismatch, Parsed, describe, describe_kind};
use super::{Key, Problem, unsupported};

/// What reading gives: a value, or a problem that the [`Collector`] already has.
pub(super) type Read<T> = Result<T, Reported>;

/// There is a problem, and it was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reported;

/// What keys with other keys below them take.
pub(super) const TABLES: [&str; 3] = ["a table of keys", "tables by name", "a list of tables"];

/// Collects the problems of one file while its tables are read.
#[derive(Debug, Default)]
pub(super) struct Collector {
    problems: RefCell<Vec<Problem>>,
    keys: Option<RefCell<Vec<Key>>>,
}

impl Collector {
    /// One that collects the keys too that are asked for.
    pub(super) fn of_keys() -> Self {
        Self {
            problems: RefCell::default(),
            keys: Some(RefCell::default()),
        }
    }

    pub(super) fn add(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }

    pub(super) fn into_keys(self) -> Vec<Key> {
        self.keys.map(RefCell::into_inner).unwrap_or_default()
    }
}

/// A table that is being read key by key. A reading that fails gives nothing and leaves a problem
/// behind, so that everything else is still read; `finish` reports the keys nobody asked for.
pub(super) struct Table<'file> {
    path: String,
    line: usize,
    entries: &'file [Entry],
    known: RefCell<Vec<&'static str>>,
    collector: &'file Collector,
}

impl<'file> Table<'file> {
    /// The table `node` at key path `path`; if it is none, that is a problem.
    pub(super) fn new(path: String, node: &'file Node, collector: &'file Collector) -> Read<Self> {
        let Value::Table(entries) = &node.value else {
            let message = format!(
                "expected a table of keys, found {}",
                describe_kind(&node.value)
            );
            collector.add(Problem::at(node.line, &path, message));
            return Err(Reported);
        };
        Ok(Self {
            path,
            line: node.line,
            entries,
            known: RefCell::default(),
            collector,
        })
    }

    /// Key path of `key` in this table.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// The value of a key that has to be there.
    pub(super) fn required<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&Value) -> Parsed<T>,
    ) -> Read<T> {
        self.note(key, |noted| {
            noted.expected = expected_by(&parse);
            noted.required = true;
        });
        if let Some(node) = self.given(key) {
            return self.parsed(key, node, parse);
        }
        let expected = expected_by(parse);
        self.problem(
            key,
            format!("is required: expected {expected}, found nothing"),
        );
        Err(Reported)
    }

    /// The value of a key, or `default` when it is missing or empty.
    pub(super) fn optional<T: Serialize>(
        &self,
        key: &'static str,
        parse: impl Fn(&Value) -> Parsed<T>,
        default: T,
    ) -> Read<T> {
        self.note(key, |noted| {
            noted.expected = expected_by(&parse);
            noted.default = serde_json::to_value(&default).ok();
        });
        let given = self.given(key);
        given.map_or(Ok(default), |node| self.parsed(key, node, parse))
    }

    /// The value of a key for which missing has a meaning of its own.
    pub(super) fn perhaps<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&Value) -> Parsed<T>,
    ) -> Read<Option<T>> {
        self.note(key, |noted| noted.expected = expected_by(&parse));
        let given = self.given(key);
        given.map(|node| self.parsed(key, node, parse)).transpose()
    }

    /// The table below `key`, if it is there.
    pub(super) fn table(&self, key: &'static str) -> Read<Option<Self>> {
        self.note(key, |noted| TABLES[0].clone_into(&mut noted.expected));
        self.table_of(key)
    }

    fn table_of(&self, key: &'static str) -> Read<Option<Self>> {
        let given = self.given(key);
        given
            .map(|node| Table::new(self.path_of(key), node, self.collector))
            .transpose()
    }

    /// The tables below `key`, each read by `read` with the name it has there.
    pub(super) fn tables<T>(
        &self,
        key: &'static str,
        read: impl Fn(&str, &Self) -> Read<T>,
    ) -> Read<Vec<T>> {
        self.note(key, |noted| TABLES[1].clone_into(&mut noted.expected));
        let Some(outer) = self.table_of(key)? else {
            return Ok(Vec::new());
        };
        all(outer.entries.iter().map(|entry| {
            let table = Table::new(outer.path_of(&entry.key), &entry.node, outer.collector)?;
            read(&entry.key, &table)
        }))
    }

    /// The tables in the list below `key`, each read by `read`.
    pub(super) fn list<T>(
        &self,
        key: &'static str,
        read: impl Fn(&Self) -> Read<T>,
    ) -> Read<Vec<T>> {
        self.note(key, |noted| TABLES[2].clone_into(&mut noted.expected));
        let Some(node) = self.given(key) else {
            return Ok(Vec::new());
        };
        let Value::List(items) = &node.value else {
            let found = describe(&node.value);
            self.problem(key, format!("expected {}, found {found}", TABLES[2]));
            return Err(Reported);
        };
        all(items.iter().enumerate().map(|(index, item)| {
            let path = format!("{}[{index}]", self.path_of(key));
            read(&Table::new(path, item, self.collector)?)
        }))
    }

    /// Adds a problem with `key` that the value alone does not show.
    pub(super) fn problem(&self, key: &str, message: impl Into<String>) {
        self.collector
            .add(Problem::at(self.line_of(key), &self.path_of(key), message));
    }

    /// Reports every key that was never asked for.
    pub(super) fn finish(&self) {
        let known = self.known.borrow();
        for entry in self.entries {
            let key = entry.key.as_str();
            if known.contains(&key) || unsupported::asks_for_nothing(&self.path, entry) {
                continue;
            }
            let (message, hint) = unsupported::explain(&self.path, key)
                .unwrap_or_else(|| ("there is no such key", unsupported::nearest(key, &known)));
            self.collector
                .add(Problem::at(entry.line, &self.path_of(key), message).hint(hint));
        }
    }

    /// Tells the collector of `key`, if it wants to know.
    fn note(&self, key: &str, say: impl FnOnce(&mut Key)) {
        if let Some(keys) = &self.collector.keys {
            let mut noted = Key {
                path: self.path_of(key),
                expected: String::new(),
                required: false,
                default: None,
            };
            say(&mut noted);
            keys.borrow_mut().push(noted);
        }
    }

    fn given(&self, key: &'static str) -> Option<&'file Node> {
        self.known.borrow_mut().push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (entry.node.value != Value::Null).then_some(&entry.node)
    }

    fn line_of(&self, key: &str) -> usize {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        entry.map_or(self.line, |entry| entry.line)
    }

    fn parsed<T>(&self, key: &str, node: &Node, parse: impl Fn(&Value) -> Parsed<T>) -> Read<T> {
        parse(&node.value).map_err(|mismatch| {
            let Mismatch {
                expected,
                found,
                hint,
            } = mismatch;
            let found = found.unwrap_or_else(|| describe(&node.value));
            let message = format!("expected {expected}, found {found}");
            let problem = Problem::at(self.line_of(key), &self.path_of(key), message);
            self.collector.add(Problem { hint, ..problem });
            Reported
        })
    }
}

/// What `parse` takes: every parser refuses an empty value, and tells what it wants.
fn expected_by<T>(parse: impl Fn(&Value) -> Parsed<T>) -> String {
    match parse(&Value::Null) {
        Err(mismatch) => mismatch.expected,
        Ok(_) => "a value".to_owned(),
    }
}

/// All values, or [`Reported`] after every one was read.
pub(super) fn all<T>(values: impl Iterator<Item = Read<T>>) -> Read<Vec<T>> {
    let values: Vec<Read<T>> = values.collect();
    values.into_iter().collect()
}
