use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use url::Url;

use crate::forge::{Fault, ForgeError};

use super::client::READS;
use super::link::{page_number, with_page_number};
use super::memory::Answer;
use super::reply::{Page, Reply};
use super::{Call, Http, Token};

/// Gives tokens for what a call needs.
#[async_trait]
pub(in crate::forge) trait Authority: Send + Sync {
    /// What a call needs.
    type Access: Send + Sync;

    /// A token for it.
    async fn token(&self, access: &Self::Access) -> Result<Token, ForgeError>;

    /// Notes that the forge did not take `token`. Returns whether another one is to be had.
    fn refused(&self, token: &Token) -> bool;
}

/// A forge's API with tokens.
#[derive(Debug)]
pub(in crate::forge) struct Api<Auth> {
    pub(in crate::forge) http: Arc<Http>,
    pub(in crate::forge) authority: Auth,
    /// What asks for as many as may be on one page of a list.
    pub(in crate::forge) page_size: &'static str,
}

/// Pages of one list; ten thousand repositories are a hundred.
const PAGES_MAX: u32 = 1000;

impl<Auth: Authority> Api<Auth> {
    /// Sends `call`, with a new token if the forge does not take the first.
    pub(in crate::forge) async fn send(
        &self,
        access: &Auth::Access,
        call: &Call,
    ) -> Result<Reply, ForgeError> {
        let token = self.authority.token(access).await?;
        self.send_with(token, access, call, None).await
    }

    /// Sends `call` and reads the answer.
    pub(in crate::forge) async fn read<T: DeserializeOwned>(
        &self,
        access: &Auth::Access,
        call: &Call,
    ) -> Result<T, ForgeError> {
        self.send(access, call).await?.json(call)
    }

    /// What `call` gives, asked for only if it changed since last time.
    pub(in crate::forge) async fn page<T: Serialize + DeserializeOwned>(
        &self,
        access: &Auth::Access,
        call: &Call,
    ) -> Result<Page<T>, ForgeError> {
        let token = self.authority.token(access).await?;
        let key = format!("{} {}", token.scope, call.url);
        let now = self.http.clock.now();
        let known = self.http.memory.answer(&key, now).and_then(|answer| {
            let page = remembered(&answer)?;
            Some((answer.etag, page))
        });
        let etag = known.as_ref().map(|(etag, _)| etag.as_str());
        let reply = self.send_with(token, access, call, etag).await?;
        if reply.status == reqwest::StatusCode::NOT_MODIFIED
            && let Some((_, page)) = known
        {
            return Ok(page);
        }
        let page: Page<T> = reply.page(call)?;
        let answer = reply.etag().and_then(|etag| {
            Some(Answer {
                etag: etag.to_owned(),
                content: serde_json::to_value(&page.content).ok()?,
                next: page.next.as_ref().map(Url::to_string),
                last: page.last.as_ref().map(Url::to_string),
                total: page.total,
                used: now,
            })
        });
        self.http.memory.remember(key, answer);
        Ok(page)
    }

    /// All pages of the list that `call` begins, in order.
    ///
    /// Where the forge tells how many there are, they are asked for at the same time. A page that
    /// is gone by then counts as empty.
    pub(in crate::forge) async fn list<T: Serialize + DeserializeOwned>(
        &self,
        access: &Auth::Access,
        call: &Call,
    ) -> Result<Vec<Page<T>>, ForgeError> {
        let first: Page<T> = self.page(access, call).await?;
        let last = first.last.as_ref().filter(|last| self.http.is_ours(last));
        let numbers = match last.and_then(|last| Some((last, page_number(last)?))) {
            Some((last, count)) if first.next.is_some() => (2..=count.min(PAGES_MAX))
                .map(|number| call.at(with_page_number(last, number)))
                .collect(),
            _ => Vec::new(),
        };
        let mut pages = vec![first];
        let others: Vec<Option<Page<T>>> = stream::iter(numbers)
            .map(|call| async move { self.later_page(access, &call).await })
            .buffered(READS)
            .try_collect()
            .await?;
        pages.extend(others.into_iter().flatten());
        self.follow(access, call, &mut pages).await?;
        Ok(pages)
    }

    /// Adds what the last of `pages` says comes next.
    async fn follow<T: Serialize + DeserializeOwned>(
        &self,
        access: &Auth::Access,
        call: &Call,
        pages: &mut Vec<Page<T>>,
    ) -> Result<(), ForgeError> {
        let mut seen = Vec::new();
        while let Some(next) = pages.last().and_then(|page| page.next.clone()) {
            let wrong = if !self.http.is_ours(&next) {
                Some("which is elsewhere")
            } else if seen.contains(&next) || pages.len() >= PAGES_MAX as usize {
                Some("without an end")
            } else {
                None
            };
            if let Some(wrong) = wrong {
                let reason = format!("`{}` goes on at `{next}`, {wrong}", call.url);
                return Err(ForgeError::new(Fault::Unavailable, &call.doing, reason));
            }
            let Some(page) = self.later_page(access, &call.at(next.clone())).await? else {
                return Ok(());
            };
            seen.push(next);
            pages.push(page);
        }
        Ok(())
    }

    async fn later_page<T: Serialize + DeserializeOwned>(
        &self,
        access: &Auth::Access,
        call: &Call,
    ) -> Result<Option<Page<T>>, ForgeError> {
        match self.page(access, call).await {
            Ok(page) => Ok(Some(page)),
            Err(error) if error.fault == Fault::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn send_with(
        &self,
        token: Token,
        access: &Auth::Access,
        call: &Call,
        etag: Option<&str>,
    ) -> Result<Reply, ForgeError> {
        let (answer, token) = match self.http.send(call, &token, etag).await {
            Err(error) if error.status == Some(401) && self.authority.refused(&token) => {
                let token = self.authority.token(access).await?;
                (self.http.send(call, &token, etag).await, token)
            }
            answer => (answer, token),
        };
        answer.map_err(|error| match (&error.fault, &token.advice) {
            (Fault::Auth | Fault::NotFound, Some(advice)) if error.hint.is_none() => {
                error.hint(advice)
            }
            _ => error,
        })
    }
}

fn remembered<T: DeserializeOwned>(answer: &Answer) -> Option<Page<T>> {
    let url = |text: &Option<String>| text.as_deref().and_then(|text| Url::parse(text).ok());
    Some(Page {
        content: T::deserialize(&answer.content).ok()?,
        next: url(&answer.next),
        last: url(&answer.last),
        total: answer.total,
    })
}
