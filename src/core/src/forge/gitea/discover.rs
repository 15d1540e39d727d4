use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};

use crate::forge::http::{Call, Page};
use crate::forge::select::{Candidate, Item, Pass, in_order, note_odd, select, settled};
use crate::forge::{Discovery, Fault, ForgeError, ForgeKind, OwnerKind, Part, Repository};
use crate::plan::Notice;

use super::Gitea;
use super::wire::{Organization, Topics, WireRepository};

/// What instances give at most, unless their admin says otherwise.
const PAGE: &str = "limit=50";
/// Repositories whose topics are asked for at the same time.
const TOPICS: usize = 32;

impl Gitea {
    pub(super) async fn find_repositories(&self) -> Result<Discovery, ForgeError> {
        let mut url = self.api.http.url(&["user", "repos"]);
        url.set_query(Some(PAGE));
        let call = Call::get("list the repositories of the token's user", url);
        let read = || async {
            let pages: Vec<Page<Vec<Item<WireRepository>>>> = self.api.list(&(), &call).await?;
            Ok(Pass {
                totals: pages.iter().filter_map(|page| page.total).collect(),
                items: pages.into_iter().flat_map(|page| page.content).collect(),
            })
        };
        let listed = settled(read, |repository: &WireRepository| repository.id).await?;
        let mut discovery = Discovery::default();
        if !listed.is_complete {
            discovery.unanswered.push(Part::Everything);
        }
        let mut wires = Vec::new();
        for item in listed.items {
            match item {
                Item::Known(wire) => wires.push(wire),
                Item::Odd(value) => note_odd(ForgeKind::Gitea, &value, &mut discovery),
            }
        }
        let organizations = self.organizations(&mut discovery).await;
        let mut candidates = stream::iter(wires)
            .map(|wire| self.with_topics(wire))
            .buffer_unordered(TOPICS);
        let mut found: Vec<Candidate> = Vec::new();
        while let Some(wire) = candidates.next().await {
            match wire {
                Ok(wire) => {
                    let owner = wire.full_name.owner();
                    let kind = if organizations.contains(&owner.to_lowercase()) {
                        OwnerKind::Organization
                    } else {
                        OwnerKind::User
                    };
                    found.push(wire.into_candidate(kind));
                }
                Err(Unknown { id, notice }) => {
                    discovery.unanswered.push(Part::Repository(id));
                    discovery.notices.push(notice);
                }
            }
        }
        drop(candidates);
        select(found, &self.filters, &mut discovery);
        Ok(in_order(discovery))
    }

    /// `wire` with its topics, if they matter and the list did not have them.
    async fn with_topics(&self, wire: WireRepository) -> Result<WireRepository, Unknown> {
        let name = &wire.full_name;
        let is_clear = wire.topics.is_some()
            || self.filters.topic.is_none()
            || !self.filters.allows(name.as_str());
        if is_clear {
            return Ok(wire);
        }
        let url = self
            .api
            .http
            .url(&["repos", name.owner(), name.name(), "topics"]);
        let call = Call::get(format!("read the topics of `{name}`"), url);
        match self.api.page::<Topics>(&(), &call).await {
            Ok(page) => Ok(WireRepository {
                topics: Some(page.content.topics.unwrap_or_default()),
                ..wire
            }),
            // Gone since the list was read.
            Err(error) if error.fault == Fault::NotFound => Ok(wire),
            Err(error) => Err(Unknown {
                id: wire.id,
                notice: Notice {
                    about: format!("gitea:{name}"),
                    text: error.to_string(),
                },
            }),
        }
    }

    /// Names of the organisations of the token's user, in lower case: repositories do not say
    /// whether their owner is one. Without an answer, all owners count as persons.
    async fn organizations(&self, discovery: &mut Discovery) -> BTreeSet<String> {
        let mut url = self.api.http.url(&["user", "orgs"]);
        url.set_query(Some(PAGE));
        let call = Call::get("list the organisations of the token's user", url);
        match self.api.list::<Vec<Organization>>(&(), &call).await {
            Ok(pages) => pages
                .into_iter()
                .flat_map(|page| page.content)
                .map(|organization| organization.into_name().to_lowercase())
                .collect(),
            Err(error) => {
                discovery.notices.push(Notice {
                    about: "gitea".to_owned(),
                    text: format!(
                        "members of organisations count as strangers, because of this: {error}"
                    ),
                });
                BTreeSet::new()
            }
        }
    }

    pub(super) async fn find_again(
        &self,
        repository: &Repository,
    ) -> Result<Repository, ForgeError> {
        let url = self
            .api
            .http
            .url(&["repositories", &repository.id.to_string()]);
        let call = Call::get(format!("look up `{repository}`"), url);
        let found: WireRepository = self.api.read(&(), &call).await?;
        let topics = found.topics.clone();
        let found = found.into_repository(repository.owner_kind);
        Ok(match topics {
            Some(_) => found,
            None => Repository {
                topics: repository.topics.clone(),
                ..found
            },
        })
    }
}

/// A repository about which too little is known to tell whether it is asked for.
struct Unknown {
    id: u64,
    notice: Notice,
}
