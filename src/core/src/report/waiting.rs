use std::fmt::Write as _;

use crate::run::{Attribute, AttributeIndex, Outcome, Run};

use super::html::{STYLE, escape};

/// Rows of the list; the rest is counted.
const ROWS_MAX: usize = 500;
/// Attributes that are named as what another waits for.
const NAMED_MAX: usize = 3;

/// What waits in `run`, and for what, as an HTML fragment; `None` if nothing does. `cancel_url` has
/// a form that cancels some of it.
pub fn waiting(run: &Run, cancel_url: &str) -> Option<String> {
    let waiting: Vec<_> = run.waiting().collect();
    if waiting.is_empty() {
        return None;
    }
    let mut page = format!(
        "{STYLE}<p>{} wait. <a href=\"{}\">Cancel some of them</a>, \
         or all with the button Stop of this build.</p><table class=\"nix-run\">",
        waiting.len(),
        escape(cancel_url)
    );
    for (index, attribute) in waiting.iter().take(ROWS_MAX) {
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td></tr>",
            escape(&attribute.attr),
            escape(&reason(run, *index, attribute))
        );
    }
    page.push_str("</table>");
    if waiting.len() > ROWS_MAX {
        let _ = write!(page, "<p>and {} more</p>", waiting.len() - ROWS_MAX);
    }
    Some(page)
}

fn reason(run: &Run, index: AttributeIndex, attribute: &Attribute) -> String {
    if attribute.outcome == Outcome::Elsewhere {
        return "for the build of the same derivation in another evaluation".to_owned();
    }
    let needed = run.unfinished_needs(index);
    if needed.is_empty() {
        return "for a build slot".to_owned();
    }
    let mut names: Vec<&str> = needed.iter().take(NAMED_MAX).copied().collect();
    let more = format!("{} more", needed.len().saturating_sub(NAMED_MAX));
    if needed.len() > NAMED_MAX {
        names.push(&more);
    }
    format!("for {}", names.join(", "))
}
