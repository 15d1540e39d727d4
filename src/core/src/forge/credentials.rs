use crate::secret::Secret;

/// What git needs to fetch one repository over `https`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitCredentials {
    /// The only URL that they are for.
    pub url: String,
    /// Name of the user.
    pub user: String,
    /// Its password.
    pub password: Secret<String>,
    /// Until when they work, seconds since 1970; none if they do not expire.
    pub expires_at: Option<i64>,
    /// Whether the forge itself limits them to this repository and to reading.
    pub is_limited: bool,
}
