//! What is below the evaluated attribute: which names to look into, what an attribute means.

use std::collections::HashSet;
use std::ops::Range;

use crate::nix::{AttrPath, System};

/// Sets deeper below the root are not looked into: they contain themselves, as `pkgs.pkgs` does.
const DEPTH_MAX: usize = 16;

/// A set below the evaluated attribute, or that attribute itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) path: AttrPath,
    /// The same as numbers: position among the siblings, level by level.
    pub(super) position: Vec<usize>,
    /// Names of its members, in the evaluator's order.
    pub(super) names: Vec<String>,
}

impl Set {
    /// The path of its member `index`.
    pub(super) fn member(&self, index: usize) -> AttrPath {
        let name = self.names.get(index).map_or("", String::as_str);
        self.path.child(name)
    }
}

/// Which attributes are evaluated at all.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// Wanted systems; empty means all.
    pub(super) systems: Vec<System>,
    /// What has been reported before.
    pub(super) known: Option<Known>,
}

/// Attributes that an earlier attempt has reported.
#[derive(Debug, Default)]
pub(super) struct Known(HashSet<AttrPath>);

impl Known {
    /// Remembers `path` as reported; `false` if it was before.
    pub(super) fn insert(&mut self, path: &AttrPath) -> bool {
        self.0.insert(path.clone())
    }
}

impl Selection {
    /// Whether `name`, a member of the root, stands for a system that nobody asked for.
    pub(super) fn is_other_system(&self, name: &str) -> bool {
        !self.systems.is_empty()
            && !self.systems.iter().any(|system| system.as_str() == name)
            && is_system(name)
    }

    /// Whether a derivation for `system` is wanted.
    pub(super) fn wants(&self, system: &System) -> bool {
        self.systems.is_empty() || self.systems.contains(system)
    }

    /// The members of `set` that are to be evaluated, as ranges of their numbers.
    pub(super) fn members(&self, set: &Set) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (index, name) in set.names.iter().enumerate() {
            if !self.admits(set, name) {
                continue;
            }
            match ranges.last_mut() {
                Some(range) if range.end == index => range.end += 1,
                _ => ranges.push(index..index + 1),
            }
        }
        ranges
    }

    fn admits(&self, set: &Set, name: &str) -> bool {
        if set.position.is_empty() && self.is_other_system(name) {
            return false;
        }
        // Tells other tools that they may look into the set. We always do.
        if name == "recurseForDerivations" {
            return false;
        }
        let known = self.known.as_ref();
        !known.is_some_and(|known| known.0.contains(&set.path.child(name)))
    }
}

/// The error of an attribute that is a value of `kind` (as `builtins.typeOf` names it) and no set,
/// or `None` if it is to be passed over.
pub(super) fn value_error(path: &AttrPath, kind: &str) -> Option<String> {
    // nixpkgs puts functions such as `override` into the sets that it makes.
    let is_below_system = path
        .components()
        .first()
        .is_some_and(|name| is_system(name));
    let outermost = if is_below_system { 2 } else { 1 };
    if kind == "lambda" && path.components().len() > outermost {
        return None;
    }
    let what = match kind {
        "null" => "null",
        "lambda" => "a function",
        "bool" => "a Boolean",
        "int" => "an integer",
        "float" => "a number",
        "string" => "a string",
        "path" => "a path",
        "list" => "a list",
        _ => "something else",
    };
    Some(format!("`{path}` is {what}, not a derivation"))
}

/// Whether an attribute is in a set that is not looked into.
pub(super) fn is_too_deep(path: &AttrPath) -> bool {
    path.components().len() > DEPTH_MAX + 1
}

/// The error of a set that is not looked into, or `None` if it is.
pub(super) fn depth_error(path: &AttrPath) -> Option<String> {
    (path.components().len() > DEPTH_MAX).then(|| {
        format!("`{path}` is a set more than {DEPTH_MAX} levels deep; is it part of itself")
    })
}

/// Whether `name` is written like a system: a processor and a kernel that Nix knows. Other names
/// with a dash, e.g. `build-static`, are ordinary attributes.
fn is_system(name: &str) -> bool {
    const PROCESSORS: [&str; 14] = [
        "x86_64",
        "aarch64",
        "i686",
        "i586",
        "i486",
        "i386",
        "arm",
        "mips",
        "powerpc",
        "riscv",
        "loongarch",
        "sparc",
        "wasm",
        "s390",
    ];
    const KERNELS: [&str; 14] = [
        "linux", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "windows", "cygwin", "mingw",
        "none", "wasi", "genode", "redox", "illumos",
    ];
    name.split_once('-').is_some_and(|(processor, kernel)| {
        let known_processor = PROCESSORS.iter().any(|known| processor.starts_with(known))
            || ["m68k", "avr", "or1k", "vc4"].contains(&processor);
        let kernel = kernel.split('-').next().unwrap_or_default();
        known_processor && KERNELS.iter().any(|known| kernel.starts_with(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection() -> Selection {
        Selection {
            systems: vec!["x86_64-linux".parse().unwrap()],
            known: None,
        }
    }

    fn root(names: &[&str]) -> Set {
        Set {
            path: AttrPath::new::<_, String>([]),
            position: vec![],
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn other_systems_are_told_by_their_names() {
        let selection = selection();
        for name in [
            "aarch64-linux",
            "x86_64-darwin",
            "armv7l-linux",
            "powerpc64le-linux",
        ] {
            assert!(selection.is_other_system(name), "{name}");
        }
        for name in [
            "x86_64-linux",
            "build-static",
            "x86_64",
            "arm-wrestling",
            "linux-aarch64",
        ] {
            assert!(!selection.is_other_system(name), "{name}");
        }
        assert!(!Selection::default().is_other_system("aarch64-linux"));
    }

    #[test]
    fn members_are_ranges() {
        let root = root(&[
            "a",
            "aarch64-linux",
            "b",
            "recurseForDerivations",
            "x86_64-linux",
        ]);
        assert_eq!(selection().members(&root), [0..1, 2..3, 4..5]);
        assert_eq!(Selection::default().members(&root), [0..3, 4..5]);
    }

    #[test]
    fn what_is_known_is_not_evaluated_again() {
        let mut known = Known::default();
        assert!(known.insert(&AttrPath::new(["s", "a"])));
        assert!(known.insert(&AttrPath::new(["s", "set", "b"])));
        assert!(!known.insert(&AttrPath::new(["s", "a"])));
        let inner = Set {
            path: AttrPath::new(["s"]),
            position: vec![0],
            names: ["a", "new", "set"].map(str::to_owned).to_vec(),
        };
        let selection = Selection {
            systems: vec![],
            known: Some(known),
        };
        let members = |set: &Set| selection.members(set).pop().unwrap();
        assert_eq!(members(&root(&["s"])), 0..1);
        // What else is in a set may be something that is no derivation, and was left out.
        assert_eq!(members(&inner), 1..3);
    }

    #[test]
    fn values_are_errors_except_functions_of_a_set() {
        let error = |path: &[&str], kind| value_error(&AttrPath::new(path.iter().copied()), kind);
        assert_eq!(
            error(&["x86_64-linux", "a"], "lambda").unwrap(),
            "`x86_64-linux.a` is a function, not a derivation"
        );
        assert!(error(&["a"], "lambda").is_some());
        assert_eq!(error(&["a", "override"], "lambda"), None);
        assert_eq!(error(&["x86_64-linux", "a", "override"], "lambda"), None);
        assert!(error(&["x86_64-linux", "a", "x"], "null").is_some());
    }
}
