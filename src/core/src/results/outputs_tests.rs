use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rstest::rstest;

use super::forget::Branches;
use super::outputs::{OutputFiles, Paths, Results, forget_outputs, project_outputs, quote};
use crate::run::Run;

const OUT: &str = "/nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-a";
const DEV: &str = "/nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-a-dev";

#[rstest]
// As Python's quote_plus has them.
#[case("x86_64-linux.a", Some("x86_64-linux.a"))]
#[case("a/b", Some("a%2Fb"))]
#[case("a b+c~", Some("a+b%2Bc~"))]
#[case("ü\"", Some("%C3%BC%22"))]
#[case("..", None)]
#[case(".", None)]
#[case("", None)]
#[case("...", Some("..."))]
fn parts_are_quoted(#[case] part: &str, #[case] expected: Option<&str>) {
    assert_eq!(quote(part).as_deref(), expected);
}

fn paths() -> Paths {
    let paths = [("out", OUT), ("dev", DEV)];
    paths
        .map(|(name, path)| (name.to_owned(), path.to_owned().try_into().unwrap()))
        .into()
}

fn files(root: &Path, branch: &str, build: u64) -> OutputFiles {
    let project = project_outputs(root, "team/site", Some(("team", "site"))).unwrap();
    OutputFiles::of(&project, branch, build).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('^'))
        .collect();
    names.sort();
    names
}

/// The run of an evaluation that found these attributes to be in the store.
fn run(attrs: &[&str], failed: &[&str]) -> Run {
    let mut run = Run::default();
    let mut feed = |line: String| run.feed(format!("{line}\n").as_bytes()).unwrap();
    for (index, attr) in attrs.iter().enumerate() {
        let drv = format!("/nix/store/{index:032}-a.drv");
        feed(format!(
            r#"{{"type":"job","attr":"{attr}","attrPath":["{attr}"],"name":"a","system":"x86_64-linux","drvPath":"{drv}","outputs":{{"out":"{OUT}"}},"cacheStatus":"local"}}"#
        ));
    }
    for attr in failed {
        feed(format!(
            r#"{{"type":"failed","attr":"{attr}","attrPath":["{attr}"],"error":"no"}}"#
        ));
    }
    feed(format!(
        r#"{{"type":"done","jobs":{},"failed":{}}}"#,
        attrs.len(),
        failed.len()
    ));
    run.end_of_evaluation(Some(0)).unwrap();
    run
}

#[test]
fn the_layout_is_the_predecessors() {
    let root = tempfile::tempdir().unwrap();
    files(root.path(), "release/1", 3)
        .write("x86_64-linux.a b", &paths())
        .unwrap();
    let folder = root.path().join("team/site/release%2F1");
    assert_eq!(
        fs::read_to_string(folder.join("x86_64-linux.a+b")).unwrap(),
        OUT
    );
    assert_eq!(
        fs::read_to_string(folder.join("x86_64-linux.a+b^dev")).unwrap(),
        DEV
    );
    let polled = project_outputs(root.path(), "team/site", None).unwrap();
    assert_eq!(polled, root.path().join("unknown/team%2Fsite"));
}

#[test]
fn names_lead_nowhere_else() {
    let root = tempfile::tempdir().unwrap();
    let project = project_outputs(root.path(), "p", None).unwrap();
    assert_eq!(OutputFiles::of(&project, "..", 1), None);
    assert_eq!(project_outputs(root.path(), "..", None), None);
    let files = OutputFiles::of(&project, "main", 1).unwrap();
    for attr in ["..", "../../x", "/etc/passwd"] {
        files.write(attr, &paths()).unwrap();
    }
    let written = names(&project.join("main"));
    assert_eq!(
        written,
        [
            "%2Fetc%2Fpasswd",
            "%2Fetc%2Fpasswd",
            "..%2F..%2Fx",
            "..%2F..%2Fx"
        ]
        .iter()
        .enumerate()
        .map(|(index, name)| format!("{name}{}", if index % 2 == 0 { "" } else { "^dev" }))
        .collect::<Vec<_>>()
    );
}

#[test]
fn a_run_updates_all_and_removes_what_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("team/site/main");
    files(root.path(), "main", 1)
        .write("gone", &paths())
        .unwrap();
    files(root.path(), "main", 1)
        .write("set.child", &paths())
        .unwrap();
    let results = Results::of(&run(&["a", "b"], &["set"]));
    files(root.path(), "main", 2).update(&results).unwrap();
    assert_eq!(names(&folder), ["a", "b", "set.child", "set.child^dev"]);
    // An older run that ends later has nothing to say.
    files(root.path(), "main", 1)
        .write("late", &paths())
        .unwrap();
    files(root.path(), "main", 1)
        .update(&Results::of(&run(&["z"], &[])))
        .unwrap();
    assert_eq!(names(&folder), ["a", "b", "set.child", "set.child^dev"]);
    // One that did not go to its end knows nothing of the others.
    let mut stopped = run(&["a"], &[]);
    stopped.cancel();
    files(root.path(), "main", 3)
        .update(&Results::of(&stopped))
        .unwrap();
    assert_eq!(names(&folder), ["a", "b", "set.child", "set.child^dev"]);
    files(root.path(), "main", 4)
        .update(&Results::of(&run(&["a"], &[])))
        .unwrap();
    assert_eq!(names(&folder), ["a"]);
}

#[test]
fn branches_and_projects_that_are_gone_go() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let results = Results::of(&run(&["a"], &[]));
    for branch in ["main", "release/1", "old"] {
        files(root, branch, 1).update(&results).unwrap();
    }
    let gone = project_outputs(root, "gone", None).unwrap();
    OutputFiles::of(&gone, "main", 1)
        .unwrap()
        .update(&results)
        .unwrap();
    // Whatever this is, it is not ours.
    fs::create_dir_all(root.join("team/site/notes")).unwrap();
    let site = project_outputs(root, "", Some(("team", "site"))).unwrap();
    let known = Branches::Only(["main", "release/1"].map(str::to_owned).into());
    let unknown = || Branches::AllBut(["other".to_owned()].into());
    let unknown = BTreeMap::from([(site.clone(), unknown()), (gone.clone(), unknown())]);
    assert_eq!(forget_outputs(root, &unknown).unwrap(), 0);
    let known = BTreeMap::from([(site.clone(), known)]);
    assert_eq!(forget_outputs(root, &known).unwrap(), 2);
    assert_eq!(names(&site), ["main", "notes", "release%2F1"]);
    assert!(!root.join("unknown").exists());
}
