//! The table of rights in the documentation is what the policy says.

use buildbot_nix_core::auth::rights_table;

#[test]
fn the_documentation_has_the_rights() {
    let documentation = include_str!("../../../docs/authentication.md");
    let (_, rest) = documentation.split_once("<!-- rights").unwrap();
    let (_, rest) = rest.split_once("-->\n").unwrap();
    let (table, _) = rest.split_once("<!-- end -->").unwrap();
    assert_eq!(
        table.trim(),
        rights_table().trim(),
        "put this there:\n{}",
        rights_table()
    );
}
