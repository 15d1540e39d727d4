//! docs/machine-lines.md says what is so: its examples are machine lines, one for every type, and
//! it explains every field.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

use std::collections::{BTreeMap, BTreeSet};

use buildbot_nix_core::machine_line::{
    BuildResult, CacheStatus, Checkout, Decoder, Failed, Job, Large, Line, Outcome, Position,
    Skipped, Slow, Start, Statistics, Uploaded, VERSION, encode,
};
use buildbot_nix_core::nix::AttrPath;
use serde_json::Value;

const TEXT: &str = include_str!("../../../docs/machine-lines.md");
const KINDS: [&str; 13] = [
    "start",
    "reused",
    "warning",
    "repeated",
    "job",
    "failed",
    "skipped",
    "statistics",
    "done",
    "fatal",
    "checkout",
    "outcome",
    "uploaded",
];
const DRV: &str = "/nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a.drv";
const OUT: &str = "/nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-a";

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
        Line::Uploaded(_) => "uploaded",
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
    assert_eq!(kinds, BTreeSet::from(KINDS));
}

/// One line of every type with all its fields. A new field does not compile before it is here.
fn complete() -> Vec<Line> {
    let mut lines = about_the_evaluation();
    lines.extend(about_attributes());
    lines.extend([
        Line::Outcome(Outcome {
            result: BuildResult::Failed,
            drv_path: DRV.parse().unwrap(),
            outputs: BTreeMap::from([("out".to_owned(), OUT.parse().unwrap())]),
            failed_drv: Some(DRV.parse().unwrap()),
            message: Some(String::new()),
            may_pass: true,
            exceeded: true,
            seconds: 0.0,
            built: 0,
            substituted: 0,
        }),
        Line::Uploaded(Uploaded {
            cache: String::new(),
            uploaded: 0,
            waiting: 0,
            dropped: 0,
            message: Some(String::new()),
        }),
        Line::Checkout(Checkout {
            revision: String::new(),
            commit: String::new(),
            tree: String::new(),
            base: Some(String::new()),
            base_branch: Some(String::new()),
            on_branch: true,
            seconds: 0.0,
        }),
    ]);
    lines
}

fn about_the_evaluation() -> Vec<Line> {
    let text = String::new;
    vec![
        Line::Start(Start {
            version: VERSION,
            engine: text(),
            engine_version: text(),
            attribute: text(),
            flake_dir: text(),
            systems: Vec::new(),
        }),
        Line::Reused { from: Some(text()) },
        Line::Warning { message: text() },
        Line::Repeated {
            message: text(),
            count: 2,
        },
        Line::Statistics(Statistics {
            seconds: 0.0,
            evaluators: 0,
            memory: Some(0),
            slowest: vec![Slow {
                attr: text(),
                seconds: 0.0,
            }],
            largest: vec![Large {
                attr: text(),
                bytes: 0,
            }],
        }),
        Line::Done { jobs: 0, failed: 0 },
        Line::Fatal {
            message: text(),
            hint: Some(text()),
            may_pass: true,
        },
    ]
}

fn about_attributes() -> Vec<Line> {
    let attr_path = AttrPath::new(["a"]);
    vec![
        Line::Job(Job {
            attr: String::new(),
            attr_path: attr_path.clone(),
            name: String::new(),
            system: "x86_64-linux".parse().unwrap(),
            drv_path: DRV.parse().unwrap(),
            outputs: BTreeMap::new(),
            cache_status: CacheStatus::Local,
            needs: vec![DRV.parse().unwrap()],
            needed_by: vec![DRV.parse().unwrap()],
        }),
        Line::Failed(Failed {
            attr: String::new(),
            attr_path: attr_path.clone(),
            error: String::new(),
            position: Some(Position {
                file: "nix/a.nix".to_owned(),
                line: 11,
                column: 17,
            }),
        }),
        Line::Skipped(Skipped {
            system: String::new(),
            attributes: Some(1),
            attr_paths: vec![attr_path],
        }),
    ]
}

/// Names of all fields, those of objects in lists too. What `outputs` has are names of outputs.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        found.insert(name.clone());
        for item in value.as_array().into_iter().flatten() {
            fields(item, found);
        }
    }
}

/// What is said about a type, without its examples.
fn section(kind: &str) -> String {
    let heading = format!("\n### `{kind}`\n");
    let (_, rest) = TEXT
        .split_once(&heading)
        .unwrap_or_else(|| panic!("`{kind}` has no section"));
    let section = rest.split("\n## ").next().unwrap();
    let section = section.split("\n### ").next().unwrap();
    let parts = section.split("```").step_by(2);
    parts.collect()
}

/// The names in the first cells of a section's table.
fn rows(section: &str) -> BTreeSet<String> {
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = cells.filter_map(|rest| rest.split(" |").next());
    let names = cells.flat_map(|cell| cell.split(", "));
    names
        .map(|name| name.trim_matches('`').to_owned())
        .collect()
}

#[test]
fn every_field_is_explained_and_no_other() {
    let lines = complete();
    let kinds: BTreeSet<&str> = lines.iter().map(kind).collect();
    assert_eq!(kinds, BTreeSet::from(KINDS));
    for line in &lines {
        let section = section(kind(line));
        let printed: Value = serde_json::to_value(line).unwrap();
        let mut names = BTreeSet::new();
        fields(&printed, &mut names);
        names.remove("type");
        for name in &names {
            assert!(
                section.contains(&format!("`{name}`")),
                "`{name}` of `{}` is not explained",
                kind(line)
            );
        }
        let unknown: Vec<String> = rows(&section).difference(&names).cloned().collect();
        assert_eq!(unknown, [""; 0], "`{}`", kind(line));
    }
    let sections = TEXT.matches("\n### `").count();
    assert_eq!(sections, KINDS.len(), "sections of types");
}

#[test]
fn every_value_of_an_enumeration_is_explained() {
    let job = section("job");
    for status in [
        CacheStatus::Local,
        CacheStatus::Cached,
        CacheStatus::NotBuilt,
    ] {
        let value = serde_json::to_value(status).unwrap();
        assert!(
            job.contains(&format!("`{}`", value.as_str().unwrap())),
            "{value}"
        );
    }
    let outcome = section("outcome");
    for result in [
        BuildResult::Succeeded,
        BuildResult::Failed,
        BuildResult::Transient,
        BuildResult::Cancelled,
    ] {
        let value = serde_json::to_value(result).unwrap();
        assert!(
            outcome.contains(&format!("`{}`", value.as_str().unwrap())),
            "{value}"
        );
    }
}

#[test]
fn the_version_is_the_documented_one() {
    assert!(TEXT.contains(&format!("now **{VERSION}**")));
}
