//! Results that are kept after a run, on a real Nix whose store is a folder of the test.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod evaluation;
mod private_store;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use buildbot_nix_core::machine_line::{Decoder, Line, encode};
use buildbot_nix_core::nix::{DrvPath, StorePath};
use evaluation::{Checkout, Evaluated};
use private_store::{Store, USER, names};

/// Jobs by name, and what the builder of each does; all have two outputs.
fn flake(jobs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, script) in jobs {
        writeln!(
            text,
            "\"{name}\" = derivation {{ name = \"kept\"; system = \"x86_64-linux\"; builder = \"/bin/sh\";
               outputs = [ \"out\" \"dev\" ]; args = [ \"-c\" \"{script}\" ]; }};"
        )
        .unwrap();
    }
    format!("{{ outputs = {{ self }}: {{ checks.x86_64-linux = {{ {text} }}; }}; }}")
}

fn script(text: &str) -> String {
    format!("echo {text} > $out; echo {text} > $dev")
}

struct Kept {
    store: Store,
    checkout: Checkout,
}

impl Kept {
    fn new() -> Self {
        let store = Store::new();
        let checkout = Checkout::with_flake(&flake(&[]));
        Self { store, checkout }
    }

    fn project(&self) -> PathBuf {
        self.store.path("nix/var/nix/gcroots/per-user/ci/o/r")
    }

    /// Evaluates these jobs as the run with that name.
    fn evaluate(&self, run: &str, flake: &str) -> Evaluated {
        self.checkout.write("flake.nix", flake);
        let arguments = ["--gc-roots-user", USER, "--list-results"];
        let mut evaluated = self.store.evaluate(&self.checkout, run, &arguments);
        // Derivations of this store are not where the agent can read what their outputs are.
        let list = self.store.direct().join(run).join("results.lines");
        let mut listed = Decoder::default()
            .feed(&std::fs::read(&list).unwrap())
            .unwrap();
        for line in evaluated.lines.iter_mut().chain(&mut listed) {
            if let Line::Job(job) = line {
                job.outputs = self.outputs(&job.drv_path);
            }
        }
        let listed: Vec<u8> = listed.iter().flat_map(encode).collect();
        std::fs::write(list, listed).unwrap();
        evaluated
    }

    fn outputs(&self, drv: &DrvPath) -> BTreeMap<String, Option<StorePath>> {
        let mut command = Command::new("nix-store");
        command.args(["--query", "--outputs", drv.as_str()]);
        let output = self.store.apply(&mut command).output().unwrap();
        let paths = String::from_utf8(output.stdout).unwrap();
        let outputs = paths.lines().map(|path| {
            let output = if path.ends_with("-dev") { "dev" } else { "out" };
            (output.to_owned(), Some(path.parse().unwrap()))
        });
        outputs.collect()
    }

    fn build(&self, evaluated: &Evaluated, attr: &str) {
        let drv = evaluated.job(&format!("x86_64-linux\n{attr}"));
        let mut command = Command::new("nix-store");
        command.args(["--realise", drv.drv_path.as_str()]);
        let built = self.store.apply(&mut command).output().unwrap();
        assert!(built.status.success(), "{built:?}");
    }

    /// Ends the run, as the master has it done.
    fn keep(&self, run: &str) -> String {
        self.keep_with(run, &[])
    }

    fn keep_with(&self, run: &str, more: &[&str]) -> String {
        let folder = self.project();
        let arguments = ["keep", "--folder", folder.to_str().unwrap()];
        let output = self
            .store
            .agent(&[&arguments[..], more, &["--gc-roots-user", USER, run]].concat());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, b"");
        self.store.release(run);
        String::from_utf8(output.stderr).unwrap()
    }

    fn links(&self) -> Vec<String> {
        let mut names = names(&self.project());
        names.retain(|name| name != "^^last");
        names
    }
}

const A: &str = "x86_64-linux.a";

#[test]
fn what_needed_no_build_is_kept_until_it_is_gone() {
    let kept = Kept::new();
    let both = flake(&[
        ("a", &script("1")),
        ("a-dev", &script("2")),
        ("never", "exit 1"),
    ]);
    let first = kept.evaluate("m-1", &both);
    kept.build(&first, "a");
    kept.build(&first, "a-dev");
    // Those of others.
    let project = kept.project();
    std::fs::create_dir_all(project.join("^release")).unwrap();
    let out = first.job("x86_64-linux\na").outputs["out"].clone().unwrap();
    for link in [
        "^release/x86_64-linux.b",
        "x86_64-linux.old",
        "x86_64-linux.a^man",
    ] {
        symlink(out.as_str(), project.join(link)).unwrap();
    }
    assert_eq!(kept.keep("m-1"), "4 kept, 2 let go\n");
    let expected = [
        "^release",
        A,
        "x86_64-linux.a-dev",
        "x86_64-linux.a-dev^dev",
        "x86_64-linux.a^dev",
    ];
    assert_eq!(kept.links(), expected);
    kept.store.collect_garbage();
    for name in ["a", "a-dev"] {
        for path in first.job(&format!("x86_64-linux\n{name}")).outputs.values() {
            assert!(
                kept.store.has(path.as_ref().unwrap().as_str()),
                "{name}: {path:?}"
            );
        }
    }

    kept.evaluate("m-2", &both);
    assert_eq!(kept.keep("m-2"), "0 kept, 0 let go\n");
    let less = flake(&[("a", &script("1"))]);
    kept.evaluate("m-3", &less);
    assert_eq!(kept.keep("m-3"), "0 kept, 2 let go\n");
    assert_eq!(names(&project.join("^release")), ["x86_64-linux.b"]);
    kept.store.collect_garbage();
    let gone = first.job("x86_64-linux\na-dev").outputs["out"]
        .clone()
        .unwrap();
    assert!(!kept.store.has(gone.as_str()));
    assert!(kept.store.has(out.as_str()));
}

#[test]
fn what_is_not_surely_gone_stays() {
    let kept = Kept::new();
    let first = kept.evaluate("m-1", &flake(&[("a", &script("1")), ("b", &script("2"))]));
    for name in ["a", "b"] {
        kept.build(&first, name);
    }
    assert_eq!(kept.keep("m-1"), "4 kept, 0 let go\n");
    // A new version that is not built, and one that does not evaluate.
    let broken = flake(&[("a", &script("3"))]).replace("}; }; }", "b = throw \"no\"; }; }; }");
    kept.evaluate("m-2", &broken);
    assert_eq!(kept.keep("m-2"), "0 kept, 0 let go\n");
    kept.evaluate("m-3", "{ outputs = throw \"nothing\"; }");
    assert_eq!(kept.keep("m-3"), "0 kept, 0 let go\n");
    // A run that ends late, and one that left no list.
    kept.evaluate("m-2", &flake(&[]));
    assert_eq!(kept.keep("m-2"), "0 kept, 0 let go\n");
    assert_eq!(kept.keep("m-4"), "0 kept, 0 let go\n");
    assert_eq!(kept.links().len(), 4);
    kept.store.collect_garbage();
    let out = first.job("x86_64-linux\na").outputs["out"].clone().unwrap();
    assert!(kept.store.has(out.as_str()));
}

#[test]
fn a_folder_where_links_are_no_roots_is_refused() {
    let store = Store::new();
    let output = store.agent(&["keep", "--folder", "/tmp/x", "m-1"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("`/tmp/x`: links there are no gc roots"),
        "{said}"
    );
}

#[test]
fn what_was_not_kept_before_waits_for_its_upload() {
    let kept = Kept::new();
    let jobs = flake(&[("a", &script("1")), ("never", "exit 1")]);
    let first = kept.evaluate("m-1", &jobs);
    kept.build(&first, "a");
    kept.keep_with("m-1", &["--upload-to", "ours"]);
    let users = kept.store.path("nix/var/nix/gcroots/per-user/ci");
    let queue = users.join(".buildbot-nix-uploads/ours");
    let waiting = names(&queue);
    assert_eq!(waiting.len(), 2, "{waiting:?}");
    for name in &waiting {
        assert!(
            std::fs::read_link(queue.join(name))
                .unwrap()
                .ends_with(name)
        );
        std::fs::remove_file(queue.join(name)).unwrap();
    }
    kept.evaluate("m-2", &jobs);
    kept.keep_with("m-2", &["--upload-to", "ours"]);
    assert_eq!(names(&queue), Vec::<String>::new());
}
