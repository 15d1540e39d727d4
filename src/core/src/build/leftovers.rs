pub(super) use crate::process::Leftovers;
