use super::node::{Entry, Value};

/// Keys of the predecessor's settings that mean nothing here any more, and what replaced them.
const RETIRED: [(&str, &str); 7] = [
    (
        "domain",
        "the public address is the key `url`; remove `domain`",
    ),
    (
        "use_https",
        "write `https://…` in the key `url`; remove `use_https`",
    ),
    ("github.installation_token_map_file", KEPT),
    ("github.project_id_map_file", KEPT),
    ("github.jwt_token_map", KEPT),
    ("github.project_cache_file", KEPT),
    ("gitea.project_cache_file", KEPT),
];

/// Of files that the predecessor kept beside its database.
const KEPT: &str = "repositories are kept in the database and tokens nowhere; remove it";

/// Keys of the predecessor's settings that this version cannot do yet.
const NOT_YET: [&str; 3] = [
    "effects_per_repo_secrets",
    "effects_extra_sandbox_paths",
    "access_mode",
];

/// Written as the NixOS options are, but not as the settings file has them.
const OPTION_NAMES: [(&str, &str); 3] = [
    ("match_glob", "matchGlob"),
    ("register_gc_roots", "registerGCRoots"),
    ("update_outputs", "updateOutputs"),
];

/// How alike two keys have to be for one to be a misspelling of the other.
const SIMILARITY_MIN: f64 = 0.8;

/// Whether a key that cannot be honoured asks for nothing, like `github: null`.
///
/// Generated settings say every key, most of them with such a value.
pub(super) fn asks_for_nothing(table: &str, entry: &Entry) -> bool {
    let empty = match &entry.node.value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::List(items) => items.is_empty(),
        Value::Table(entries) => entries.is_empty(),
        Value::Integer(_) | Value::Number(_) | Value::Text(_) => false,
    };
    empty && is_not_yet(&path(table, &entry.key))
}

/// Message and hint for a key that the predecessor had.
pub(super) fn explain(table: &str, key: &str) -> Option<(&'static str, String)> {
    let path = path(table, key);
    if let Some((_, hint)) = RETIRED.iter().find(|(retired, _)| *retired == path) {
        return Some(("is not used any more", (*hint).to_owned()));
    }
    if !table.is_empty()
        && let Some((_, right)) = OPTION_NAMES.iter().find(|(wrong, _)| *wrong == key)
    {
        return Some(("there is no such key", format!("write `{right}`")));
    }
    is_not_yet(&path).then(|| {
        let hint = "remove it, or stay with what you have until it is";
        ("is not supported by this version yet", hint.to_owned())
    })
}

fn path(table: &str, key: &str) -> String {
    if table.is_empty() {
        key.to_owned()
    } else {
        format!("{table}.{key}")
    }
}

fn is_not_yet(key: &str) -> bool {
    NOT_YET.contains(&key) || key.starts_with("effects_")
}

/// A hint for the unknown key `key`: the nearest of `known`, or all of them.
pub(super) fn nearest(key: &str, known: &[&'static str]) -> String {
    let plain = |key: &str| key.to_ascii_lowercase().replace(['-', '_'], "");
    let similarity = |other: &str| strsim::jaro_winkler(&plain(key), &plain(other));
    let best = known
        .iter()
        .max_by(|left, right| similarity(left).total_cmp(&similarity(right)));
    match best {
        Some(best) if similarity(best) >= SIMILARITY_MIN => format!("did you mean `{best}`?"),
        _ if key == "<<" => "YAML 1.2 has no merge keys; write the keys out".to_owned(),
        _ => format!("the keys here are `{}`", known.join("`, `")),
    }
}
