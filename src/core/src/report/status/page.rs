//! The pages of check runs, in GitHub's Markdown. A pull request chooses names and error texts, so
//! they are shown as code and nothing of them is Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::words::reason_of;
use crate::forge::{Annotation, AnnotationLevel};
use crate::report::text::{bad, shortened, verdict};
use crate::run::{Attribute, Outcome, Run};

/// What a check run shows below its description.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Page {
    /// Markdown.
    pub summary: String,
    /// Remarks on lines of files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
}

/// Rows of a table; the page of the run has all.
const ROWS_MAX: usize = 100;
/// Remarks on lines. GitHub shows ten of a kind beside the code, and takes fifty at once.
const ANNOTATIONS_MAX: usize = 50;
/// Characters of a remark.
const MESSAGE_MAX: usize = 4000;
/// What is said on top of a page that is older than the rebuild of an attribute.
const REBUILT: &str = "Attributes were built again since this was written.\n\n";

/// What is told of an evaluation.
pub(super) fn evaluation(run: &Run) -> Page {
    let mut summary = String::new();
    if let Some(fatal) = run.fatal() {
        code_block(&mut summary, &fatal.message);
        if let Some(hint) = &fatal.hint {
            code_block(&mut summary, hint);
        }
    }
    let failed = |attribute: &&Attribute| attribute.job.is_none();
    let failed: Vec<&Attribute> = run.attributes().iter().filter(failed).collect();
    table(&mut summary, &failed);
    let warnings = run.warnings().iter();
    list(&mut summary, "Warnings", warnings.map(ToString::to_string));
    if let Some(lost) = run.lost() {
        list(&mut summary, "No longer there", lost.attrs.iter().cloned());
    }
    if summary.is_empty() {
        summary.push_str("All attributes evaluate.\n");
    }
    Page {
        summary,
        annotations: annotations(&failed),
    }
}

/// What is told of all builds.
pub(super) fn builds(run: &Run) -> Page {
    let mut summary = String::new();
    table(&mut summary, &bad(run));
    if summary.is_empty() {
        summary.push_str("Nothing failed.\n");
    }
    Page {
        summary,
        ..Page::default()
    }
}

/// The page of all builds, after one of them was done again.
pub(super) fn rebuilt(page: Page) -> Page {
    let old = page.summary.strip_prefix(REBUILT).unwrap_or(&page.summary);
    Page {
        summary: format!("{REBUILT}{old}"),
        ..page
    }
}

/// What is told of one attribute that is not good.
pub(super) fn attribute(name: &str, text: &str) -> Page {
    let mut summary = format!("{}\n\n", code(name));
    code_block(&mut summary, text);
    Page {
        summary,
        ..Page::default()
    }
}

fn table(page: &mut String, attributes: &[&Attribute]) {
    if attributes.is_empty() {
        return;
    }
    page.push_str("| attribute | | reason |\n|---|---|---|\n");
    for attribute in attributes.iter().take(ROWS_MAX) {
        let (word, reason) = verdict(&attribute.outcome);
        let name = code(&attribute.attr);
        let name = match &attribute.url {
            Some(url) => format!("[{name}]({url})"),
            None => name,
        };
        let reason = match reason.as_str() {
            "" => String::new(),
            reason => code(&reason_of(reason)),
        };
        let _ = writeln!(page, "| {name} | {word} | {reason} |");
    }
    if attributes.len() > ROWS_MAX {
        let _ = writeln!(page, "\nand {} more", attributes.len() - ROWS_MAX);
    }
    page.push('\n');
}

fn list(page: &mut String, title: &str, items: impl ExactSizeIterator<Item = String>) {
    let number = items.len();
    if number == 0 {
        return;
    }
    let _ = writeln!(page, "**{title}** ({number})\n");
    for item in items.take(ROWS_MAX) {
        let _ = writeln!(page, "- {}", code(&item));
    }
    if number > ROWS_MAX {
        let _ = writeln!(page, "- and {} more", number - ROWS_MAX);
    }
    page.push('\n');
}

/// `text` as code within a line, also within a table.
fn code(text: &str) -> String {
    // Escapes do not work in code, so what would end it is replaced.
    let text: String = text
        .chars()
        .map(|character| match character {
            '`' => 'ˋ',
            '|' => '¦',
            character if character.is_control() => ' ',
            character => character,
        })
        .collect();
    match text.trim() {
        "" => String::new(),
        text => format!("`{text}`"),
    }
}

/// `text` as lines of code, its middle left out if it is long.
fn code_block(page: &mut String, text: &str) {
    // Longer than any that it has.
    let longest = text.split(|character| character != '`').map(str::len).max();
    let fence = "`".repeat(longest.unwrap_or(0).max(2) + 1);
    let lines = shortened(text).join("\n");
    let _ = writeln!(page, "{fence}\n{lines}\n{fence}\n");
}

/// Remarks on the lines at which attributes fail to evaluate. Many may fail at one line.
fn annotations(failed: &[&Attribute]) -> Vec<Annotation> {
    let mut places: BTreeMap<(&str, u32), (&str, Vec<&str>)> = BTreeMap::new();
    for attribute in failed {
        if let Outcome::EvaluationFailed { error } = &attribute.outcome
            && let Some(position) = &attribute.position
        {
            let place = (position.file.as_str(), position.line);
            let (_, attrs) = places.entry(place).or_insert((error, Vec::new()));
            attrs.push(&attribute.attr);
        }
    }
    let remark = |((file, line), (error, attrs)): ((&str, u32), (&str, Vec<&str>))| Annotation {
        path: file.to_owned(),
        start_line: line,
        end_line: line,
        level: AnnotationLevel::Failure,
        message: error.chars().take(MESSAGE_MAX).collect(),
        title: match attrs.as_slice() {
            [only] => format!("{only} failed to evaluate"),
            [first, rest @ ..] => format!("{first} and {} more failed to evaluate", rest.len()),
            [] => String::new(),
        },
    };
    places
        .into_iter()
        .map(remark)
        .take(ANNOTATIONS_MAX)
        .collect()
}
