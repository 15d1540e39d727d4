use futures_util::{StreamExt as _, stream};

use crate::forge::http::{Call, Page};
use crate::forge::select::{Candidate, Item, Listed, Pass, in_order, note_odd, select, settled};
use crate::forge::{Discovery, Fault, ForgeError, ForgeKind, Part, Repository};
use crate::plan::Notice;

use super::Github;
use super::access::{Access, Needs};
use super::wire::{Installation, InstallationRepositories, WireRepository};

/// Installations that are asked at the same time; each takes several requests.
const INSTALLATIONS: usize = 8;

type Repositories = InstallationRepositories<Item<WireRepository>>;

impl Github {
    pub(super) async fn find_repositories(&self) -> Result<Discovery, ForgeError> {
        let mut discovery = Discovery::default();
        if !self.is_app() {
            let listed = self.of_user().await?;
            self.add(listed, Part::Everything, None, &mut discovery);
            return Ok(in_order(discovery));
        }
        let installations = self.installations().await?;
        if installations.is_empty() {
            discovery.notices.push(Notice {
                about: "github".to_owned(),
                text: "the GitHub App is installed nowhere: install it for the users and \
                       organisations whose repositories are to be built"
                    .to_owned(),
            });
        }
        let mut answers = stream::iter(installations)
            .map(|installation| async move {
                let listed = self.of_installation(&installation).await;
                (installation, listed)
            })
            .buffer_unordered(INSTALLATIONS);
        while let Some((installation, listed)) = answers.next().await {
            let part = Part::Installation(installation.id);
            match listed {
                Ok(listed) => self.add(listed, part, Some(installation.id), &mut discovery),
                Err(trouble) => {
                    if trouble.is_unanswered {
                        discovery.unanswered.push(part);
                    }
                    discovery.notices.push(Notice {
                        about: format!("github:{}", installation.name()),
                        text: trouble.text,
                    });
                }
            }
        }
        drop(answers);
        Ok(in_order(discovery))
    }

    /// Adds what was `listed` to `discovery`.
    fn add(
        &self,
        listed: Listed<WireRepository>,
        part: Part,
        installation: Option<u64>,
        discovery: &mut Discovery,
    ) {
        if !listed.is_complete {
            discovery.unanswered.push(part);
        }
        let mut candidates: Vec<Candidate> = Vec::new();
        for item in listed.items {
            match item {
                Item::Known(repository) => {
                    candidates.push(repository.into_candidate(installation));
                }
                Item::Odd(value) => note_odd(ForgeKind::Github, &value, discovery),
            }
        }
        select(candidates, &self.filters, discovery);
    }

    pub(super) async fn installations(&self) -> Result<Vec<Installation>, ForgeError> {
        let mut url = self.api.http.url(&["app", "installations"]);
        url.set_query(Some("per_page=100"));
        let call = Call::get("list the installations of the GitHub App", url);
        let pages: Vec<Page<Vec<Installation>>> = self.api.list(&Access::App, &call).await?;
        Ok(pages.into_iter().flat_map(|page| page.content).collect())
    }

    async fn of_installation(
        &self,
        installation: &Installation,
    ) -> Result<Listed<WireRepository>, Trouble> {
        if installation.suspended_at.is_some() {
            return Err(Trouble {
                text: "left out: the installation of the GitHub App is suspended".to_owned(),
                is_unanswered: false,
            });
        }
        let access = Access::Installation {
            id: installation.id,
            needs: Needs::METADATA,
        };
        let mut url = self.api.http.url(&["installation", "repositories"]);
        url.set_query(Some("per_page=100"));
        let call = Call::get(
            format!("list the repositories of `{}`", installation.name()),
            url,
        );
        let read = || async {
            let pages: Vec<Page<Repositories>> = self.api.list(&access, &call).await?;
            Ok(Pass {
                totals: pages.iter().map(|page| page.content.total_count).collect(),
                items: pages
                    .into_iter()
                    .flat_map(|page| page.content.repositories)
                    .collect(),
            })
        };
        settled(read, |repository: &WireRepository| repository.id)
            .await
            .map_err(|error| Trouble {
                // Removed since the list of installations was read.
                is_unanswered: error.fault != Fault::NotFound,
                text: error.to_string(),
            })
    }

    async fn of_user(&self) -> Result<Listed<WireRepository>, ForgeError> {
        let mut url = self.api.http.url(&["user", "repos"]);
        url.set_query(Some("per_page=100"));
        let call = Call::get("list the repositories of the token's user", url);
        let access = Access::App;
        let read = || async {
            let pages: Vec<Page<Vec<Item<WireRepository>>>> = self.api.list(&access, &call).await?;
            Ok(Pass {
                totals: Vec::new(),
                items: pages.into_iter().flat_map(|page| page.content).collect(),
            })
        };
        settled(read, |repository: &WireRepository| repository.id).await
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
        let access = Access::repository(repository, Needs::METADATA);
        let found: WireRepository = self.api.read(&access, &call).await?;
        Ok(found.into_repository(repository.installation))
    }
}

/// Why an installation gave no repositories.
struct Trouble {
    text: String,
    /// Whether it might have given some.
    is_unanswered: bool,
}
