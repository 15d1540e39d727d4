use super::component::{component, digits};

/// Folder below which each user of the machine keeps gc roots.
const USERS: &str = "/nix/var/nix/gcroots/per-user";
/// Stands before an output and a branch, see the text of the module.
pub(super) const MARK: char = '^';
/// How names of what is being made begin.
pub(super) const BEING_MADE: &str = "^^";
/// Longest name of an output in a link.
const OUTPUT_MAX: usize = 50;

/// Where results of all projects are kept.
pub fn users_folder(user: &str) -> String {
    format!("{USERS}/{user}")
}

/// Where the results of a project's default branch are kept.
pub fn project_folder(user: &str, project: &str) -> String {
    format!("{}/{project}", users_folder(user))
}

/// Where those of another branch are, in the folder of the project.
pub fn branch_folder(project_folder: &str, branch: &str) -> String {
    format!("{project_folder}/{MARK}{}", component(branch))
}

/// The name of the link to an output of the attribute with the link `attribute`.
pub(super) fn output_link(attribute: &str, output: &str) -> String {
    if output == "out" {
        return attribute.to_owned();
    }
    let mut name = component(output);
    if name.len() > OUTPUT_MAX {
        // No component ends so.
        name = format!("%={}", digits(output.as_bytes()));
    }
    format!("{attribute}{MARK}{name}")
}

/// The attribute's part of a link.
pub(super) fn attribute_of(link: &str) -> &str {
    link.split_once(MARK)
        .map_or(link, |(attribute, _)| attribute)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("x86_64-linux.a", "out", "x86_64-linux.a")]
    #[case("x86_64-linux.a", "dev", "x86_64-linux.a^dev")]
    #[case("x86_64-linux.a-dev", "out", "x86_64-linux.a-dev")]
    #[case("a^dev", "out", "a%5Edev")]
    #[case("a", "../b", "a^..%2Fb")]
    fn links_are_told_apart(#[case] attr: &str, #[case] output: &str, #[case] link: &str) {
        assert_eq!(output_link(&component(attr), output), link);
    }

    #[test]
    fn the_default_branch_is_where_it_always_was() {
        let folder = project_folder("ci", "o/r");
        assert_eq!(folder, "/nix/var/nix/gcroots/per-user/ci/o/r");
        let folder = branch_folder(&folder, "release/1.0");
        assert_eq!(
            folder,
            "/nix/var/nix/gcroots/per-user/ci/o/r/^release%2F1.0"
        );
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof!["[a-c.^%-]{1,4}", "\\PC{1,3}", "(a|b){240,300}"]
    }

    proptest! {
        #[test]
        fn no_two_outputs_share_a_link(one in (name(), name()), two in (name(), name())) {
            let link = |(attr, output): &(String, String)| output_link(&component(attr), output);
            let is_same = one == two;
            prop_assert_eq!(is_same, link(&one) == link(&two));
            let branch = branch_folder("", &two.0);
            prop_assert_ne!(branch.trim_start_matches('/'), link(&one));
        }

        #[test]
        fn a_link_is_one_short_component(attr in name(), output in name()) {
            let link = output_link(&component(&attr), &output);
            prop_assert!(link.len() <= 255 && !link.contains('/') && link != "." && link != "..");
            prop_assert!(!link.starts_with(MARK));
            prop_assert_eq!(attribute_of(&link), component(&attr));
        }
    }
}
