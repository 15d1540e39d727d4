//! Which settings of a flake's `nixConfig` are taken.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Error;

/// What Nix calls the list.
const FILE: &str = "nix/trusted-settings.json";

/// Allowed values of settings, by name. A list counts as its items with blanks between.
pub(super) type NixConfigAllow = BTreeMap<String, Vec<String>>;

/// Writes the list that Nix compares a `nixConfig` with below `data`, where it looks for it if
/// `XDG_DATA_HOME` says so. Nix takes a setting when name and value are in the list, and warns of
/// each that is not. The list is there even when it is empty: the user's own must not count.
pub(super) fn write(data: &Path, allowed: &NixConfigAllow) -> Result<(), Error> {
    let file = data.join(FILE);
    let list: BTreeMap<&str, BTreeMap<&str, bool>> = allowed
        .iter()
        .map(|(name, values)| {
            let values = values.iter().map(|value| (value.as_str(), true));
            (name.as_str(), values.collect())
        })
        .collect();
    let text = serde_json::to_vec(&list).map_err(std::io::Error::from);
    let parent = file.parent().unwrap_or(data);
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(&file, text?))
        .map_err(|error| Error::io("write", &file, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_as_nix_wants_it() {
        let directory = tempfile::tempdir().unwrap();
        let allowed = BTreeMap::from([(
            "extra-substituters".to_owned(),
            vec!["https://a https://b".to_owned()],
        )]);
        write(directory.path(), &allowed).unwrap();
        let text = std::fs::read_to_string(directory.path().join(FILE)).unwrap();
        assert_eq!(
            text,
            r#"{"extra-substituters":{"https://a https://b":true}}"#
        );
    }
}
