use reqwest::Method;
use serde_json::Value;
use url::Url;

/// One request, without what authorises it.
#[derive(Debug, Clone)]
pub(in crate::forge) struct Call {
    /// Completes "cannot …".
    pub(super) doing: String,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Option<Value>,
    /// Whether doing it twice does what doing it once does.
    pub(super) is_repeatable: bool,
}

impl Call {
    pub(in crate::forge) fn get(doing: impl Into<String>, url: Url) -> Self {
        Self::new(Method::GET, doing.into(), url, None, true)
    }

    /// Makes something: not repeated once the forge may have got it.
    pub(in crate::forge) fn create(doing: impl Into<String>, url: Url, body: Value) -> Self {
        Self::new(Method::POST, doing.into(), url, Some(body), false)
    }

    /// Posts what replaces the one before.
    pub(in crate::forge) fn replace(doing: impl Into<String>, url: Url, body: Value) -> Self {
        Self::new(Method::POST, doing.into(), url, Some(body), true)
    }

    pub(in crate::forge) fn patch(doing: impl Into<String>, url: Url, body: Value) -> Self {
        Self::new(Method::PATCH, doing.into(), url, Some(body), true)
    }

    pub(in crate::forge) fn delete(doing: impl Into<String>, url: Url) -> Self {
        Self::new(Method::DELETE, doing.into(), url, None, true)
    }

    fn new(method: Method, doing: String, url: Url, body: Option<Value>, repeatable: bool) -> Self {
        Self {
            doing,
            method,
            url,
            body,
            is_repeatable: repeatable,
        }
    }

    pub(super) fn at(&self, url: Url) -> Self {
        Self {
            url,
            ..self.clone()
        }
    }

    pub(super) fn changes_something(&self) -> bool {
        self.method != Method::GET
    }
}
