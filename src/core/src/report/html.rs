use std::fmt::Write as _;

use crate::machine_line::{Position, Statistics};
use crate::run::{Attribute, Finding, Outcome, Run};

use super::statistics::{costliest, costs};
use super::text::{bad, short, shortened, verdict};

/// Rows of one list. A page with more is of no use to a person and slow in a browser; the rest is
/// counted.
const ROWS_MAX: usize = 500;

/// The run as an HTML fragment, failures first, each with its reason and a link. Everything that
/// comes from the repository is escaped: a pull request chooses names and error texts.
pub fn html(run: &Run) -> String {
    let mut page = String::from(STYLE);
    let class = match run.finding() {
        Finding::Succeeded => "good",
        Finding::Failed => "bad",
        Finding::Cancelled => "",
    };
    let _ = write!(page, "<h3 class=\"{class}\">{}</h3>", escape(&short(run)));
    if let Some(fatal) = run.fatal() {
        let _ = write!(page, "<p class=\"bad\">{}</p>", escape(&fatal.message));
        if let Some(hint) = &fatal.hint {
            let _ = write!(page, "<p>{}</p>", escape(hint));
        }
    }
    list(&mut page, "Not good", true, &bad(run));
    list(
        &mut page,
        "Cancelled",
        true,
        &with(run, |outcome| matches!(outcome, Outcome::Cancelled { .. })),
    );
    let warnings: Vec<String> = run.warnings().iter().map(ToString::to_string).collect();
    notes(&mut page, "Warnings", &warnings);
    if let Some(lost) = run.lost() {
        let title = format!(
            "No longer there since the last evaluation of {}",
            lost.branch
        );
        notes(&mut page, &escape(&title), &lost.attrs);
    }
    list(
        &mut page,
        "Built",
        false,
        &with(run, |outcome| matches!(outcome, Outcome::Built { .. })),
    );
    list(
        &mut page,
        "Already there",
        false,
        &with(run, |outcome| *outcome == Outcome::AlreadyThere),
    );
    let skipped: Vec<String> = run
        .skipped()
        .iter()
        .map(|skipped| match skipped.attributes {
            Some(1) => format!("{}: 1 attribute", skipped.system),
            Some(number) => format!("{}: {number} attributes", skipped.system),
            None => skipped.system.clone(),
        })
        .collect();
    notes(&mut page, "Not for this instance", &skipped);
    if let Some(statistics) = run.statistics() {
        costs_of(&mut page, statistics);
    }
    page
}

/// `text` as HTML text or attribute value.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// For tables of all lists, so that their columns are below one another.
pub(super) const STYLE: &str = "<style>\
    .nix-run{width:100%}\
    .nix-run td{vertical-align:top;padding:.15em .8em .15em 0;overflow-wrap:anywhere}\
    .nix-run td:first-child{width:35%}.nix-run td:nth-child(2):not(:last-child){width:16%}\
    .nix-run pre{margin:0;white-space:pre-wrap}\
    .bad{color:#b3261e}.good{color:#1b7f3b}\
    </style>";

fn with(run: &Run, wanted: impl Fn(&Outcome) -> bool) -> Vec<&Attribute> {
    run.attributes()
        .iter()
        .filter(|attribute| wanted(&attribute.outcome))
        .collect()
}

fn list(page: &mut String, title: &str, open: bool, attributes: &[&Attribute]) {
    if attributes.is_empty() {
        return;
    }
    let open = if open { " open" } else { "" };
    let _ = write!(
        page,
        "<details{open}><summary>{title} ({})</summary><table class=\"nix-run\">",
        attributes.len()
    );
    for attribute in attributes.iter().take(ROWS_MAX) {
        row(page, attribute);
    }
    page.push_str("</table>");
    if attributes.len() > ROWS_MAX {
        let _ = write!(page, "<p>and {} more</p>", attributes.len() - ROWS_MAX);
    }
    page.push_str("</details>");
}

fn row(page: &mut String, attribute: &Attribute) {
    let name = escape(&attribute.attr);
    let name = match &attribute.url {
        Some(url) => format!("<a href=\"{}\">{name}</a>", escape(url)),
        None => name,
    };
    let (word, reason) = verdict(&attribute.outcome);
    let reason = match attribute.outcome {
        Outcome::EvaluationFailed { .. } => error_itself(&reason, attribute.position.as_ref()),
        _ => reason,
    };
    let reason = match &attribute.outcome {
        Outcome::FailedBefore { when, url } => {
            let (when, url) = (escape(when), escape(url));
            format!("at {when}, <a href=\"{url}\">see there</a>, and was not tried again")
        }
        _ if reason.is_empty() => reason,
        _ => format!("<pre>{}</pre>", escape(&shortened(&reason).join("\n"))),
    };
    let _ = write!(
        page,
        "<tr><td>{name}</td><td>{word}</td><td>{reason}</td></tr>"
    );
}

/// Of what Nix says of an evaluation, the end: before that come the frames on the way there, which
/// the attribute's own log has.
fn error_itself(trace: &str, position: Option<&Position>) -> String {
    let lines: Vec<&str> = trace.lines().collect();
    let is_error = |line: &&str| line.trim_start().starts_with("error:");
    let first = lines.iter().rposition(is_error).unwrap_or_default();
    let indent = lines
        .get(first)
        .map_or(0, |line| line.len() - line.trim_start().len());
    let mut kept: Vec<String> = lines
        .iter()
        .skip(first)
        .map(|line| line.get(indent..).unwrap_or(line.trim_start()).to_owned())
        .collect();
    if let Some(Position { file, line, .. }) = position {
        kept.push(format!("at {file}:{line}"));
    }
    kept.join("\n")
}

fn costs_of(page: &mut String, statistics: &Statistics) {
    let title = costs(statistics);
    let _ = write!(page, "<details><summary>{}</summary><ul>", escape(&title));
    for (cost, attr) in costliest(statistics) {
        let _ = write!(page, "<li>{}: {}</li>", escape(&cost), escape(attr));
    }
    page.push_str("</ul></details>");
}

fn notes(page: &mut String, title: &str, notes: &[String]) {
    if notes.is_empty() {
        return;
    }
    let _ = write!(
        page,
        "<details open><summary>{title} ({})</summary><ul>",
        notes.len()
    );
    for note in notes.iter().take(ROWS_MAX) {
        let _ = write!(page, "<li>{}</li>", escape(note));
    }
    page.push_str("</ul>");
    if notes.len() > ROWS_MAX {
        let _ = write!(page, "<p>and {} more</p>", notes.len() - ROWS_MAX);
    }
    page.push_str("</details>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("error: boom", "error: boom")]
    #[case("killed", "killed")]
    #[case("", "")]
    #[case(
        "error:\n       … while calling\n         at /nix/store/x-source/flake.nix:84:23:\n\n       \
         error: boom\n       Did you mean bang?\n",
        "error: boom\nDid you mean bang?"
    )]
    #[case("error: böse\n  error: ö\n ü", "error: ö\nü")]
    fn the_end_of_a_trace_is_the_error(#[case] trace: &str, #[case] error: &str) {
        assert_eq!(error_itself(trace, None), error);
        let position = Position {
            file: "flake.nix".to_owned(),
            line: 84,
            column: 23,
        };
        let place = error_itself(trace, Some(&position));
        assert_eq!(place.trim(), format!("{error}\nat flake.nix:84").trim());
    }
}
