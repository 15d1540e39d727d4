use super::StatusRow;
use crate::forge::{Fault, Forge, ForgeError, Repository};

/// Tells `forge` what `row` says of the commit `sha`. `check_run` is the number of the check run
/// that it is already; with `as_check_run`, that of the one that it is now is returned.
pub async fn tell(
    forge: &dyn Forge,
    repository: &Repository,
    sha: &str,
    row: &StatusRow,
    check_run: Option<u64>,
    as_check_run: bool,
) -> Result<Option<u64>, ForgeError> {
    let told = tell_at(forge, repository, sha, row, check_run, as_check_run).await;
    match told {
        Err(error) if error.fault == Fault::NotFound => {
            // It may have another name since, or another owner.
            let now = forge.repository(repository).await;
            match now.ok().filter(|now| now.full_name != repository.full_name) {
                Some(now) => tell_at(forge, &now, sha, row, check_run, as_check_run).await,
                None => Err(error),
            }
        }
        told => told,
    }
}

async fn tell_at(
    forge: &dyn Forge,
    repository: &Repository,
    sha: &str,
    row: &StatusRow,
    check_run: Option<u64>,
    as_check_run: bool,
) -> Result<Option<u64>, ForgeError> {
    if !as_check_run {
        let status = row.as_status();
        forge.post_status(repository, sha, &status).await?;
        return Ok(None);
    }
    let run = row.as_check_run();
    if let Some(id) = check_run {
        forge.update_check_run(repository, id, &run).await?;
        return Ok(Some(id));
    }
    Ok(Some(forge.create_check_run(repository, sha, &run).await?))
}
