//! What the targets of tests/fuzz are given to begin with, as ordinary tests.

use std::path::{Path, PathBuf};

use rstest::rstest;

fn run(target: &str, bytes: &[u8]) {
    match target {
        "build_log" => crate::build::fuzz::log(bytes),
        "daemon" => crate::daemon::fuzz::conversation(bytes),
        "derivations" => crate::eval::fuzz::derivation(bytes),
        "evaluator_lines" => crate::eval::fuzz::lines(bytes),
        "machine_lines" => crate::machine_line::fuzz::lines(bytes),
        other => panic!("there is no target `{other}` here"),
    }
}

#[rstest]
fn a_target_takes_its_corpus(#[files("../../tests/fuzz/corpus/*/*")] path: PathBuf) {
    let target = path.parent().unwrap().file_name().unwrap();
    let target = target.to_str().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    run(target, &bytes);
    // Every beginning of it, as when the other side dies.
    for end in (0..bytes.len()).step_by(1 + bytes.len() / 64) {
        run(target, &bytes[..end]);
    }
}

#[test]
fn every_target_has_a_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz");
    let names = |below: &str| {
        let entries = std::fs::read_dir(folder.join(below)).unwrap().flatten();
        let names = entries.map(|entry| entry.path().with_extension(""));
        let mut names: Vec<_> = names
            .map(|path| path.file_name().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("corpus"), names("targets"));
}
