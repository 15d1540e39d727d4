use std::collections::BTreeSet;

use crate::secret::Secret;

use super::node::{Value, parse};
use super::read::WORKERS_MAX;
use super::table::{Collector, Read, Table};
use super::value::{Mismatch, Parsed, describe_kind};
use super::{Problem, Problems, value};

/// One machine of the workers file: `cores` workers share its name and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerEntry {
    /// First part of the workers' names.
    pub name: String,
    /// What they log in with.
    pub pass: Secret<String>,
    /// How many there are.
    pub cores: u32,
}

/// Buildbot's limit for the whole name, less `-NNN`.
const NAME_LENGTH_MAX: usize = 50 - 4;

/// Reads the text of the workers file named `file`: a JSON (or YAML) list of
/// `{"name": …, "pass": …, "cores": …}`. No message repeats a value of `pass`.
pub fn parse_workers(file: &str, text: &str) -> Result<Vec<WorkerEntry>, Problems> {
    let collector = Collector::default();
    let (root, problems) = parse(text);
    let syntax_error = root.is_none() && !problems.is_empty();
    for problem in problems {
        collector.add(problem);
    }
    let mut workers = Vec::new();
    match root.as_ref().map(|root| (root.line, &root.value)) {
        Some((_, Value::List(items))) => {
            let mut names = BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                let worker = Table::new(format!("[{index}]"), item, &collector)
                    .and_then(|table| worker(&table, &mut names));
                workers.extend(worker);
            }
        }
        _ if syntax_error => {}
        other => {
            let (line, found) = other.map_or((1, "nothing".to_owned()), |(line, value)| {
                (line, describe_kind(value))
            });
            let expected = "expected a list of `{\"name\": …, \"pass\": …, \"cores\": …}`";
            collector.add(Problem::at(line, "", format!("{expected}, found {found}")));
        }
    }
    let problems = collector.into_problems();
    if problems.is_empty() {
        Ok(workers)
    } else {
        Err(Problems::new(file, problems))
    }
}

fn worker(table: &Table, names: &mut BTreeSet<String>) -> Read<WorkerEntry> {
    let name = table.required("name", worker_name);
    let pass = table.required("pass", value::secret_text);
    let cores = table.required("cores", value::count(1, WORKERS_MAX, ""));
    table.finish();
    if let Ok(name) = &name
        && !names.insert(name.clone())
    {
        table.problem(
            "name",
            format!("`{name}` is already the name of an earlier entry"),
        );
    }
    Ok(WorkerEntry {
        name: name?,
        pass: Secret::new(pass?),
        cores: cores?,
    })
}

/// An identifier for Buildbot.
fn worker_name(value: &Value) -> Parsed<String> {
    let allowed = |character: char| {
        character.is_ascii_alphanumeric() || "_-".contains(character) || character >= '\u{a0}'
    };
    match value {
        Value::Text(name)
            if (1..=NAME_LENGTH_MAX).contains(&name.chars().count())
                && !name.starts_with(|first: char| first.is_ascii_digit())
                && name.chars().all(allowed) =>
        {
            Ok(name.clone())
        }
        _ => Err(Mismatch {
            expected: format!(
                "a name of up to {NAME_LENGTH_MAX} letters, digits, `_` and `-` that starts with no digit"
            ),
            found: None,
            hint: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let problems = parse_workers("workers.json", text).unwrap_err();
        problems.list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn entries_are_machines() {
        let text = r#"[{"name": "eve", "pass": "hunter2", "cores": 16}]"#;
        let workers = parse_workers("workers.json", text).unwrap();
        assert_eq!(workers[0].pass.expose(), "hunter2");
        assert_eq!((workers[0].name.as_str(), workers[0].cores), ("eve", 16));
        assert_eq!(parse_workers("workers.json", "[]"), Ok(Vec::new()));
    }

    #[test]
    fn every_mistake_names_its_entry_and_no_password() {
        let found = problems(
            r#"[
              {"name": "a.b", "pass": "hunter2", "cores": 0},
              {"name": "eve", "pass": "hun\nter2", "cores": 1},
              {"name": "eve", "pass": 112, "cores": "4", "core": 1},
              "hunter2"
            ]"#,
        );
        insta::assert_snapshot!(found.join("\n"), @r#"
        `[0].name`: expected a name of up to 46 letters, digits, `_` and `-` that starts with no digit, found the text `a.b`
        `[0].cores`: expected a whole number from 1 to 1000, found the number `0`
        `[1].pass`: expected a text, found a single value
          hint: line breaks and other control characters are not allowed here
        `[2].pass`: expected a text, found a single value
          hint: put it in quotes if it is meant as text
        `[2].cores`: expected a whole number from 1 to 1000, found the text `4`
          hint: write the number without quotes
        `[2].core`: there is no such key
          hint: did you mean `cores`?
        `[2].name`: `eve` is already the name of an earlier entry
        `[3]`: expected a table of keys, found a single value
        "#);
        let shown = found.join("\n");
        assert!(!shown.contains("hun") && !shown.contains("112"));
    }

    #[test]
    fn a_password_instead_of_a_list_is_not_shown() {
        assert!(!problems("hunter2")[0].contains("hunter2"));
        assert!(problems("")[0].contains("found nothing"));
    }
}
