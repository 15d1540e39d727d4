use std::collections::HashSet;
use std::fmt::Write as _;

use crate::run::{Attribute, AttributeIndex, Outcome, Run};

use super::html::escape;

/// Rows of the list; the rest is counted.
const ROWS_MAX: usize = 500;
/// Attributes that are named as what another waits for.
const NAMED_MAX: usize = 3;

/// What waits in `run`, and for what, as an HTML fragment; `None` if nothing does. `elsewhere` has
/// those that another run builds now.
pub fn waiting(run: &Run, elsewhere: Vec<AttributeIndex>) -> Option<String> {
    let elsewhere: HashSet<AttributeIndex> = elsewhere.into_iter().collect();
    let is_waiting = |(index, attribute): &(AttributeIndex, &Attribute)| {
        attribute.outcome == Outcome::Waiting || elsewhere.contains(index)
    };
    let attributes = run.attributes().iter().enumerate();
    let waiting: Vec<_> = attributes.filter(is_waiting).collect();
    if waiting.is_empty() {
        return None;
    }
    let mut page = format!("<p>{} wait", waiting.len());
    page.push_str("; the button Stop of this build cancels them.</p><table>");
    for (index, attribute) in waiting.iter().take(ROWS_MAX) {
        let reason = if elsewhere.contains(index) {
            "for the build of the same derivation in another evaluation".to_owned()
        } else {
            reason(run, *index)
        };
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td></tr>",
            escape(&attribute.attr),
            escape(&reason)
        );
    }
    page.push_str("</table>");
    if waiting.len() > ROWS_MAX {
        let _ = write!(page, "<p>and {} more</p>", waiting.len() - ROWS_MAX);
    }
    Some(page)
}

fn reason(run: &Run, index: AttributeIndex) -> String {
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
