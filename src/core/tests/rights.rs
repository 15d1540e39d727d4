//! What the documentation says of log-ins: the table of rights is the policy's, and settings are
//! some.

use buildbot_nix_core::auth::rights_table;
use buildbot_nix_core::config::parse_settings;

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

/// Behind what every page leaves out.
const COMMON: [&str; 3] = [
    "url: https://ci.example.org",
    "build_systems: [x86_64-linux]",
    "local_workers: 1",
];

#[test]
fn examples_are_settings() {
    let pages = [
        include_str!("../../../docs/authentication.md"),
        include_str!("../../../docs/login-github.md"),
        include_str!("../../../docs/login-gitea.md"),
        include_str!("../../../docs/login-oidc.md"),
        include_str!("../../../docs/login-proxy.md"),
    ];
    let mut found = 0;
    for page in pages {
        for block in page.split("    # settings.yaml\n").skip(1) {
            let lines = block.lines().map_while(|line| line.strip_prefix("    "));
            let mut lines: Vec<&str> = lines.collect();
            if !lines.iter().any(|line| line.starts_with("auth_backend")) {
                lines.push("auth_backend: oidc");
            }
            lines.extend(COMMON);
            let settings = lines.join("\n");
            parse_settings("docs", &settings).unwrap_or_else(|wrong| panic!("{wrong}: {settings}"));
            found += 1;
        }
    }
    assert!(found >= 7, "{found}");
}
