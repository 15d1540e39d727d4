"""The whole boundary to Rust.

Unless an entry says "blocks", a call takes microseconds, does no I/O and may be made on the
reactor thread. Every call may raise ``InternalError`` (a defect of ours). Records are frozen; the
handles ``Plan``, ``Forges``, ``Run``, ``Turns``, ``CheckoutReader``, ``OutcomeReader``,
``CommitStatuses`` and ``Outbox`` may be used from any thread.
"""

from typing import final

__all__ = [
    "BODY_BYTES_MAX",
    "Action",
    "Arrival",
    "BranchDecision",
    "BuildResult",
    "Builder",
    "BuilderKind",
    "Cache",
    "CancelFilter",
    "Change",
    "CheckRun",
    "CheckoutReader",
    "CommitStatuses",
    "Decision",
    "Deed",
    "Delivery",
    "Discovery",
    "Ended",
    "Evaluation",
    "FailureMemory",
    "Fault",
    "Finding",
    "ForgeKind",
    "ForgeRepository",
    "Forges",
    "GitCredentials",
    "GitSecrets",
    "HookOutcome",
    "Job",
    "LoggedIn",
    "Logins",
    "MachineLoad",
    "Outbox",
    "OutcomeReader",
    "Permission",
    "Plan",
    "Poller",
    "PostBuildStep",
    "Priority",
    "Project",
    "PullRequest",
    "Ruling",
    "Run",
    "Scheduler",
    "SchedulerKind",
    "Standing",
    "StatusRow",
    "StatusState",
    "Turns",
    "Unbuilt",
    "UploadReader",
    "Uploader",
    "User",
    "Words",
    "Worker",
    "choose_machine",
    "load_plan",
    "run_command_line",
]

def run_command_line(arguments: list[str]) -> int:
    """Runs the command line ``arguments``, the program's name first, in this process.

    Returns the exit status. Blocks for as long as the command takes.
    """

def load_plan(path: str) -> Plan:
    """Reads the settings file ``path`` and the workers file that it names.

    Blocks: reads files. Raises ``ConfigError`` with every problem, ``MachineError`` if a file
    cannot be read.
    """

# --- stage plan ------------------------------------------------------------------------------

@final
class Plan:
    """Everything the master sets up; ``buildbot-nix plan`` shows the same."""

    title: str
    url: str
    #: Twisted endpoints.
    port: str
    worker_port: str
    #: Who vouches for users: ``github``, ``gitea``, ``oidc``, ``proxy``.
    login_providers: list[str]
    #: Seconds after which users have to log in again.
    session_lifetime: int
    #: Whether private repositories are hidden from who cannot read them on their forge.
    hides_private: bool
    #: Evaluations at the same time on one machine.
    concurrent_evaluations: int
    #: Seconds.
    checkout_timeout: int
    build_timeout: int
    build_max_silent_time: int
    #: Where results are uploaded to, and who does that on each machine; both empty without caches.
    caches: list[Cache]
    uploaders: list[Uploader]
    #: What runs after builds that may be published.
    all_post_build_steps: list[PostBuildStep]
    #: Whether files say what each attribute was last built as.
    has_outputs: bool
    #: Whether builds that failed are not tried again for a while.
    cache_failed_builds: bool
    #: Seconds that the database keeps what, by name of the rule (``buildbot_nix.state``).
    retention: dict[str, int]
    projects: list[Project]
    workers: list[Worker]
    builders: list[Builder]
    schedulers: list[Scheduler]
    pollers: list[Poller]
    #: Name of the service that cancels superseded evaluations, and what it watches.
    build_canceller: str
    cancel_filters: list[CancelFilter]
    #: What the admin should know, one sentence each.
    notices: list[str]

    def logins(self) -> Logins | None:
        """The providers that users log in with; None if there are none.

        Blocks: reads files. Raises ``MachineError`` for a secret that cannot be read,
        ``LoginError`` for certificates that cannot.
        """

    def proxy_password(self) -> str | None:
        """What the reverse proxy proves itself with; None if no proxy logs users in.

        Blocks: reads a file. Raises ``MachineError`` if it cannot be read.
        """

    def rule(
        self,
        user: User | None,
        permission: Permission,
        action: Action,
        project: str | None,
        author: str | None,
    ) -> Ruling:
        """Whether ``user``, None if nobody is logged in, may do ``action`` to a project, or to the
        instance if that is None.

        ``author`` is who proposed what is built there, ``<provider>:<login>``. A project that the
        plan does not have counts as private.
        """

    def depends_on_permission(
        self, user: User | None, action: Action, project: str | None, author: str | None
    ) -> bool:
        """Whether that depends on what the project's forge lets ``user`` do."""

    def db_url(self) -> str:
        """URL of Buildbot's database, with its password. Blocks: may read a file.

        Raises ``MachineError`` if it cannot be read.
        """
    def worker_password(self, worker: str) -> str:
        """What the worker logs in with. Raises ``ConfigError`` for an unknown one."""
    #: Those that the settings have.
    forges: list[ForgeKind]

    def with_repositories(self, repositories: list[ForgeRepository]) -> Plan:
        """The same with projects of forges; those that it has of forges are replaced."""
    def project(self, name: str) -> Project:
        """One project. Raises ``ConfigError`` if there is no such project."""
    def hides_secret(self, secret: str) -> bool:
        """Whether logs must not show the secret of this name. That of a user may be a word which
        they are full of."""
    def read_secret(self, name: str, forges: Forges) -> str | None:
        """The secret that a row names, None for a name that no row has.

        Blocks: reads a file, or has a forge make it. Empty if the repository needs none.

        Raises ``MachineError`` if it cannot be read, ``ForgeError`` if it cannot be made.
        """
    def receive(self, forge: ForgeKind, headers: dict[str, str], body: bytes) -> Delivery:
        """Verifies a request to the webhook of a forge. Blocks: reads the file with its secret.

        Names of headers are in lower case. Raises ``EventError`` if it is refused, ``ConfigError``
        if there is no such forge, ``MachineError`` if the secret cannot be read.
        """
    def decide(self, delivery: Delivery) -> Decision:
        """What to do about it."""
    def decide_found(self, project: str, pull_request: PullRequest) -> Decision:
        """What to do about a pull request, as if it was just opened.

        Raises ``ConfigError`` if there is no such project.
        """
    def pull_request_branch(self, project: str, number: int) -> str | None:
        """What changes call the branch of a pull request; None if there are none of ``project``.

        Raises ``ConfigError`` if there is no such project.
        """
    def compare(
        self,
        project: str,
        branches: dict[str, str],
        pull_requests: list[PullRequest],
        known: dict[str, str],
    ) -> list[Decision]:
        """What to do about what a project is found to be at: commits by branch, and what is open.

        ``known`` has what it was at before: ``head`` of decisions, by branch. Raises
        ``ConfigError`` if there is no such project.
        """
    def branch_decision(self, project: str, branch: str) -> BranchDecision:
        """What happens with a branch of a project."""
    def priority(self, project: str, properties: dict[str, str]) -> Priority:
        """How urgent the builds are of an evaluation with these properties."""
    def failure_memory(
        self, project: str, properties: dict[str, str], reason: str
    ) -> FailureMemory:
        """What a run does about builds that failed before. ``properties`` are those of its build,
        ``reason`` is Buildbot's for it."""
    def checkout_secrets(self, project: str, properties: dict[str, str]) -> dict[str, str]:
        """Secrets that the checkout needs: name by name of its file.

        Raises ``ConfigError`` if there is no such project.
        """
    def checkout_command(
        self, project: str, properties: dict[str, str], credentials: str | None
    ) -> list[str]:
        """What a worker runs to check out what a build with ``properties`` is about.

        ``credentials`` is a folder there, beside the build's own. Raises ``ConfigError`` if there
        is no such project.
        """
    def eval_secrets(self, project: str, properties: dict[str, str]) -> dict[str, str]:
        """Secrets that an evaluation may use for private inputs: name by name of its file.

        ``properties`` are the build's after its checkout, which decide whether it is trusted.
        Raises ``ConfigError`` if there is no such project.
        """
    def eval_command(self, project: str, evaluation: Evaluation) -> list[str]:
        """What a worker runs in a checkout to evaluate it.

        Raises ``ConfigError`` if there is no such project.
        """
    def keep_command(
        self, project: str, properties: dict[str, str], master: str, build: int
    ) -> list[str] | None: ...
    def release_command(self, master: str, build: int) -> list[str]:
        """What a worker runs once nothing needs the derivations of an evaluation any more."""
    def build_command(
        self, project: str, drv_path: str, attr: str, properties: dict[str, str]
    ) -> list[str]:
        """What a worker runs to build one attribute in a build with ``properties``.

        Raises ``ConfigError`` if there is no such project or ``drv_path`` is no derivation.
        """
    def retry_pause(self, attempts: int) -> int | None:
        """Seconds until the next attempt of a build whose machine has failed it so many times;
        None if there is none."""
    def post_build_steps(self, project: str, properties: dict[str, str]) -> list[PostBuildStep]:
        """What runs after a build of an evaluation with ``properties``: nothing if it is not
        trusted with that."""
    @staticmethod
    def post_build_command(attr: str, outputs: dict[str, str], command: list[str]) -> list[str]:
        """What a worker runs to run ``command`` where links lead to ``outputs``, paths by name."""
    def uploads(self, project: str, properties: dict[str, str]) -> bool:
        """Whether what is built for an evaluation with ``properties`` is uploaded somewhere."""
    def upload_command(self, cache: str, credentials: str | None, attempt: int) -> list[str]:
        """What a worker runs to upload what waits for a cache, after so many failed attempts.

        ``credentials`` is a folder there with the files of ``Cache.secrets``. Raises
        ``ConfigError`` if there is no such cache.
        """
    def write_outputs(
        self,
        project: str,
        properties: dict[str, str],
        build: int,
        attr: str,
        outputs: dict[str, str],
    ) -> None:
        """Writes the files of an attribute that the evaluation with that build has built, if its
        branch has some. Blocks: writes files. Raises ``MachineError``."""
    def update_outputs(
        self, project: str, properties: dict[str, str], build: int, run: Run
    ) -> None:
        """Writes those of all attributes of a run that has ended, and removes what is gone.

        Blocks: writes files. Raises ``MachineError``.
        """
    def existing(self, known: dict[str, set[str]], gone: dict[str, set[str]]) -> str:
        """What ``forget_command`` reads: what there is of projects and branches.

        By name of the project, ``known`` has all branches where somebody has looked; ``gone`` some
        that are not there any more, where nobody has.
        """
    def forget_command(self, master: str, build: int) -> list[str]:
        """What a worker runs to let go what was kept for what is gone; ``build`` is any build."""
    def forget_outputs(self, known: dict[str, set[str]], gone: dict[str, set[str]]) -> int:
        """Removes output files of what is gone; returns of how many branches. See ``existing``.

        Blocks: removes files. Raises ``MachineError``.
        """
    def build_properties(self, project: str, attribute: str, job: Job) -> dict[str, str]:
        """Buildbot properties of the build of ``job``, which stands below ``attribute``."""
    def unbuilt_properties(self, project: str, attribute: str, unbuilt: Unbuilt) -> dict[str, str]:
        """The same of an attribute without a build."""

@final
class FailureMemory:
    """What a run does about builds that failed before."""

    #: Nothing is remembered.
    Off: FailureMemory
    #: They are tried again, and what comes of that is remembered.
    Renew: FailureMemory
    #: They are not tried again.
    Heed: FailureMemory
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __int__(self, /) -> int: ...

@final
class Evaluation:
    """One evaluation as the master knows it."""

    def __new__(
        cls,
        *,
        properties: dict[str, str],
        credentials: str | None,
        url: str,
        anew: bool,
        master: str,
        build: int,
        running: list[int],
    ) -> Evaluation:
        """``url`` is the page of its build; with ``anew`` a remembered result does not count.

        ``properties`` are the build's after its checkout, which decide whether it is trusted;
        ``credentials`` is a folder beside the build's own with the files of ``Plan.eval_secrets``.
        ``master`` is Buildbot's name of the master, ``build`` the id of the build; ``running`` has
        the ids of all builds that evaluate or wait for what came of it.
        """

@final
class Project:
    """One repository."""

    name: str
    #: Name of the Buildbot project object.
    buildbot_name: str
    id: str
    url: str
    default_branch: str
    #: Seconds.
    eval_timeout: int
    #: Where it is on a forge, None if it is polled.
    repository: ForgeRepository | None
    #: What changes of it call their repository.
    change_repository: str
    #: Name of the builder that evaluates.
    eval_builder: str
    #: Name of the builder that builds one attribute.
    build_builder: str
    #: Name of the scheduler that cancels jobs that wait.
    cancel_scheduler: str

@final
class GitSecrets:
    """Names of the secrets that git needs, for ``Plan.read_secret``."""

    ssh_private_key: str | None
    ssh_known_hosts: str | None
    https_user: str | None
    https_password: str | None

@final
class Worker:
    """One worker that may connect, or runs in the master's process (``local``)."""

    name: str
    machine: str
    local: bool

@final
class BuilderKind:
    """What a builder does."""

    Eval: BuilderKind
    Build: BuilderKind
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __int__(self, /) -> int: ...

@final
class Builder:
    """One builder; it uses every worker."""

    name: str
    kind: BuilderKind
    project: str
    builddir: str
    tags: list[str]
    description: str

@final
class Words:
    """A text; with ``interpolate``, one for Buildbot's ``Interpolate``."""

    text: str
    interpolate: bool

@final
class PostBuildStep:
    """A command of the administrator that runs after builds."""

    name: str
    environment: dict[str, Words]
    command: list[Words]
    #: Whether the attribute is none the worse if it fails.
    warn_only: bool

@final
class Cache:
    """Somewhere that results are uploaded to."""

    name: str
    #: Names of secrets, for ``Plan.read_secret``, by name of the file that the agent expects.
    secrets: dict[str, str]

@final
class Uploader:
    """The builder that uploads what waits on one machine, on one worker of it."""

    machine: str
    worker: str
    builder: str
    builddir: str
    scheduler: str
    #: The one with a button.
    force_scheduler: str

@final
class SchedulerKind:
    """What starts a builder."""

    Branches: SchedulerKind
    MergeQueue: SchedulerKind
    PullRequests: SchedulerKind
    Triggerable: SchedulerKind
    Force: SchedulerKind
    #: Starts nothing, but cancels jobs that wait.
    Cancel: SchedulerKind
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __int__(self, /) -> int: ...

@final
class Scheduler:
    """One scheduler."""

    name: str
    kind: SchedulerKind
    project: str
    builder: str

@final
class Poller:
    """One repository that is polled."""

    name: str
    project: str
    url: str
    work_directory: str
    #: Seconds.
    poll_interval: int
    poll_spread: int
    git_secrets: GitSecrets
    build_on_first_poll: bool

@final
class CancelFilter:
    """Changes of ``project`` supersede older requests for ``builder``."""

    builder: str
    project: str

@final
class BranchDecision:
    """What happens with a branch."""

    build: bool
    merge_queue: bool
    register_gc_roots: bool

# --- stage event -----------------------------------------------------------------------------

#: Bytes of a webhook's body that are read; what is larger is refused.
BODY_BYTES_MAX: int

@final
class Delivery:
    """What a forge has told, verified."""

    forge: ForgeKind
    #: The forge's id of it; one that is repeated has the same.
    id: str
    #: Full name of the repository it is about, if it is about one.
    repository: str | None
    #: For ``read``; holds no secret.
    text: str

    @staticmethod
    def read(text: str) -> Delivery:
        """What was kept as ``text``. Raises ``ConfigError`` if it cannot be read."""

@final
class Deed:
    """What is to be done about an event."""

    #: Give Buildbot ``change``.
    Build: Deed
    #: Find out whether ``user`` may push, and do what ``answered`` says.
    Ask: Deed
    #: Remember ``head``, and keep ``text`` until a member agrees.
    Hold: Deed
    #: Remember ``head``, and build nothing.
    Pass: Deed
    #: Build what is held of pull request ``number``, or what it is now.
    Approve: Deed
    #: Cancel what runs for ``branch``.
    Cancel: Deed
    #: Build ``revision`` once more.
    Rerun: Deed
    Ignore: Deed
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __int__(self, /) -> int: ...

@final
class Arrival:
    """What a head is to the one that is known."""

    New: Arrival
    Same: Arrival
    #: It came before.
    Late: Arrival
    #: Only the forge knows.
    Doubtful: Arrival
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __int__(self, /) -> int: ...

@final
class Decision:
    """What the master does about an event. Each deed has some of these fields."""

    deed: Deed
    #: Why the repositories have to be looked for anew, if so.
    refresh: str | None
    project: str | None
    #: As changes call it.
    branch: str | None
    #: The commit; of an approval, the beginning of the only one that is meant, if one is.
    revision: str | None
    number: int | None
    user: str | None
    #: Name and our id of the check run that is wanted once more; None means all.
    check: tuple[str, str | None] | None
    reason: str | None
    change: Change | None
    #: For ``read``.
    text: str | None
    #: What the branch is at, for ``arrival``.
    head: str | None

    @staticmethod
    def read(text: str) -> Decision:
        """To build what was kept as ``text``. Raises ``ConfigError`` if it cannot be read."""
    def arrival(self, known: str | None) -> Arrival:
        """Whether ``head`` comes after the one that is known. Raises ``ConfigError`` if that cannot
        be read."""
    def answered(self, is_member: bool) -> Decision:
        """What to do now that it is known whether ``user`` may push."""
    def agreed(self) -> Decision:
        """What to do if a member agrees."""

@final
class Change:
    """A change, with the fields that Buildbot's hooks for these forges give."""

    author: str
    committer: str | None
    comments: str
    revision: str
    branch: str
    category: str | None
    repository: str
    project: str
    revlink: str
    #: Since 1970.
    seconds: int | None
    files: list[str]
    properties: dict[str, str]

# --- stage checkout --------------------------------------------------------------------------

@final
class CheckoutReader:
    """Reads the stdout of ``buildbot-nix checkout``."""

    def __new__(cls) -> CheckoutReader: ...
    #: What was checked out, as properties for Buildbot; empty until the agent has said it.
    properties: dict[str, str]
    #: How it went, for people; None until the agent has said it.
    summary: str | None

    def feed(self, data: bytes) -> None:
        """Takes the next bytes. Raises ``ProtocolError`` for what is no machine line."""

# --- stages jobs and graph -------------------------------------------------------------------

@final
class Job:
    """One attribute that is to be built now."""

    attr: str
    drv_path: str
    #: Of its run, for ``Run.finish`` and ``Run.set_url``.
    index: int

@final
class Priority:
    """How urgent builds are, the least urgent first."""

    Branch: Priority
    PullRequest: Priority
    MergeQueue: Priority
    ByHand: Priority
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __int__(self, /) -> int: ...

@final
class Turns:
    """The queue for the slots of a machine: numbers of sources of builds."""

    def __new__(cls) -> Turns: ...
    def add(self, source: int, priority: Priority, project: str) -> None:
        """The source may have a build; one that waits already keeps its place."""
    def remove(self, source: int) -> None: ...
    def take(self) -> int | None:
        """Takes out the source whose turn it is."""
    def given(self) -> None:
        """What was taken out got a slot."""

@final
class MachineLoad:
    """What a machine is busy with."""

    def __new__(
        cls, name: str, *, slots: int, builds: int, places: int, evaluations: int
    ) -> MachineLoad:
        """``slots`` and ``places``: builds and evaluations that it may run at once; ``builds`` and
        ``evaluations``: that it has, those included that wait for a place."""

def choose_machine(project: str, machines: list[MachineLoad]) -> int | None:
    """Which of ``machines`` is to evaluate for ``project``, as its index; None if there are none.

    A project goes to the same machine each time, unless it would wait there and not elsewhere.
    """

@final
class Finding:
    """What a run comes to."""

    Succeeded: Finding
    Failed: Finding
    Cancelled: Finding
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __int__(self, /) -> int: ...

@final
class Unbuilt:
    """An attribute that ended badly without a build: it did not evaluate, or failed before, or
    something that it needs failed."""

    #: Of its run.
    index: int
    #: What can be built all the same, if it evaluated.
    job: Job | None
    #: How its record tells that: name of the step, one line, and the log.
    step: str
    text: str
    log: str
    log_name: str
    is_html: bool

@final
class Run:
    """One run, from the agent's bytes to the last outcome."""

    def __new__(cls, *, asks: bool = False) -> Run:
        """One that ``asks`` builds nothing before it knows whether that failed before."""
    def restore(self, records: list[tuple[dict[str, str], BuildResult, str, str]]) -> None:
        """Before anything is fed: properties, result, one line for people and URL of what an
        earlier life of this run has recorded of attributes, the oldest first. What was built or
        failed then stays that."""
    def freed_by(self, attr: str) -> list[str]:
        """After ``restore`` and all lines: attributes that were not built because ``attr`` had
        failed, and may be now that it was built."""
    def close(self) -> None:
        """After ``restore`` and all lines: nothing more happens to this run of the past."""
    def amend(self, records: list[tuple[dict[str, str], BuildResult, str, str]]) -> None:
        """All that is recorded of the run, after attributes that had ended were built again."""
    def take_questions(self) -> list[str]:
        """Derivations of which is to be found out whether they have failed before, a bounded
        number; owes one ``answer``. Empty if there are none, or the last answer is owed."""
    def answer(self, remembered: dict[str, tuple[str, int]]) -> None:
        """Which of them have: where that can be seen, and when it was, in seconds since 1970. They
        are not built, nor is what needs them; the others may be."""
    def in_vain(self, index: int, result: BuildResult, failed_drv: str | None) -> str | None:
        """The derivation that need not be tried again if the build of a job has ended like that."""
    #: The attribute that is evaluated, as soon as the agent has said so.
    attribute: str | None
    #: Whether evaluation and builds have all ended.
    is_finished: bool
    finding: Finding
    #: Why the evaluation as a whole failed, for people.
    fatal: str | None
    #: Whether that may go well in a moment: Nix's daemon went away.
    fatal_may_pass: bool
    #: Attributes that evaluated, and that did not.
    jobs: int
    evaluation_failures: int
    warnings: list[str]
    def reused(self, base_url: str) -> tuple[str, str | None] | None:
        """If the result of an earlier evaluation is used again: that in words, and the address of
        its build if it is one of the Buildbot at ``base_url``."""

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the agent's stdout; cost is linear in them.

        Raises ``ProtocolError`` for what is no machine line.
        """
    def end_of_evaluation(self, status: int | None) -> None:
        """The agent has exited with ``status``, or was killed (None).

        Raises ``ProtocolError`` if its output ends in the middle of a line.
        """
    def take_ready(self, limit: int) -> list[Job]:
        """Up to ``limit`` jobs to build now. Each must be given back by ``finish``."""
    def take_unbuilt(self) -> list[Unbuilt]:
        """Attributes that ended badly without a build or record since the last call, of each run a
        bounded number."""
    def finish(
        self, index: int, result: BuildResult, message: str | None, failed_drv: str | None
    ) -> None:
        """How the build of a job ended; what was done, or why it failed or was cancelled, and
        which derivation's builder failed."""
    def set_url(self, index: int, url: str) -> None:
        """Where the build of a job can be seen."""
    def cancel(self) -> None:
        """Hand out nothing more; what runs must still be given back by ``finish``."""
    #: Attributes that are gone, after ``compare``.
    lost: list[str]
    def lost_text(self) -> str | None:
        """What ``compare`` has found to be gone, to be kept for ``recall_lost``."""
    def recall_lost(self, text: str) -> None:
        """What an earlier life of this run has found to be gone."""
    def compare(self, before: str | None, branch: str) -> str | None:
        """Finds out which attributes are gone since the last evaluation of ``branch``, of which
        ``before`` is what this has returned. Returns what is to be kept until the next one; None
        if the evaluation did not go to its end. Takes a second for millions: call it in a thread.
        """
    def summary(self) -> str:
        """How it stands, in one line."""
    def set_elsewhere(self, index: int, is_elsewhere: bool) -> None:
        """A job from ``take_ready`` waits for another run that builds the same, or no more."""
    def waiting(self, cancel_url: str) -> str | None:
        """What waits and for what, as an HTML fragment, everything escaped; None if nothing does.
        ``cancel_url`` is where some of it can be cancelled."""
    def waiting_names(self, limit: int) -> list[str]:
        """The first ``limit`` attributes that wait."""
    def find_waiting(self, attr: str) -> Job | None:
        """The job that waits under this name, or under another one if they share a derivation.
        ``finish`` cancels it, and what needs it."""
    def html(self) -> str:
        """The whole run as an HTML fragment, failures first, everything escaped."""

# --- stage build -----------------------------------------------------------------------------

@final
class BuildResult:
    """The verdict on a build."""

    Succeeded: BuildResult
    Failed: BuildResult
    #: The machine's fault: nothing is known about the derivation.
    Transient: BuildResult
    Cancelled: BuildResult
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __int__(self, /) -> int: ...

@final
class OutcomeReader:
    """Reads the stdout of ``buildbot-nix build``."""

    def __new__(cls) -> OutcomeReader: ...
    #: None until the agent has said it.
    result: BuildResult | None
    #: Why it did not succeed, for people.
    message: str | None
    #: The derivation whose builder failed, this one or one that it needs.
    failed_drv: str | None
    #: Output names and store paths.
    outputs: list[tuple[str, str]]
    #: Whether what is the machine's fault may pass without anybody doing something about it.
    may_pass: bool
    #: Whether it failed because of a limit, which may be enough another time.
    exceeded: bool
    #: What was done, for people, if it went well.
    text: str | None

    def feed(self, data: bytes) -> None:
        """Takes the next bytes. Raises ``ProtocolError`` for what is no machine line."""

# --- stage cache -----------------------------------------------------------------------------

@final
class UploadReader:
    """Reads the stdout of ``buildbot-nix upload``."""

    def __new__(cls) -> UploadReader: ...
    #: What was done, or why nothing, for people; None until the agent has said it.
    summary: str | None
    #: Whether nothing waits any more that could not be uploaded.
    went_well: bool

    def feed(self, data: bytes) -> None:
        """Takes the next bytes. Raises ``ProtocolError`` for what is no machine line."""

# --- stage forge -----------------------------------------------------------------------------

@final
class ForgeKind:
    Github: ForgeKind
    Gitea: ForgeKind

    #: The one in settings, URLs of webhooks and identities, such as ``github``.
    word: str

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __int__(self, /) -> int: ...

@final
class StatusState:
    """What a commit status says. Only Gitea has ``Warning``; for GitHub it is a success."""

    Pending: StatusState
    Success: StatusState
    Warning: StatusState
    Failure: StatusState
    Error: StatusState

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __int__(self, /) -> int: ...

@final
class Permission:
    """What a person may do with a repository; ``int`` orders them."""

    """What a forge lets a user do with a repository, the least first."""

    Nothing: Permission
    Read: Permission
    Write: Permission
    Admin: Permission

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __int__(self, /) -> int: ...

@final
class ForgeRepository:
    """A repository as its forge describes it."""

    forge: ForgeKind
    #: The forge's number for it, which stays when it is renamed or transferred.
    id: int
    #: ``<forge>:<owner>/<name>``.
    identity: str
    #: ``<owner>/<name>``.
    full_name: str
    #: User or organisation.
    owner: str
    html_url: str
    clone_url: str
    ssh_url: str
    default_branch: str
    private: bool
    #: Through which installation of the GitHub App it is reached.
    installation: int | None

    @staticmethod
    def restore(stored: str) -> ForgeRepository:
        """What was :meth:`stored`. Raises ``ConfigError`` if it was not."""
    def stored(self) -> str:
        """All of it, to be kept in a database. Holds no secret."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Discovery:
    """What a forge said about which repositories are to be built."""

    #: Name and reason of what matches the filters and cannot be built.
    left_out: list[tuple[str, str]]
    #: What went wrong in parts, and what the admin should know, one sentence each.
    notices: list[str]

    def with_known(self, known: list[ForgeRepository]) -> list[ForgeRepository]:
        """The repositories to build: those found, and of those ``known`` before from the same
        forge the ones that could not be asked after."""

@final
class HookOutcome:
    """What became of the webhook of the repository ``identity``."""

    identity: str
    changed: bool
    #: Why it is not as it should be.
    error: str | None

@final
class PullRequest:
    """A pull request as its forge describes it now."""

    number: int
    title: str
    html_url: str
    is_open: bool
    is_draft: bool
    #: Whether it comes from another repository, or from one that is gone.
    is_from_fork: bool
    #: Login.
    author: str
    author_is_bot: bool
    head_sha: str
    head_branch: str
    #: ``<owner>/<name>``; None when the fork is gone.
    head_repository: str | None
    base_branch: str
    base_sha: str

@final
class GitCredentials:
    """What git needs to fetch one repository over https. ``password`` is a secret."""

    #: The only URL that they are for.
    url: str
    user: str
    password: str
    #: Seconds since 1970; None if they do not expire.
    expires_at: int | None
    #: Whether the forge itself limits them to this repository and to reading.
    is_limited: bool

@final
class CheckRun:
    """What a check run is to be. Without ``title``, its page stays as it is."""

    def __new__(
        cls,
        *,
        name: str,
        status: str,
        details_url: str,
        external_id: str,
        title: str = ...,
        summary: str = ...,
        text: str = ...,
        annotations: list[tuple[str, int, int, str, str]] = ...,
        actions: list[tuple[str, str, str]] = ...,
    ) -> CheckRun:
        """``status`` is ``queued``, ``in_progress`` or how it ended: ``success``, ``failure``,
        ``neutral``, ``cancelled``, ``skipped``, ``timed_out`` or ``action_required``.

        ``summary`` and ``text`` are Markdown. An annotation is path, first line, last line,
        ``notice``, ``warning`` or ``failure``, and message; an action is label, description and
        identifier, see <https://docs.github.com/en/rest/checks/runs>. Texts are cut to what GitHub
        takes. Raises ``ConfigError`` for a word that is none of these.
        """

@final
class Forges:
    """The forges of a master. Every method but ``kinds`` blocks for up to a few minutes.

    With ``BUILDBOT_NIX_TRACE`` in the environment, every request is told on stderr.

    Nothing is started before the first call; then a thread and connections, which end with
    :meth:`close`. A call raises a subclass of ``ForgeError``, ``ConfigError`` if there is no such
    forge in the settings, ``StoppedError`` after :meth:`close`.
    """

    #: Which forges there are.
    kinds: list[ForgeKind]

    def __new__(cls, plan: Plan, memory: bytes | None = None) -> Forges:
        """``memory`` is what :meth:`memory` gave once."""
    def memory(self) -> bytes:
        """What is known of the forges, which saves requests after a restart. Holds no secret."""
    def are_of(self, plan: Plan) -> bool:
        """Whether those of ``plan`` would be the same. Does not block."""
    def close(self) -> None:
        """Ends calls that run; they raise ``StoppedError``."""
    def discover(self, kind: ForgeKind) -> Discovery:
        """The repositories of a forge that are to be built."""
    def refresh(self, repository: ForgeRepository) -> ForgeRepository:
        """The repository as it is now; found by its number, so also under a new name."""
    def ensure_hooks(self, repositories: list[ForgeRepository]) -> list[HookOutcome]:
        """Makes their webhooks what the settings say. One that fails keeps no other from it."""
    def remove_hooks(self, repositories: list[ForgeRepository]) -> list[HookOutcome]:
        """Removes our webhooks; that there is none, or no such repository, is no error."""
    def post_status(
        self,
        repository: ForgeRepository,
        sha: str,
        *,
        context: str,
        state: StatusState,
        description: str,
        target_url: str,
    ) -> None:
        """Tells how a commit is. ``description`` is cut at 140 characters."""
    def tell(
        self, repository: ForgeRepository, sha: str, row: StatusRow, check_run: int | None
    ) -> int | None:
        """Tells what ``row`` says of a commit, as a check run where the settings say so: then its
        number, which may be ``check_run`` already, is returned."""
    def create_check_run(self, repository: ForgeRepository, sha: str, run: CheckRun) -> int:
        """Returns its number. Raises ``ForgeRefusedError`` where there are no check runs."""
    def update_check_run(self, repository: ForgeRepository, id: int, run: CheckRun) -> None:
        """Annotations are added to those it has."""
    def pull_request(self, repository: ForgeRepository, number: int) -> PullRequest: ...
    def open_pull_requests(self, repository: ForgeRepository) -> list[PullRequest]: ...
    def branch_head(self, repository: ForgeRepository, branch: str) -> str | None:
        """Its commit; None if there is no such branch."""
    def branch_heads(self, repository: ForgeRepository) -> dict[str, str]:
        """Commit by name of the branch."""
    def permission(self, repository: ForgeRepository, user: str) -> Permission: ...
    def standing(self, plan: Plan, id: str, repositories: list[ForgeRepository]) -> Standing | None:
        """What is true now of the user whom the forge knows by ``id``, among the owners of
        ``repositories``, one of each and all of one forge, and the teams that count in ``plan``.
        None if there is no such user any more."""
    def members(self, repository: ForgeRepository) -> list[str]:
        """Logins of the members of that organisation; of its owner if that is a person."""
    def git_credentials(self, repository: ForgeRepository) -> GitCredentials | None:
        """What git needs to fetch it; None if it needs nothing. Not to be kept: they expire."""

# --- stage report ----------------------------------------------------------------------------

@final
class Ended:
    """How a run, an evaluation or a build ended."""

    Succeeded: Ended
    Warned: Ended
    #: By the fault of what was built.
    Failed: Ended
    #: By the fault of what builds.
    Broken: Ended
    Cancelled: Ended
    #: It is begun once more.
    Again: Ended
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __int__(self, /) -> int: ...

@final
class StatusRow:
    """One status of one commit."""

    def __new__(
        cls,
        *,
        context: str,
        state: str,
        description: str,
        url: str,
        run: int,
        build: int,
        page: str | None,
        standing: str | None,
    ) -> StatusRow:
        """One that was kept. Raises ``ConfigError`` for a ``state`` that does not exist."""
    context: str
    #: ``pending``, ``success``, ``failure``, ``error`` or ``cancelled``.
    state: str
    #: One line for people, of any length.
    description: str
    #: Where to read more.
    url: str
    #: What it is of: rises from one run or rebuild to the next.
    run: int
    #: The build to ask for, should somebody want it again; 0 before there is one.
    build: int
    #: Its page, where forges have such, and what all builds come to. To be kept.
    page: str | None
    standing: str | None

@final
class CommitStatuses:
    """All statuses of one commit. Each method but ``changed`` is something that happened.

    ``run``, ``build`` and ``url`` are those of ``StatusRow``. A run that is older than what a
    status is of changes nothing.
    """

    def __new__(cls, plan: Plan, project: str, known: list[StatusRow]) -> CommitStatuses:
        """Those of a commit of ``project``, of which ``known`` have been told. Raises
        ``ConfigError`` if there is no such project."""
    def changed(self) -> list[StatusRow]:
        """What is to be told because of what happened."""
    def run_held(self, url: str) -> None:
        """There is no run before somebody has agreed to it, at ``url``."""
    def run_let_go(self, text: str) -> None:
        """There will be none; ``text`` says why."""
    def run_waits(self, run: int, build: int, url: str) -> None:
        """A run waits for its turn."""
    def run_started(self, run: int, build: int, url: str) -> None: ...
    def evaluation_ended(
        self, run: int, build: int, url: str, ended: Ended, found: Run | None, text: str
    ) -> None:
        """``text`` says what came of it where ``found`` does not."""
    def attribute_started(self, run: int, build: int, url: str, name: str) -> None:
        """The rebuild of one attribute has begun. ``name`` is that of its virtual builder."""
    def attribute_ended(
        self, run: int, build: int, url: str, ended: Ended, name: str, text: str, is_rebuild: bool
    ) -> None:
        """The build of an attribute has ended. A rebuild changes what all builds come to."""
    def run_ended(
        self,
        run: int,
        build: int,
        url: str,
        ended: Ended,
        found: Run | None,
        text: str,
        stopped_because: str | None,
    ) -> None:
        """All that the run has told of is in a final state afterwards, unless it is begun once
        more. ``text`` says what happened where ``found`` does not."""
    def abandoned(self, run: int, ended: Ended, text: str) -> None:
        """A run has ended so, and it was not heard how."""

# --- stage outbox ----------------------------------------------------------------------------

@final
class Fault:
    """Why a forge did not take a status."""

    #: An admin has to act.
    Auth: Fault
    #: There is no such commit, or not yet.
    NotFound: Fault
    RateLimited: Fault
    Unavailable: Fault
    #: The same again would give the same.
    Refused: Fault
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __int__(self, /) -> int: ...

@final
class Outbox:
    """Which statuses are to be sent, and which one now. Keys are forge, repository, sha and
    context; times are seconds of one clock. Raises ``ConfigError`` for words that do not exist.
    """

    def __new__(cls) -> Outbox: ...
    def __len__(self, /) -> int:
        """Number of statuses that wait."""
    def put(self, key: tuple[str, str, str, str], state: str) -> None:
        """The status has changed and is ``state`` now."""
    def take(self, now: float) -> tuple[str, str, str, str] | None:
        """A status to be sent now; owes ``delivered``, ``dropped`` or ``failed``."""
    def next_at(self) -> float | None:
        """When ``take`` may give something, None if only the end of a request changes that."""
    def delivered(self, key: tuple[str, str, str, str]) -> None: ...
    def dropped(self, key: tuple[str, str, str, str]) -> None:
        """There was nothing to send."""
    def failed(
        self, key: tuple[str, str, str, str], fault: Fault, now: float, retry_after: float = 0.0
    ) -> bool:
        """Whether it is sent again. ``retry_after`` has the seconds of ``RateLimited``."""

# --- stage auth ------------------------------------------------------------------------------

@final
class Action:
    """What somebody wants to do; which rights that takes is in docs/authentication.md."""

    See: Action
    Restart: Action
    Stop: Action
    Cancel: Action
    Force: Action
    Purge: Action
    Reload: Action
    Operate: Action

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __int__(self, /) -> int: ...

@final
class User:
    """Somebody who has logged in."""

    provider: str
    login: str

    def __new__(cls, provider: str, login: str, id: str, memberships: list[str]) -> User:
        """``id`` is what the provider knows them by whatever they are called, empty if there is
        no such thing. ``memberships`` are the organisations, teams or groups that ``provider`` says
        they are in.

        Raises ``ConfigError`` if there is no such provider.
        """

@final
class Standing:
    """What a forge says now of somebody who has logged in."""

    login: str
    #: Of the owners and teams that it was asked about, those that they are in.
    memberships: list[str]

@final
class Ruling:
    """Whether something may be done."""

    allowed: bool
    #: Whether it must look as if there was no such thing.
    hidden: bool
    #: For people.
    reason: str

@final
class Logins:
    """The providers that users log in with. Safe to be called from several threads."""

    #: Word in settings, and what people call it.
    providers: list[tuple[str, str]]

    def adopt(self, before: Logins) -> None:
        """Goes on with what ``before``, another one, has begun."""

    def begin(self, provider: str, redirect: str) -> tuple[str, str]:
        """Where a browser is to go, and the cookie that it has to come back with.

        ``redirect`` is a path of Buildbot's pages. Blocks: may ask the provider. Raises
        ``LoginError``.
        """

    def finish(self, cookie: str, state: str, code: str, error: str) -> LoggedIn:
        """Who it is that came back from a provider with these parameters, empty if they were not
        there. Blocks: asks the provider. Raises ``LoginError``.
        """

@final
class LoggedIn:
    """Who came back from a provider."""

    provider: str
    login: str
    #: What the provider knows them by, whatever they are called.
    id: str
    #: Organisations, teams or groups that the provider says they are in.
    memberships: list[str]
    full_name: str
    #: Empty if the provider does not say.
    email: str
    #: URL of a picture; empty if there is none.
    avatar: str
    #: The path that they wanted to see.
    redirect: str
