use std::collections::BTreeSet;

use super::{Notice, Project, ProjectId, ProjectName};

/// A project with the names it has in a plan, none of which another one has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified<'projects> {
    /// As its source describes it.
    pub project: &'projects Project,
    /// Prefix of its builders.
    pub name: ProjectName,
    /// Prefix of its schedulers and folders.
    pub id: ProjectId,
    /// Name of its Buildbot project object.
    pub buildbot_name: String,
}

/// Characters of `projects.slug` in Buildbot's database, which it fills with the name.
const BUILDBOT_NAME_LENGTH_MAX: usize = 50;
/// Hexadecimal digits that tell two projects apart, as long as they do.
const DIGITS: std::ops::RangeInclusive<usize> = 6..=16;

/// Gives every project names of its own, in the order of their names.
///
/// Buildbot refuses a whole configuration for one name that occurs twice. So the first of several
/// projects that want one name has it, and the others get a suffix that depends on nothing but
/// their own identity. Those that an admin has named come first, since nothing new turns up among
/// them by itself; then those of forges, as they were found: a project does not get another name
/// because somebody makes a repository. What Buildbot cannot take at all is left out. Both are told in the notices.
pub fn identify(projects: &[Project]) -> (Vec<Identified<'_>>, Vec<Notice>) {
    let mut notices = Vec::new();
    let mut valid: Vec<(&Project, ProjectName)> = Vec::new();
    for project in projects {
        match ProjectName::new(&project.name) {
            Ok(name) => valid.push((project, name)),
            Err(error) => notices.push(Notice {
                about: project.identity.clone(),
                text: format!(
                    "left out: `{}` cannot be a project's name: {error}",
                    project.name.escape_debug()
                ),
            }),
        }
    }
    valid.sort_by_key(|(project, name)| {
        let forge = project.forge.as_ref();
        let found = forge.map(|repository| (repository.named_at, repository.forge));
        (found, name.clone(), project.identity.clone())
    });
    let identities: Vec<&str> = valid
        .iter()
        .map(|(project, _)| project.identity.as_str())
        .collect();
    let names = make_unique(valid.iter().map(|(_, name)| name.to_string()), &identities);
    let ids = make_unique(names.iter().map(|name| natural_id(name)), &identities);
    let buildbot_names = make_unique(names.iter().map(|name| shortened(name)), &identities);

    let mut identified = Vec::new();
    for ((((project, _), name), id), buildbot_name) in
        valid.into_iter().zip(names).zip(ids).zip(buildbot_names)
    {
        notices.extend(renaming(project, &name, &id));
        identified.push(Identified {
            project,
            name: ProjectName::unchecked(name),
            id: ProjectId(id),
            buildbot_name,
        });
    }
    identified.sort_by(|left, right| left.name.cmp(&right.name));
    notices.sort();
    (identified, notices)
}

/// Tells about a suffix, if there is one.
fn renaming(project: &Project, name: &str, id: &str) -> Option<Notice> {
    let text = if name != project.name {
        format!(
            "called `{name}`: another project is called `{}` too",
            project.name
        )
    } else if id != natural_id(name) {
        format!(
            "has the id `{id}` in names of schedulers: another project has `{}`",
            natural_id(name)
        )
    } else {
        return None;
    };
    Some(Notice {
        about: project.identity.clone(),
        text,
    })
}

/// The id of a project whose name collides with no other one: `.` and `/` become `-`.
///
/// Buildbot wants an identifier in names of force schedulers, so whatever else is no letter,
/// digit, `-` or `_` becomes `-` as well, and a leading digit gets company.
fn natural_id(name: &str) -> String {
    let allowed = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '-' | '_') || character >= '\u{a0}'
    };
    let id: String = name
        .chars()
        .map(|character| if allowed(character) { character } else { '-' })
        .collect();
    if id.starts_with(|first: char| first.is_ascii_digit()) {
        format!("_{id}")
    } else {
        id
    }
}

/// `name`, if Buildbot's database can hold it, else its start and its hash.
fn shortened(name: &str) -> String {
    if name.chars().count() <= BUILDBOT_NAME_LENGTH_MAX {
        return name.to_owned();
    }
    // Leaves room for the suffix of `make_unique`.
    let start: String = name.chars().take(24).collect();
    format!("{start}-{:06x}", fnv1a(name) >> 40)
}

/// The `wanted` names, made different: the first to want a name has it, whatever the others
/// become. `identities` are of the same length and different from each other.
fn make_unique(wanted: impl Iterator<Item = String>, identities: &[&str]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let first_come: Vec<(String, bool)> = wanted
        .map(|name| {
            let free = taken.insert(name.clone());
            (name, free)
        })
        .collect();
    first_come
        .into_iter()
        .zip(identities)
        .map(|((name, free), identity)| {
            if free {
                return name;
            }
            let unique = candidates(&name, identity).find(|other| !taken.contains(other));
            let unique = unique.unwrap_or(name);
            taken.insert(unique.clone());
            unique
        })
        .collect()
}

/// What a project called `name` may be called instead: without an end, so that no set of names,
/// however chosen, can exhaust it.
fn candidates(name: &str, identity: &str) -> impl Iterator<Item = String> {
    let hash = format!("{:016x}", fnv1a(identity));
    let hashed = {
        let (name, hash) = (name.to_owned(), hash.clone());
        DIGITS.map(move |digits| format!("{name}-{}", hash.get(..digits).unwrap_or(&hash)))
    };
    let name = name.to_owned();
    let counted = (2_u64..).map(move |count| format!("{name}-{hash}-{count}"));
    hashed.chain(counted)
}

/// The 64-bit hash FNV-1a: names must stay the same over releases and machines, which the
/// standard library does not promise for its hasher. It guards against nothing; collisions only
/// make a suffix longer.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::GitUrl;

    fn projects(names: &[&str]) -> Vec<Project> {
        let project = |(index, name): (usize, &&str)| Project {
            name: (*name).to_owned(),
            identity: format!("test:{index}:{name}"),
            url: GitUrl::new("https://host/repo").unwrap(),
            default_branch: "main".to_owned(),
            forge: None,
            polling: None,
            ssh_private_key_file: None,
            ssh_known_hosts_file: None,
            credentials_file: None,
            eval_netrc_file: None,
            eval_access_tokens_file: None,
            submodules: true,
            private_submodules: Vec::new(),
        };
        names.iter().enumerate().map(project).collect()
    }

    fn shown(names: &[&str]) -> String {
        let projects = projects(names);
        let (identified, notices) = identify(&projects);
        let rows = identified
            .iter()
            .map(|row| format!("{} | {} | {}", row.name, row.id, row.buildbot_name));
        let notices = notices
            .iter()
            .map(|notice| format!("{}: {}", notice.about, notice.text));
        rows.chain(notices).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn names_without_collision_are_those_of_the_predecessor() {
        insta::assert_snapshot!(shown(&["nix-community/build.bot", "b_c"]), @r#"
        b_c | b_c | b_c
        nix-community/build.bot | nix-community-build-bot | nix-community/build.bot
        "#);
    }

    #[test]
    fn the_first_of_colliding_projects_keeps_its_id() {
        insta::assert_snapshot!(shown(&["x.y", "a/b-c", "x-y", "a-b/c", "same", "same"]), @r#"
        a-b/c | a-b-c | a-b/c
        a/b-c | a-b-c-22e075 | a/b-c
        same | same | same
        same-a9a28f | same-a9a28f | same-a9a28f
        x-y | x-y | x-y
        x.y | x-y-e3b0dc | x.y
        test:0:x.y: has the id `x-y-e3b0dc` in names of schedulers: another project has `x-y`
        test:1:a/b-c: has the id `a-b-c-22e075` in names of schedulers: another project has `a-b-c`
        test:5:same: called `same-a9a28f`: another project is called `same` too
        "#);
    }

    /// `forge:name@found`, or the name of a project that is polled.
    fn found(words: &[&str]) -> String {
        let project = |word: &&str| {
            let Some((forge, rest)) = word.split_once(':') else {
                return projects(&[word]).remove(0);
            };
            let (name, named_at) = rest.split_once('@').unwrap_or((rest, ""));
            let repository = serde_json::json!({
                "forge": forge, "id": 1, "full_name": name, "owner_kind": "user", "html_url": "",
                "clone_url": "", "ssh_url": "", "default_branch": "main", "topics": [],
                "private": false, "installation": null, "named_at": named_at.parse::<i64>().ok(),
            });
            Project {
                identity: format!("{forge}:{name}"),
                forge: Some(serde_json::from_value(repository).unwrap()),
                ..projects(&[name]).remove(0)
            }
        };
        let projects: Vec<Project> = words.iter().map(project).collect();
        let (identified, _) = identify(&projects);
        let shown = identified
            .iter()
            .map(|row| format!("{} {}/{}", row.project.identity, row.name, row.id));
        shown.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn nothing_that_is_found_takes_the_name_of_what_is_there() {
        let words = [
            "gitea:a/b@1",
            "github:a/b@2",
            "gitea:a/x.y@1",
            "github:a/x-y@2",
        ];
        insta::assert_snapshot!(found(&words), @r"
        gitea:a/b a/b/a-b
        github:a/b a/b-dbbe12/a-b-dbbe12
        github:a/x-y a/x-y/a-x-y-955344
        gitea:a/x.y a/x.y/a-x-y
        ");
        // What an admin has named comes first.
        insta::assert_snapshot!(found(&["gitea:a/b@2", "github:a/b@1", "a/b"]), @r"
        test:0:a/b a/b/a-b
        gitea:a/b a/b-b57083/a-b-b57083
        github:a/b a/b-dbbe12/a-b-dbbe12
        ");
        // Of the same time, or of one that is not known.
        insta::assert_snapshot!(found(&["gitea:a/b", "github:a/b"]), @r"
        github:a/b a/b/a-b
        gitea:a/b a/b-b57083/a-b-b57083
        ");
    }

    #[test]
    fn names_that_buildbot_cannot_take_are_changed_or_left_out() {
        let long = "organisation/a-repository-with-a-very-long-name-indeed";
        insta::assert_snapshot!(shown(&["3proxy", "a b", "", "a\nb", "_x", long]), @r#"
        3proxy | _3proxy | 3proxy
        a b | a-b | a b
        organisation/a-repository-with-a-very-long-name-indeed | organisation-a-repository-with-a-very-long-name-indeed | organisation/a-repositor-e278cb
        test:2:: left out: `` cannot be a project's name: it is empty
        test:3:a
        b: left out: `a\nb` cannot be a project's name: it contains the control character '\n'
        test:4:_x: left out: `_x` cannot be a project's name: it starts with `_`, which Buildbot reserves
        "#);
    }

    proptest! {
        #[test]
        fn everything_is_unique_whatever_the_names(
            names in proptest::collection::vec("[ab./_ 0-9-]{0,4}|[a-b]{48,60}|\\PC{0,6}", 0..40),
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let projects = projects(&names);
            let (identified, notices) = identify(&projects);
            let count = |values: BTreeSet<&str>| values.len();
            prop_assert_eq!(count(identified.iter().map(|row| row.name.as_str()).collect()), identified.len());
            prop_assert_eq!(count(identified.iter().map(|row| row.id.as_str()).collect()), identified.len());
            prop_assert_eq!(count(identified.iter().map(|row| row.buildbot_name.as_str()).collect()), identified.len());
            prop_assert!(identified.iter().all(|row| row.buildbot_name.chars().count() <= 52));
            prop_assert!(identified.len() + notices.len() >= names.len());

            // The order in which sources name projects changes nothing.
            let mut reversed = projects.clone();
            reversed.reverse();
            prop_assert_eq!(identified, identify(&reversed).0);
        }
    }
}
