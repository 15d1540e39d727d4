use crate::secret::{SecretFile, SecretUrl};

use super::access::{access, check_forges};
use super::caches::caches;
use super::isolation::isolation;
use super::limits::{limits, of_projects};
use super::node::{Value, parse};
use super::post_build::post_build;
use super::pull_requests::pull_requests;
use super::read_forges::{gitea, github};
use super::read_pull_based::pull_based;
use super::retention::retention;
use super::retries::retries;
use super::statuses::statuses;
use super::table::{Collector, Read, Reported, Table};
use super::{
    BranchRule, DatabaseUrl, Endpoint, Engine, EvalLimits, EvaluationSettings, Problem, Problems,
    Settings, value,
};

/// Reads the text of the settings file named `file`.
pub fn parse_settings(file: &str, text: &str) -> Result<Settings, Problems> {
    let collector = Collector::default();
    let settings = parse_into(&collector, text);
    let problems = collector.into_problems();
    match settings {
        Ok(settings) if problems.is_empty() => Ok(settings),
        _ => Err(Problems::new(file, problems)),
    }
}

/// The same with a collector of one's own.
pub(super) fn parse_into(collector: &Collector, text: &str) -> Read<Settings> {
    let (root, problems) = parse(text);
    let syntax_error = root.is_none() && !problems.is_empty();
    for problem in problems {
        collector.add(problem);
    }
    match root {
        Some(root) if root.value != Value::Null => {
            Table::new(String::new(), &root, collector).and_then(|table| settings(&table))
        }
        _ if syntax_error => Err(Reported),
        _ => {
            let hint = "`buildbot-nix init` writes one to start from";
            collector.add(Problem::of_file("", "the file holds no settings").hint(hint));
            Err(Reported)
        }
    }
}

/// Reads every key, so that every problem is found, and only then gives up on missing ones.
fn settings(table: &Table) -> Read<Settings> {
    let url = table.required("url", value::web_url);
    let webhook_base_url = table.perhaps("webhook_base_url", value::web_url);
    let title = table.optional("title", value::text, "buildbot-nix".to_owned());
    let database = database(table);
    let build_systems = table.required("build_systems", value::systems);
    let port = table.optional("port", value::endpoint, Endpoint::tcp(8010));
    let worker_port = table.optional("worker_port", value::endpoint, Endpoint::tcp(9989));
    let nix_workers_secret_file = secret_file(table, "nix_workers_secret_file");
    let local_workers = table.optional("local_workers", value::count(0, WORKERS_MAX, ""), 0);
    let gcroots_user = table.optional("gcroots_user", value::user, "buildbot-worker".to_owned());
    let gcroots = table.optional("gcroots", value::boolean, true);
    let evaluation = evaluation(table);
    let show_trace_on_failure = table.optional("show_trace_on_failure", value::boolean, false);
    let build_timeout = table.optional("build_timeout", value::seconds, 10_800);
    let build_max_silent_time = table.optional("build_max_silent_time", value::seconds, 1200);
    let build_log_limit = table.optional("build_log_limit", value::count(1, 1 << 20, "MiB"), 64);
    let retries = retries(table);
    let post_build = post_build(table);
    let caches = caches(table);
    let outputs_path = table.perhaps("outputs_path", value::absolute_path);
    let cache_failed_builds = table.optional("cache_failed_builds", value::boolean, false);
    let statuses = statuses(table);
    let retention = retention(table);
    let allow_unauthenticated_control =
        table.optional("allow_unauthenticated_control", value::boolean, false);
    let access = access(table);
    let branches = branches(table);
    let github = github(table);
    let gitea = gitea(table);
    let pull_requests = pull_requests(table);
    check_forges(table, &access, &github, &gitea);
    let pull_based = pull_based(table);
    if let (Ok(None), Ok(0)) = (&nix_workers_secret_file, local_workers) {
        table.problem(
            "nix_workers_secret_file",
            "there is no worker: expected this key, or `local_workers` above 0",
        );
    }
    table.finish();
    let url = url?;
    Ok(Settings {
        webhook_base_url: webhook_base_url?.unwrap_or_else(|| url.clone()),
        url,
        title: title?,
        database: database?,
        build_systems: build_systems?,
        port: port?,
        worker_port: worker_port?,
        nix_workers_secret_file: nix_workers_secret_file?,
        local_workers: local_workers?,
        gcroots_user: gcroots_user?,
        gcroots: gcroots?,
        evaluation: evaluation?,
        show_trace_on_failure: show_trace_on_failure?,
        build_timeout: build_timeout?,
        build_max_silent_time: build_max_silent_time?,
        build_log_limit: build_log_limit?,
        retries: retries?,
        post_build: post_build?,
        caches: caches?,
        outputs_path: outputs_path?.map(Into::into),
        cache_failed_builds: cache_failed_builds?,
        statuses: statuses?,
        retention: retention?,
        allow_unauthenticated_control: allow_unauthenticated_control?,
        access: access?,
        branches: branches?,
        github: github?,
        gitea: gitea?,
        pull_requests: pull_requests?,
        pull_based: pull_based?,
    })
}

/// Worker names have three digits.
pub(super) const WORKERS_MAX: u32 = 1000;

fn evaluation(table: &Table) -> Read<EvaluationSettings> {
    let engine = table.optional("eval_engine", value::engine, Engine::Auto);
    let isolation = isolation(table);
    let limits = limits(table, &EvalLimits::default());
    let project_limits = of_projects(table, limits);
    let concurrent = table.optional(
        "concurrent_evaluations",
        value::count(1, WORKERS_MAX, ""),
        2,
    );
    Ok(EvaluationSettings {
        engine: engine?,
        isolation: isolation?,
        limits: limits?,
        project_limits: project_limits?,
        concurrent: concurrent?,
    })
}

fn database(table: &Table) -> Read<DatabaseUrl> {
    let url = table.perhaps("db_url", value::database_url);
    let file = secret_file(table, "db_url_file");
    match (url?, file?) {
        (Some(_), Some(_)) => {
            table.problem(
                "db_url_file",
                "expected either this key or `db_url`, found both",
            );
            Err(Reported)
        }
        (Some(url), None) => Ok(DatabaseUrl::Inline(url)),
        (None, Some(file)) => Ok(DatabaseUrl::File(file)),
        (None, None) => Ok(DatabaseUrl::Inline(SecretUrl::new(
            "sqlite:///state.sqlite",
        ))),
    }
}

/// The file reference below `key`, which remembers the key.
pub(super) fn secret_file(table: &Table, key: &'static str) -> Read<Option<SecretFile>> {
    let reference = table.perhaps(key, value::file_reference)?;
    Ok(reference.map(|reference| SecretFile::new(table.path_of(key), reference)))
}

fn branches(table: &Table) -> Read<Vec<BranchRule>> {
    let mut rules = table.tables("branches", |name, rule| {
        let glob = rule.required("matchGlob", value::glob);
        let register_gc_roots = rule.optional("registerGCRoots", value::boolean, true);
        let eval_credentials = rule.optional("evalCredentials", value::boolean, false);
        let update_outputs = rule.optional("updateOutputs", value::boolean, false);
        rule.finish();
        Ok(BranchRule {
            name: name.to_owned(),
            glob: glob?,
            register_gc_roots: register_gc_roots?,
            update_outputs: update_outputs?,
            eval_credentials: eval_credentials?,
        })
    })?;
    // The order of the file means nothing: all matching rules count.
    rules.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(rules)
}
