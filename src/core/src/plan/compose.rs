use std::collections::BTreeMap;

use crate::auth::Policy;
use crate::config::{DatabaseUrl, EvaluationSettings, GitUrl, Settings, WorkerEntry};
use crate::error::Error;
use crate::forge::{FullName, Repository};
use crate::secret::SecretFile;

use super::publish::post_build_secrets;
use super::{
    AccessPlan, BranchPolicy, BuilderKind, BuilderPlan, BuildingPlan, CachePlan, CancelFilter,
    Database, EvalSecrets, EvaluationPlan, GcRootsPlan, GitSecrets, Identified, MasterPlan, Notice,
    PollerPlan, Polling, PrivateSubmodule, Project, ProjectPlan, SchedulerKind, SchedulerPlan,
    SecretPart, SecretPlan, SecretSource, ServicePlan, UploaderPlan, WorkerPlan, identify,
};

/// Buildbot's web interface shows "Buildbot" instead of anything longer.
const TITLE_LENGTH_MAX: usize = 18;

/// Computes what the master sets up.
pub fn master_plan(
    settings: &Settings,
    projects: &[Project],
    workers: &[WorkerEntry],
) -> MasterPlan {
    let (identified, mut notices) = identify(projects);
    notices.extend(settings_notices(settings, &identified));
    let workers = worker_plans(settings, workers);
    let mut secrets = BTreeMap::new();
    let projects: Vec<ProjectPlan> = identified
        .iter()
        .map(|row| project_plan(row, &settings.evaluation, &mut secrets))
        .collect();
    let caches = settings.caches.iter();
    let caches = caches
        .map(|cache| CachePlan::of(cache, &mut secrets))
        .collect();
    post_build_secrets(&settings.post_build, &mut secrets);
    let pollers = identified
        .iter()
        .zip(&projects)
        .filter_map(|(row, project)| Some(poller_plan(row.project.polling?, project)));
    MasterPlan {
        title: settings.title.clone(),
        url: settings.url.clone(),
        database: match &settings.database {
            DatabaseUrl::Inline(url) => Database::Url(url.clone()),
            DatabaseUrl::File(file) => Database::UrlFile(file.clone()),
        },
        port: settings.port.as_str().to_owned(),
        worker_port: settings.worker_port.as_str().to_owned(),
        access: access_plan(settings),
        systems: settings.build_systems.clone(),
        evaluation: evaluation_plan(settings),
        building: BuildingPlan {
            timeout: settings.build_timeout,
            max_silent_time: settings.build_max_silent_time,
            log_limit_mib: settings.build_log_limit,
            retries: settings.retries,
            remember_failures: settings.cache_failed_builds,
            show_trace: settings.show_trace_on_failure,
        },
        post_build: settings.post_build.clone(),
        caches,
        uploaders: uploader_plans(settings, &workers),
        outputs_path: settings.outputs_path.clone(),
        statuses: settings.statuses.clone(),
        check_runs: settings.github.as_ref().is_some_and(|it| it.check_runs),
        retention: settings.retention.clone(),
        gc_roots: GcRootsPlan {
            enabled: settings.gcroots,
            user: settings.gcroots_user.clone(),
        },
        branch_rules: settings.branches.clone(),
        pull_requests: settings.pull_requests.clone(),
        workers,
        builders: projects.iter().flat_map(builder_plans).collect(),
        schedulers: projects.iter().flat_map(scheduler_plans).collect(),
        pollers: pollers.collect(),
        services: vec![canceller(&projects)],
        projects,
        secrets,
        notices,
    }
}

impl MasterPlan {
    /// The project called `name`.
    pub fn project(&self, name: &str) -> Result<&ProjectPlan, Error> {
        let mut projects = self.projects.iter();
        projects
            .find(|project| project.name.as_str() == name)
            .ok_or_else(|| Error::Config(format!("there is no project `{name}`")))
    }

    /// Whether logs must not show the secret called `name`. The name of a user may be a word like
    /// `git`; what is hidden is so wherever it stands, in the middle of other words too.
    pub fn hides_secret(&self, name: &str) -> bool {
        let secret = self.secrets.get(name);
        secret.is_none_or(|secret| secret.part != SecretPart::User)
    }

    /// What happens with the branches of `project`.
    pub fn branch_policy<'plan>(&'plan self, project: &'plan ProjectPlan) -> BranchPolicy<'plan> {
        let gc_roots = self.gc_roots.enabled;
        BranchPolicy::new(&project.default_branch, &self.branch_rules, gc_roots)
    }
}

fn settings_notices(settings: &Settings, projects: &[Identified]) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut notice = |about: &str, text: String| {
        notices.push(Notice {
            about: about.to_owned(),
            text,
        });
    };
    if settings.title.chars().count() > TITLE_LENGTH_MAX {
        let text =
            format!("longer than {TITLE_LENGTH_MAX} characters: Buildbot shows its own name");
        notice("title", text);
    }
    if projects.is_empty() {
        let text = "there is no repository: nothing will be built".to_owned();
        notice("pull_based.repositories", text);
    }
    for name in settings.evaluation.project_limits.keys() {
        if !projects.iter().any(|row| row.name.as_str() == name) {
            let text = format!("there is no project `{name}`: what is said of it is not used");
            notice("projects", text);
        }
    }
    notices
}

fn access_plan(settings: &Settings) -> AccessPlan {
    let access = &settings.access;
    AccessPlan {
        providers: access.providers.clone(),
        policy: Policy {
            admins: access.admins.clone(),
            members_by: access.members_by.clone(),
            authors_may_restart: access.authors_may_restart,
            hides_private: access.hide_private_repositories,
            is_open: settings.allow_unauthenticated_control,
        },
        session_lifetime: access.session_lifetime,
    }
}

fn evaluation_plan(settings: &Settings) -> EvaluationPlan {
    EvaluationPlan {
        engine: settings.evaluation.engine,
        concurrent: settings.evaluation.concurrent,
        isolation: settings.evaluation.isolation.clone(),
        show_trace: settings.show_trace_on_failure,
    }
}

fn worker_plans(settings: &Settings, entries: &[WorkerEntry]) -> Vec<WorkerPlan> {
    let remote = entries.iter().flat_map(|entry| {
        (0..entry.cores).map(|index| WorkerPlan {
            name: format!("{}-{index:03}", entry.name),
            machine: entry.name.clone(),
            local: false,
        })
    });
    let local = (0..settings.local_workers).map(|index| WorkerPlan {
        name: format!("local-{index}"),
        machine: "local".to_owned(),
        local: true,
    });
    remote.chain(local).collect()
}

/// One for each machine, if there is something to upload to.
fn uploader_plans(settings: &Settings, workers: &[WorkerPlan]) -> Vec<UploaderPlan> {
    if settings.caches.is_empty() {
        return Vec::new();
    }
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    for worker in workers {
        first.entry(&worker.machine).or_insert(&worker.name);
    }
    let plans = first.into_iter().map(|(machine, worker)| UploaderPlan {
        machine: machine.to_owned(),
        worker: worker.to_owned(),
        builder: format!("uploads/{machine}"),
        builddir: format!("_uploads-{machine}"),
        scheduler: format!("_uploads-{machine}"),
        force_scheduler: format!("_upload-now-{machine}"),
    });
    plans.collect()
}

fn project_plan(
    row: &Identified,
    evaluation: &EvaluationSettings,
    secrets: &mut BTreeMap<String, SecretPlan>,
) -> ProjectPlan {
    let own_limits = evaluation.project_limits.get(row.name.as_str());
    let project = row.project;
    ProjectPlan {
        name: row.name.clone(),
        id: row.id.clone(),
        buildbot_name: row.buildbot_name.clone(),
        url: project.url.clone(),
        default_branch: project.default_branch.clone(),
        ref_type: project.ref_type(),
        repository: project.repository(),
        forge: project.forge.clone(),
        git_secrets: git_secrets(project, secrets),
        private_submodules: private_submodules(project, secrets),
        eval_secrets: EvalSecrets {
            netrc: whole(project.eval_netrc_file.as_ref(), secrets),
            access_tokens: whole(project.eval_access_tokens_file.as_ref(), secrets),
        },
        submodules: project.submodules,
        limits: own_limits.copied().unwrap_or(evaluation.limits),
    }
}

/// Names the secrets of `project` after the settings they come from, so that repositories which
/// share a file share a secret.
fn git_secrets(project: &Project, secrets: &mut BTreeMap<String, SecretPlan>) -> GitSecrets {
    let mut named = |file: &Option<SecretFile>, part: SecretPart| {
        let file = file.as_ref()?;
        let name = match part {
            SecretPart::Whole => file.key().to_owned(),
            SecretPart::User => format!("{}:user", file.key()),
            SecretPart::Password => format!("{}:password", file.key()),
        };
        let plan = SecretPlan {
            source: SecretSource::File(file.clone()),
            part,
        };
        secrets.insert(name.clone(), plan);
        Some(name)
    };
    if let Some(repository) = &project.forge
        && project.url.scheme() != "ssh"
    {
        return minted(repository, secrets);
    }
    // Git uses a key only over ssh; Buildbot would put it on the worker for nothing.
    let over_ssh = project.url.scheme() == "ssh";
    let ssh = |file: &Option<SecretFile>| file.clone().filter(|_| over_ssh);
    GitSecrets {
        ssh_private_key: named(&ssh(&project.ssh_private_key_file), SecretPart::Whole),
        ssh_known_hosts: named(&ssh(&project.ssh_known_hosts_file), SecretPart::Whole),
        https_user: named(&project.credentials_file, SecretPart::User),
        https_password: named(&project.credentials_file, SecretPart::Password),
    }
}

/// What the forge of `repository` makes for each run that fetches it.
fn minted(repository: &Repository, secrets: &mut BTreeMap<String, SecretPlan>) -> GitSecrets {
    let source = SecretSource::Minted(Box::new(repository.clone()));
    let (user, password) = user_and_password(&repository.identity(), &source, secrets);
    GitSecrets {
        https_user: Some(user),
        https_password: Some(password),
        ..GitSecrets::default()
    }
}

/// The same for its submodules.
fn private_submodules(
    project: &Project,
    secrets: &mut BTreeMap<String, SecretPlan>,
) -> Vec<PrivateSubmodule> {
    let Some(repository) = &project.forge else {
        return Vec::new();
    };
    let submodule = |name: &FullName| {
        let url = GitUrl::new(&repository.clone_url_of(name)).ok()?;
        let source = SecretSource::MintedForSubmodule {
            of: Box::new(repository.clone()),
            name: name.clone(),
        };
        let named = format!("{} of {}", name, repository.identity());
        let (user, password) = user_and_password(&named, &source, secrets);
        Some(PrivateSubmodule {
            url,
            user,
            password,
        })
    };
    let names = project.private_submodules.iter();
    names.filter_map(submodule).collect()
}

/// Names of the two secrets that `source` has, which begin with `named`.
fn user_and_password(
    named: &str,
    source: &SecretSource,
    secrets: &mut BTreeMap<String, SecretPlan>,
) -> (String, String) {
    let mut add = |word, part| {
        let name = format!("{named}:{word}");
        let source = source.clone();
        secrets.insert(name.clone(), SecretPlan { source, part });
        name
    };
    (
        add("user", SecretPart::User),
        add("password", SecretPart::Password),
    )
}

/// The name of the secret that is all of `file`.
fn whole(file: Option<&SecretFile>, secrets: &mut BTreeMap<String, SecretPlan>) -> Option<String> {
    let file = file?;
    let plan = SecretPlan {
        source: SecretSource::File(file.clone()),
        part: SecretPart::Whole,
    };
    secrets.insert(file.key().to_owned(), plan);
    Some(file.key().to_owned())
}

fn builder_plans(project: &ProjectPlan) -> [BuilderPlan; 2] {
    let builder = |kind, word: &str, description: String| {
        let mut tags = vec![word.to_owned(), project.buildbot_name.clone()];
        // Buildbot refuses a tag that occurs twice.
        tags.dedup();
        BuilderPlan {
            name: builder_name(project, word),
            kind,
            project: project.name.clone(),
            builddir: format!("{}-{word}", project.id),
            tags,
            description,
        }
    };
    let url = &project.url;
    [
        builder(BuilderKind::Eval, "nix-eval", format!("Evaluates {url}")),
        builder(
            BuilderKind::Build,
            "nix-build",
            format!("Builds the attributes of {url}"),
        ),
    ]
}

/// Suffix of the name of what starts evaluations by hand.
const FORCE: &str = "force";
const CANCEL: &str = "cancel";

impl ProjectPlan {
    fn scheduler(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.id)
    }

    /// Name of the scheduler that starts evaluations by hand.
    pub(super) fn force_scheduler(&self) -> String {
        self.scheduler(FORCE)
    }

    /// Name of the scheduler that cancels jobs that wait.
    pub fn cancel_scheduler(&self) -> String {
        self.scheduler(CANCEL)
    }
}

fn builder_name(project: &ProjectPlan, word: &str) -> String {
    format!("{}/{word}", project.name)
}

fn scheduler_plans(project: &ProjectPlan) -> Vec<SchedulerPlan> {
    let mut kinds = vec![
        ("primary", SchedulerKind::Branches, "nix-eval"),
        ("merge-queue", SchedulerKind::MergeQueue, "nix-eval"),
    ];
    if project.forge.is_some() {
        kinds.push(("prs", SchedulerKind::PullRequests, "nix-eval"));
    }
    kinds.extend([
        ("nix-build", SchedulerKind::Triggerable, "nix-build"),
        (FORCE, SchedulerKind::Force, "nix-eval"),
        (CANCEL, SchedulerKind::Cancel, "nix-eval"),
    ]);
    let plan = |(suffix, kind, word)| SchedulerPlan {
        name: project.scheduler(suffix),
        kind,
        project: project.name.clone(),
        builder: builder_name(project, word),
    };
    kinds.into_iter().map(plan).collect()
}

fn poller_plan(polling: Polling, plan: &ProjectPlan) -> PollerPlan {
    PollerPlan {
        name: format!("{}-poller", plan.id),
        project: plan.name.clone(),
        url: plan.url.clone(),
        work_directory: format!("pollers/{}", plan.id),
        poll_interval: polling.interval,
        poll_spread: polling.spread,
        git_secrets: plan.git_secrets.clone(),
        build_on_first_poll: polling.build_on_first_poll,
    }
}

fn canceller(projects: &[ProjectPlan]) -> ServicePlan {
    let filter = |project: &ProjectPlan| CancelFilter {
        builder: builder_name(project, "nix-eval"),
        project: project.name.clone(),
    };
    ServicePlan::BuildCanceller {
        name: "build_canceller".to_owned(),
        filters: projects.iter().map(filter).collect(),
    }
}
