use serde::Serialize;

use super::read::parse_into;
use super::table::Collector;

/// A key that a settings file may have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Key {
    /// Where it stands, e.g. `retention.builds`. In it, `NAME` stands for a name that the admin
    /// chooses, and `[]` for each entry of a list.
    pub path: String,
    /// What it takes; completes "expected …".
    pub expected: String,
    /// Whether its table needs it.
    pub required: bool,
    /// What holds without it, unless nothing does or other keys say what.
    pub default: Option<serde_json::Value>,
}

/// A file that has every table, since only a table that is there is read. What is wrong with it
/// does not matter.
const EVERY_TABLE: &str = "
attic: {}
branches: {NAME: {}}
cachix: {}
gitea: {filters: {}}
github: {filters: {}}
niks3: {}
oidc: {mapping: {}}
post_build_steps: [{}]
projects: {NAME: {}}
pull_based: {repositories: {NAME: {}}}
pull_requests: {}
retention: {}
";

/// Stands for a name of the admin's.
const NAME: &str = "NAME";

/// The types of caches, which have different keys.
const CACHES: [&str; 4] = ["attic", "cachix", "niks3", "store"];

/// All keys that there are, in the order of their paths: the readers say themselves what they ask for.
pub fn keys() -> Vec<Key> {
    let collector = Collector::of_keys();
    let _ = parse_into(&collector, EVERY_TABLE);
    for kind in CACHES {
        let _ = parse_into(&collector, &format!("caches: {{{NAME}: {{type: {kind}}}}}"));
    }
    let mut keys = collector.into_keys();
    for key in &mut keys {
        key.path = key.path.replace("[0]", "[]");
        // What is the name itself.
        key.default.take_if(|default| *default == NAME);
    }
    keys.sort_by(|left, right| left.path.cmp(&right.path));
    keys.dedup_by(|left, right| left.path == right.path);
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::TABLES;

    /// Or a table is missing in `EVERY_TABLE`.
    #[test]
    fn every_table_has_keys() {
        let keys = keys();
        for table in keys.iter().filter(|key| TABLES.contains(&&*key.expected)) {
            let inside = |key: &&Key| {
                let rest = key.path.strip_prefix(&*table.path);
                rest.is_some_and(|rest| rest.starts_with(['.', '[']))
            };
            assert!(keys.iter().any(|key| inside(&key)), "{table:?}");
        }
    }

    #[test]
    fn keys_say_what_they_take() {
        let keys = keys();
        let of = |path: &str| keys.iter().find(|key| key.path == path).unwrap();
        assert_eq!(
            *of("projects.NAME.eval_timeout"),
            Key {
                path: "projects.NAME.eval_timeout".to_owned(),
                expected: "a whole number of seconds from 1 to 31536000".to_owned(),
                required: false,
                default: Some(3600.into()),
            }
        );
        assert!(of("post_build_steps[].command").required);
        assert_eq!(of("caches.NAME.netrc_file").default, None);
        assert_eq!(of("eval_sandbox").default, Some("auto".into()));
    }
}
