use globset::{GlobBuilder, GlobMatcher};

use super::node::{Node, Value};
use super::table::{Read, Table};
use super::value::{self, Mismatch, Parsed};

/// Which of a forge's repositories are built. Case does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepositoryFilters {
    /// A topic that they must have.
    pub topic: Option<String>,
    /// Owners whose repositories are built.
    pub users: Option<Vec<NameGlob>>,
    /// Repositories that are built.
    pub repositories: Option<Vec<NameGlob>>,
}

impl RepositoryFilters {
    /// Whether the repository `full_name` with `topics` is asked for.
    ///
    /// Lists that are not given allow everything; of those that are, one has to name it.
    pub fn wants(&self, full_name: &str, topics: &[String]) -> bool {
        let has_topic = self.topic.as_ref().is_none_or(|wanted| {
            topics
                .iter()
                .any(|topic| topic.eq_ignore_ascii_case(wanted))
        });
        has_topic && self.allows(full_name)
    }

    /// Whether the lists allow the repository `full_name`, whatever its topics are.
    pub fn allows(&self, full_name: &str) -> bool {
        let owner = full_name.split('/').next().unwrap_or_default();
        let names = |list: &Option<Vec<NameGlob>>, name: &str| {
            list.iter().flatten().any(|glob| glob.matches(name))
        };
        (self.users.is_none() && self.repositories.is_none())
            || names(&self.users, owner)
            || names(&self.repositories, full_name)
    }
}

/// A pattern of names of users or repositories: `*` stands for any text without `/`, `?` for one
/// character.
#[derive(Debug, Clone)]
pub struct NameGlob {
    text: String,
    matcher: GlobMatcher,
}

impl NameGlob {
    fn new(text: &str) -> Result<Self, globset::Error> {
        let glob = GlobBuilder::new(text)
            .case_insensitive(true)
            .literal_separator(true)
            .backslash_escape(false)
            .build()?;
        Ok(Self {
            text: text.to_owned(),
            matcher: glob.compile_matcher(),
        })
    }

    /// Whether `name` is one of them.
    pub fn matches(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }

    /// As in the settings.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for NameGlob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for NameGlob {}

pub(super) fn filters(table: &Table) -> Read<RepositoryFilters> {
    let Some(table) = table.table("filters")? else {
        return Ok(RepositoryFilters::default());
    };
    let topic = table.perhaps("topic", value::text);
    let users = table.perhaps("user_allowlist", |value| globs(value, Names::Users));
    let repositories = table.perhaps("repo_allowlist", |value| globs(value, Names::Repositories));
    table.finish();
    Ok(RepositoryFilters {
        topic: topic?,
        users: users?,
        repositories: repositories?,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Users,
    Repositories,
}

fn globs(value: &Value, names: Names) -> Parsed<Vec<NameGlob>> {
    let mismatch = Mismatch::expected(match names {
        Names::Users => "a list of users and organisations such as `[team, eve-*]`",
        Names::Repositories => "a list of repositories such as `[team/site, eve/*]`",
    });
    let Value::List(items) = value else {
        return Err(mismatch);
    };
    let glob = |item: &Node| {
        let wrong = |hint: String| {
            let found = format!("{} on line {}", value::describe(&item.value), item.line);
            mismatch.clone().found(found).hint(hint)
        };
        let text = value::text(&item.value).map_err(|error| Mismatch {
            hint: error.hint,
            ..wrong(String::new())
        })?;
        match (text.contains('/'), names) {
            (true, Names::Users) => {
                return Err(wrong("repositories go into `repo_allowlist`".to_owned()));
            }
            (false, Names::Repositories) => {
                return Err(wrong(format!("write `<owner>/{text}`, or `{text}/*`")));
            }
            _ => {}
        }
        NameGlob::new(&text).map_err(|error| wrong(error.kind().to_string()))
    };
    items.iter().map(glob).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<NameGlob> {
        names
            .iter()
            .map(|name| NameGlob::new(name).unwrap())
            .collect()
    }

    #[rstest::rstest]
    #[case::everything(None, None, None, true)]
    #[case::topic(Some("Build-With-Buildbot"), None, None, true)]
    #[case::other_topic(Some("nix"), None, None, false)]
    #[case::user(None, Some(list(&["TEAM"])), None, true)]
    #[case::part_of_a_user(None, Some(list(&["tea"])), None, false)]
    #[case::user_glob(None, Some(list(&["t*"])), None, true)]
    #[case::repository(None, None, Some(list(&["team/SITE"])), true)]
    #[case::one_of_both(None, Some(list(&["other"])), Some(list(&["*/site"])), true)]
    #[case::neither(None, Some(list(&["other"])), Some(list(&["team/other"])), false)]
    #[case::no_slash_in_a_star(None, None, Some(list(&["*"])), false)]
    #[case::empty_lists(None, Some(list(&[])), Some(list(&[])), false)]
    #[case::both_are_needed(Some("nix"), Some(list(&["team"])), None, false)]
    fn filters_choose(
        #[case] topic: Option<&str>,
        #[case] users: Option<Vec<NameGlob>>,
        #[case] repositories: Option<Vec<NameGlob>>,
        #[case] wanted: bool,
    ) {
        let filters = RepositoryFilters {
            topic: topic.map(str::to_owned),
            users,
            repositories,
        };
        let topics = ["build-with-buildbot".to_owned()];
        assert_eq!(filters.wants("Team/Site", &topics), wanted);
    }
}
