use super::read::secret_file;
use super::table::{Read, Table};
use super::{PolledRepository, PullBased, value};
use crate::secret::SecretFile;

/// What a repository inherits when it does not say it.
struct Defaults {
    poll_interval: u32,
    poll_spread: u32,
    ssh_private_key_file: Option<SecretFile>,
    ssh_known_hosts_file: Option<SecretFile>,
}

pub(super) fn pull_based(table: &Table) -> Read<PullBased> {
    let Some(table) = table.table("pull_based")? else {
        return Ok(PullBased::default());
    };
    let poll_interval = table.optional("poll_interval", value::seconds, 60);
    let poll_spread = table.optional("poll_spread", value::count(0, u32::MAX, "seconds"), 0);
    let ssh_private_key_file = secret_file(&table, "ssh_private_key_file");
    let ssh_known_hosts_file = secret_file(&table, "ssh_known_hosts_file");
    if let (Ok(interval), Ok(spread)) = (poll_interval, poll_spread)
        && spread >= interval
    {
        table.problem("poll_spread", too_much_spread(spread, interval));
    }
    // A wrong default is one problem: the repositories are read with a stand-in for it.
    let defaults = Defaults {
        poll_interval: poll_interval.unwrap_or(u32::MAX),
        poll_spread: poll_spread.unwrap_or(0),
        ssh_private_key_file: ssh_private_key_file.clone().unwrap_or_default(),
        ssh_known_hosts_file: ssh_known_hosts_file.clone().unwrap_or_default(),
    };
    let repositories = table.tables("repositories", |key, entry| {
        Ok((key.to_owned(), repository(key, entry, &defaults)?))
    });
    table.finish();
    poll_interval?;
    ssh_private_key_file?;
    ssh_known_hosts_file?;
    Ok(PullBased {
        poll_spread: poll_spread?,
        repositories: repositories?.into_iter().collect(),
    })
}

fn repository(key: &str, table: &Table, defaults: &Defaults) -> Read<PolledRepository> {
    let name = table.optional("name", value::text, key.to_owned());
    let url = table.required("url", value::git_url);
    let default_branch = table.required("default_branch", value::branch);
    let poll_interval = table.perhaps("poll_interval", value::seconds);
    let ssh_private_key_file = secret_file(table, "ssh_private_key_file");
    let ssh_known_hosts_file = secret_file(table, "ssh_known_hosts_file");
    let credentials_file = secret_file(table, "credentials_file");
    let eval_netrc_file = secret_file(table, "eval_netrc_file");
    let eval_access_tokens_file = secret_file(table, "eval_access_tokens_file");
    let build_on_first_poll = table.optional("build_on_first_poll", value::boolean, true);
    let submodules = table.optional("submodules", value::boolean, true);
    if let Ok(Some(interval)) = poll_interval
        && defaults.poll_spread >= interval
    {
        table.problem(
            "poll_interval",
            too_much_spread(defaults.poll_spread, interval),
        );
    }
    if let (Ok(Some(_)), Ok(url)) = (&credentials_file, &url)
        && !url.scheme().starts_with("http")
    {
        let message = "expected `url` to be an `https` URL, the only kind that uses this key";
        table.problem("credentials_file", message);
    }
    table.finish();
    Ok(PolledRepository {
        name: name?,
        url: url?,
        default_branch: default_branch?,
        poll_interval: poll_interval?.unwrap_or(defaults.poll_interval),
        ssh_private_key_file: ssh_private_key_file?
            .or_else(|| defaults.ssh_private_key_file.clone()),
        ssh_known_hosts_file: ssh_known_hosts_file?
            .or_else(|| defaults.ssh_known_hosts_file.clone()),
        credentials_file: credentials_file?,
        eval_netrc_file: eval_netrc_file?,
        eval_access_tokens_file: eval_access_tokens_file?,
        build_on_first_poll: build_on_first_poll?,
        submodules: submodules?,
    })
}

/// Buildbot refuses the whole configuration otherwise.
fn too_much_spread(spread: u32, interval: u32) -> String {
    format!("expected `poll_spread` to be less than `poll_interval`, found {spread} and {interval}")
}
