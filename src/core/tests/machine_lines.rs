//! The examples of docs/machine-lines.md are machine lines, and there is one for every type.

use std::collections::BTreeSet;

use buildbot_nix_core::machine_line::{Decoder, Line, encode};

const TEXT: &str = include_str!("../../../docs/machine-lines.md");

fn kind(line: &Line) -> &'static str {
    match line {
        Line::Start(_) => "start",
        Line::Reused { .. } => "reused",
        Line::Warning { .. } => "warning",
        Line::Repeated { .. } => "repeated",
        Line::Statistics(_) => "statistics",
        Line::Job(_) => "job",
        Line::Failed(_) => "failed",
        Line::Skipped(_) => "skipped",
        Line::Done { .. } => "done",
        Line::Fatal { .. } => "fatal",
        Line::Outcome(_) => "outcome",
        Line::Checkout(_) => "checkout",
        Line::Unknown => "unknown",
    }
}

#[test]
fn examples_are_what_is_printed() {
    let mut kinds = BTreeSet::new();
    for example in TEXT.split("```json\n").skip(1) {
        let json = example.split("```").next().unwrap();
        let mut decoder = Decoder::default();
        let lines = decoder.feed(json.as_bytes()).unwrap();
        decoder.finish().unwrap();
        assert_eq!(lines.len(), 1, "{json}");
        kinds.insert(kind(&lines[0]));
        // No field of the example is unknown, and none that we always print is missing.
        let printed: serde_json::Value = serde_json::from_slice(&encode(&lines[0])).unwrap();
        let expected: serde_json::Value = serde_json::from_str(json).unwrap();
        let fields = |value: &serde_json::Value| -> BTreeSet<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let missing: Vec<String> = fields(&printed)
            .difference(&fields(&expected))
            .cloned()
            .collect();
        assert_eq!(missing, Vec::<String>::new(), "{json}");
        let unknown: Vec<String> = fields(&expected)
            .difference(&fields(&printed))
            .cloned()
            .collect();
        assert!(
            unknown.iter().all(|field| field == "outputs"),
            "{json}: {unknown:?}"
        );
    }
    let all = [
        "start",
        "warning",
        "job",
        "failed",
        "skipped",
        "done",
        "fatal",
        "outcome",
        "checkout",
        "reused",
        "repeated",
        "statistics",
    ];
    assert_eq!(kinds, BTreeSet::from(all));
}
