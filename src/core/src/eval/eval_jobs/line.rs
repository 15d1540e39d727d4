//! One line of nix-eval-jobs → what it says. Versions differ: every field may be missing but the
//! attribute, and unknown ones are passed over.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::super::found::{Found, FoundJob};
use super::super::text::{clean, error_text};
use super::super::walk::{Selection, is_too_deep};
use crate::nix::{AttrPath, DrvPath, StorePath, System};

/// Characters of a bad line that are shown.
const EXCERPT: usize = 120;
/// What it says of sets that call themselves derivations and have no output path, e.g. because
/// they lack a system.
const MISTAKEN: &str = "CA derivations are not yet supported";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    attr_path: Option<Vec<String>>,
    attr: Option<String>,
    error: Option<String>,
    /// From 2.34 on: the evaluator did not survive the attribute.
    fatal: Option<bool>,
    name: Option<String>,
    system: Option<String>,
    drv_path: Option<String>,
    outputs: Option<BTreeMap<String, Option<String>>>,
    warnings: Option<Vec<String>>,
    traces: Option<Vec<String>>,
    /// Of no weight, so that a form that is not known yet spoils nothing.
    stats: Option<serde_json::Value>,
}

/// What one line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JobsLine {
    pub(super) attr_path: AttrPath,
    /// The result, and what was said on the way to it.
    pub(super) found: Vec<Found>,
    /// Whether Nix itself may have another result.
    pub(super) is_doubtful: bool,
    /// Whether there may be no end of such lines.
    pub(super) is_endless: bool,
}

/// Reads a line about an attribute below `prefix`. `Err` tells what is wrong with it.
pub(super) fn parse(
    line: &[u8],
    prefix: &AttrPath,
    selection: &Selection,
) -> Result<JobsLine, String> {
    let wire: Wire = serde_json::from_slice(line).map_err(|error| bad(line, &error.to_string()))?;
    let below = match (&wire.attr_path, &wire.attr) {
        (Some(path), _) => path.clone(),
        (None, Some(attr)) => vec![attr.clone()],
        (None, None) => return Err(bad(line, "it names no attribute")),
    };
    let path = AttrPath::new(
        prefix
            .components()
            .iter()
            .cloned()
            .chain(below.iter().cloned()),
    );
    let texts = |texts: &Option<Vec<String>>| texts.clone().unwrap_or_default();
    let warnings = texts(&wire.warnings).into_iter();
    let warnings = warnings.map(|text| Found::Warning(clean(&text)));
    let traces = texts(&wire.traces).into_iter();
    let traces = traces.map(|text| Found::Text(clean(&text)));
    let mut found: Vec<Found> = warnings.chain(traces).collect();
    found.extend(wire.stats.as_ref().and_then(|stats| took(&path, stats)));
    let is_doubtful = below.iter().any(|name| is_lost(name))
        || wire.fatal == Some(true)
        || wire
            .error
            .as_ref()
            .is_some_and(|error| error.contains(MISTAKEN));
    // Without a name it looks into the root again.
    let is_endless = below.first().is_some_and(String::is_empty) || is_too_deep(&path);
    found.push(result(wire, path.clone(), selection));
    Ok(JobsLine {
        attr_path: path,
        found,
        is_doubtful,
        is_endless,
    })
}

/// Whether nix-eval-jobs cannot find an attribute of that name, or finds another: it joins names to
/// a text and takes it apart again, where quotes cannot be escaped and numbers count elements of
/// lists.
fn is_lost(name: &str) -> bool {
    name.contains('"') || name.chars().all(|character| character.is_ascii_digit())
}

/// What the attribute has cost, which versions from 2.35.3 on tell.
fn took(path: &AttrPath, stats: &serde_json::Value) -> Option<Found> {
    let milliseconds = stats.get("wallMs")?.as_f64()?;
    Some(Found::Took {
        attr_path: path.clone(),
        time: Duration::try_from_secs_f64(milliseconds / 1000.0).ok()?,
        bytes: stats.get("allocBytes").and_then(serde_json::Value::as_u64),
    })
}

fn result(wire: Wire, attr_path: AttrPath, selection: &Selection) -> Found {
    if let Some(error) = wire.error {
        return Found::Failed {
            attr_path,
            error: error_text(&clean(&error)),
        };
    }
    match job(wire, attr_path.clone()) {
        Ok(job) if selection.wants(&job.system) => Found::Job(job),
        Ok(job) => Found::Unwanted {
            attr_path,
            system: job.system.to_string(),
        },
        Err(problem) => Found::Failed {
            error: format!("`{attr_path}` is no derivation that can be built: {problem}"),
            attr_path,
        },
    }
}

fn job(wire: Wire, attr_path: AttrPath) -> Result<FoundJob, String> {
    let drv_path = wire.drv_path.ok_or("it has no `drvPath`")?;
    let drv_path = DrvPath::try_from(drv_path).map_err(|error| error.to_string())?;
    let system = wire.system.ok_or("it has no `system`")?;
    let system = System::try_from(system).map_err(|error| error.to_string())?;
    // What is no path stands for one that is not known yet.
    let path = |path: Option<String>| path.and_then(|path| StorePath::try_from(path).ok());
    let outputs = wire.outputs.unwrap_or_default().into_iter();
    Ok(FoundJob {
        name: wire.name.unwrap_or_else(|| drv_path.name().to_owned()),
        outputs: outputs.map(|(name, it)| (name, path(it))).collect(),
        attr_path,
        system,
        drv_path,
    })
}

fn bad(line: &[u8], reason: &str) -> String {
    // Of a line with many MB only the beginning is worth the time.
    let start = line.get(..EXCERPT * 8).unwrap_or(line);
    let text = clean(&String::from_utf8_lossy(start));
    let excerpt: String = text.chars().take(EXCERPT).collect();
    format!("nix-eval-jobs printed a line that is no result ({reason}): `{excerpt}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from nix-eval-jobs 2.26.
    const SMALL: &str = include_str!("../../../../../tests/fixtures/eval/small.jsonl");
    const LONG: &str = include_str!("../../../../../tests/fixtures/eval/long-lines.jsonl");

    fn selection() -> Selection {
        Selection {
            systems: vec!["x86_64-linux".parse().unwrap()],
            known: None,
        }
    }

    fn found(line: &str) -> Vec<Found> {
        let prefix = AttrPath::new(["p"]);
        parse(line.as_bytes(), &prefix, &selection()).unwrap().found
    }

    #[test]
    fn recorded_lines() {
        let results: Vec<Vec<Found>> = SMALL.lines().map(found).collect();
        let Found::Job(job) = &results[0][0] else {
            panic!("{results:?}");
        };
        assert_eq!(job.attr_path, AttrPath::new(["p", "x86_64-linux", "a"]));
        assert_eq!(job.drv_path.name(), "a");
        assert!(job.outputs["out"].is_some());
        let failed = results
            .iter()
            .filter(|found| matches!(found[0], Found::Failed { .. }));
        assert_eq!(failed.count(), 2);
        let Found::Failed { error, .. } = &results[4][0] else {
            panic!("{results:?}");
        };
        assert!(error.ends_with("error: boom"), "{error}");
    }

    #[test]
    fn recorded_long_lines() {
        let longest = LONG.lines().map(str::len).max().unwrap();
        assert!(longest > 10_000);
        assert!(LONG.lines().all(|line| found(line).len() == 1));
    }

    #[test]
    fn lines_of_every_version_say_the_same() {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/fixtures/eval/versions"
        );
        let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        let mut versions = Vec::new();
        for file in files {
            let name = file.file_name().into_string().unwrap();
            let text = std::fs::read_to_string(file.path()).unwrap();
            let mut found: Vec<Found> = text.lines().flat_map(found).collect();
            if name.starts_with("2.35") {
                assert_eq!(found.remove(0), Found::Warning("careful".to_owned()));
                assert_eq!(found.remove(0), Found::Text("traced".to_owned()));
            }
            if name.starts_with("2.35.3") {
                let took = Found::Took {
                    attr_path: AttrPath::new(["p", "x86_64-linux", "a"]),
                    time: Duration::from_micros(12_500),
                    bytes: Some(4096),
                };
                assert_eq!(found.remove(0), took);
                found.retain(|found| !matches!(found, Found::Took { .. }));
            }
            versions.push((name, found));
        }
        // 2.26 to 2.35, and one that changed much without another number in front.
        assert_eq!(versions.len(), 11);
        let (_, expected) = versions[0].clone();
        let Found::Job(floating) = &expected[1] else {
            panic!("{expected:?}");
        };
        assert_eq!(
            floating.attr_path,
            AttrPath::new(["p", "x86_64-linux", "b.c d"])
        );
        assert_eq!(floating.outputs["out"], None);
        for (name, found) in versions {
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn odd_statistics_are_passed_over() {
        for stats in ["null", "7", "{}", r#"{"wallMs":"1"}"#, r#"{"wallMs":-1}"#] {
            let line = format!(r#"{{"attr":"a","error":"boom","stats":{stats}}}"#);
            assert_eq!(found(&line).len(), 1, "{line}");
        }
    }

    #[test]
    fn of_other_programs_fields_may_be_missing() {
        let drv = "/nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a.drv";
        let sparse = format!(r#"{{"attr":"a","drvPath":"{drv}","system":"x86_64-linux","new":7}}"#);
        let Found::Job(job) = &found(&sparse)[0] else {
            panic!();
        };
        assert_eq!((job.name.as_str(), job.outputs.len()), ("a", 0));
    }

    #[test]
    fn errors_that_nix_itself_may_not_have_are_doubtful() {
        let is_doubtful = |line: &str| {
            let parsed = parse(line.as_bytes(), &AttrPath::new(["p"]), &selection());
            parsed.unwrap().is_doubtful
        };
        for (line, expected) in [
            (r#"{"attrPath":["a"],"error":"e"}"#, false),
            (r#"{"attrPath":["a"],"error":"e","fatal":false}"#, false),
            (r#"{"attrPath":["a"],"error":"e","fatal":true}"#, true),
            (r#"{"attrPath":["a","q\"q"],"error":"e"}"#, true),
            (r#"{"attrPath":["a","","b"],"error":"e"}"#, true),
            (r#"{"attrPath":["a","12"],"error":"e"}"#, true),
            (r#"{"attrPath":["a","12a"],"error":"e"}"#, false),
            // What was found is called "q".
            (r#"{"attrPath":["a","\"q\""],"drvPath":"d"}"#, true),
            (
                r#"{"attrPath":["a"],"error":"error: CA derivations are not yet supported"}"#,
                true,
            ),
            (r#"{"attrPath":["a"],"drvPath":"d"}"#, false),
        ] {
            assert_eq!(is_doubtful(line), expected, "{line}");
        }
    }

    #[test]
    fn sets_without_end_are_noticed() {
        let is_endless = |below: &[&str]| {
            let line = serde_json::json!({ "attrPath": below, "error": "e" });
            let parsed = parse(
                line.to_string().as_bytes(),
                &AttrPath::new(["p"]),
                &selection(),
            );
            parsed.unwrap().is_endless
        };
        assert!(!is_endless(&["a", "", "b"]));
        assert!(is_endless(&["", "b"]));
        assert!(!is_endless(&["a"; 16]));
        assert!(is_endless(&["a"; 17]));
    }

    #[test]
    fn a_derivation_for_another_system_is_not_wanted() {
        let drv = "/nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a.drv";
        let line = format!(r#"{{"attrPath":["a"],"drvPath":"{drv}","system":"aarch64-linux"}}"#);
        assert_eq!(
            found(&line),
            [Found::Unwanted {
                attr_path: AttrPath::new(["p", "a"]),
                system: "aarch64-linux".to_owned(),
            }]
        );
    }

    #[test]
    fn what_is_no_result_is_named() {
        for bad in ["", "error: \u{1b}[31mx", "{\"attr\":", "{}", "[]"] {
            let error = parse(bad.as_bytes(), &AttrPath::new(["p"]), &selection()).unwrap_err();
            assert!(error.starts_with("nix-eval-jobs printed a line that is no result"));
            assert!(!error.contains('\u{1b}'));
        }
        assert!(matches!(
            &found(r#"{"attrPath":["a"]}"#)[0],
            Found::Failed { error, .. } if error.ends_with("it has no `drvPath`")
        ));
    }
}
