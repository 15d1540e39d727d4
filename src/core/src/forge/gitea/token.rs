use async_trait::async_trait;

use crate::forge::http::{Authority, Token};
use crate::forge::{Fault, ForgeError};
use crate::secret::{Secret, SecretFile, SecretPlaces};

/// The one token of the settings, read for each call, so that a changed file takes effect.
#[derive(Debug)]
pub(super) struct FixedToken {
    file: SecretFile,
    places: SecretPlaces,
}

impl FixedToken {
    pub(super) fn new(file: SecretFile, places: SecretPlaces) -> Self {
        Self { file, places }
    }

    fn header(&self) -> Result<Secret<String>, ForgeError> {
        let token = self
            .file
            .read(&self.places)
            .map_err(|error| ForgeError::new(Fault::Auth, "talk to Gitea", error.to_string()))?;
        Ok(Secret::new(format!("token {}", token.expose())))
    }
}

#[async_trait]
impl Authority for FixedToken {
    type Access = ();

    async fn token(&self, (): &()) -> Result<Token, ForgeError> {
        Ok(Token {
            scope: "token".to_owned(),
            header: Some(self.header()?),
            advice: Some(
                "the token in `gitea.token_file` needs the scopes `write:repository` and \
                 `write:user`, and `read:organization` for members of organisations"
                    .to_owned(),
            ),
        })
    }

    fn refused(&self, token: &Token) -> bool {
        self.header()
            .is_ok_and(|header| Some(header) != token.header)
    }
}

/// What a request without a token is made with.
pub(super) fn stranger() -> Token {
    Token {
        scope: "stranger".to_owned(),
        header: None,
        advice: None,
    }
}
