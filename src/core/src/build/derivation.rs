use std::collections::BTreeMap;
use std::io;

use nix_derivation::{Derivation, StoreDir};

use crate::nix::{DrvPath, StorePath};

/// Output paths by output name; `None` where the path is only known after the build.
pub(super) type Outputs = BTreeMap<String, Option<StorePath>>;

/// Why the outputs of a derivation are not known.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// The store does not have it.
    Missing,
    /// It is there but cannot be read.
    Io(io::Error),
    /// It is of a form that is not understood here. Nix may know better.
    Malformed(String),
}

/// Reads the outputs of a derivation from the store.
pub(super) fn outputs(drv: &DrvPath) -> Result<Outputs, Unreadable> {
    let bytes = std::fs::read(drv.as_str()).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unreadable::Missing,
        _ => Unreadable::Io(error),
    })?;
    parse(&bytes, drv).map_err(Unreadable::Malformed)
}

pub(super) fn parse(bytes: &[u8], drv: &DrvPath) -> Result<Outputs, String> {
    let store = drv.as_str().rsplit_once('/').map_or("", |(store, _)| store);
    let store = StoreDir::new(store).map_err(|error| error.to_string())?;
    let derivation = Derivation::from_aterm_bytes_in(bytes, drv.name(), store.clone())
        .map_err(|error| error.to_string())?;
    let resolved = derivation
        .resolved_outputs()
        .map_err(|error| error.to_string())?;
    resolved
        .into_iter()
        .map(|(name, output)| {
            let path = output.path.map(|path| path.to_absolute_path_in(&store));
            let path = path.map(StorePath::try_from).transpose();
            Ok((name, path.map_err(|error| error.to_string())?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRV: &str = "/nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-multi.drv";
    const OUT: &str = "/nix/store/00000000000000000000000000000000-multi";

    fn parsed(outputs: &str) -> Result<Outputs, String> {
        let text =
            format!(r#"Derive([{outputs}],[],[],"x86_64-linux","/bin/sh",[],[("name","multi")])"#);
        parse(text.as_bytes(), &DRV.parse().unwrap())
    }

    #[test]
    fn outputs_are_read_by_name() {
        let outputs = parsed(&format!(
            r#"("dev","{OUT}-dev","",""),("lib","{OUT}-lib","","")"#
        ))
        .unwrap();
        let expected = ["dev", "lib"].map(|name| {
            let path = format!("{OUT}-{name}").parse().unwrap();
            (name.to_owned(), Some(path))
        });
        assert_eq!(outputs, BTreeMap::from(expected));
    }

    #[test]
    fn floating_outputs_have_no_path_yet() {
        let outputs = parsed(r#"("out","","r:sha256","")"#).unwrap();
        assert_eq!(outputs, BTreeMap::from([("out".to_owned(), None)]));
    }

    #[test]
    fn garbage_is_named() {
        let drv = DRV.parse().unwrap();
        assert!(parse(b"Derive(", &drv).is_err());
        let missing = "/nix/store/00000000000000000000000000000000-no.drv"
            .parse()
            .unwrap();
        assert!(matches!(super::outputs(&missing), Err(Unreadable::Missing)));
    }
}
