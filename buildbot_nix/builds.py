"""Stage build: the attributes of one evaluation, built by the worker that evaluated.

Buildbot does not schedule these builds: the graph knows what is ready, the feed of the machine how
many may run. See "Attributes are built by the evaluation" in docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, cast

from buildbot.process.buildstep import BuildStep
from buildbot.process.log import StreamLog
from buildbot.process.results import FAILURE, SUCCESS, WARNINGS
from buildbot.util.twisted import async_to_deferred
from buildbot.worker.base import Worker
from twisted.python import log

from buildbot_nix._bridge import in_thread
from buildbot_nix._native import BuildResult, Job, OutcomeReader, Plan, Project, Unbuilt
from buildbot_nix.agent import AgentCommand, text_properties, was_killed
from buildbot_nix.attempts import Buildable, Patience, agent_command
from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.feed import Slot
from buildbot_nix.post_build import MEANING, AttributeProperties, PostBuildCommand
from buildbot_nix.records import HTML, STREAM, Origin, Property, Rebuild, Record, Records
from buildbot_nix.records.step import RecordedStep
from buildbot_nix.run_events import AttributeEnded, RunEvents, Subject
from buildbot_nix.slots import SlotCommand, StoppedError, WorkerLostError
from buildbot_nix.uploads import Uploads
from buildbot_nix.verdicts import FailedBuild, Verdict, ending

#: Name of the step of every build.
STEP = "Build flake attr"
#: Times that a build is begun, should its worker get lost.
ATTEMPTS = 3
#: Of these also what is built again: on which machine, and whether the commit is of its branch.
KNOWN = ("nix_machine", "tested_on_branch")
#: Where properties of builds say that they are from.
SOURCE = "nix-eval-nix"
#: The property that makes an evaluation happen although its result is known.
FORCE_PROPERTY = "nix_force_evaluation"
#: Properties of an evaluation that the builds of its attributes have too.
INHERITED = ("branch", "codebase", "got_revision", "project", "repository")


class Builders(NamedTuple):
    """The builders of a project, as the database calls them."""

    evaluation: int
    build: int


class Transcript:
    """The log of a build: as much of Buildbot's ``StreamLog`` as :class:`AgentCommand` uses."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def getName(self) -> str:
        return self._record.log_name

    @async_to_deferred
    async def addHeader(self, text: str) -> None:
        self._record.log("h", text)

    @async_to_deferred
    async def addStdout(self, text: str) -> None:
        self._record.log("o", text)

    add_stdout_lines = addStdout


class AttributeBuilds:
    """Runs the agent for attributes of one evaluation."""

    def __init__(
        self, step: BuildStep, plan: Plan, project: Project, origin: Origin, builders: Builders
    ) -> None:
        assert step.build is not None and step.master is not None
        self._step = step
        self._build = step.build
        self._master = step.master
        self._plan = plan
        self._project = project
        self._origin = origin
        self._builders = builders
        self._machine: str = step.build.getProperty("nix_machine")
        self._records = Records.find(step.master)
        self._running: set[AttributeBuild] = set()

    @classmethod
    async def of(cls, step: BuildStep, plan: Plan, project: Project) -> AttributeBuilds:
        """Those of the evaluation that is done by ``step``."""
        assert step.master is not None
        find = step.master.db.builders.findBuilderId
        builders = Builders(await find(project.eval_builder), await find(project.build_builder))
        return cls(step, plan, project, await origin(step, project), builders)

    def url(self, record: Record) -> str:
        """Where ``record`` can be seen, as soon as it is written; empty before."""
        ids = record.ids
        if ids is None:
            return ""
        base = self._master.config.buildbotURL
        return f"{base}#/builders/{ids.builder}/builds/{ids.number}"

    @property
    def cancel_url(self) -> str:
        """Where jobs that wait can be cancelled."""
        base = self._master.config.buildbotURL
        form = f"builders/{self._builders.evaluation}/force/{self._project.cancel_scheduler}"
        return f"{base}#/{form}"

    @async_to_deferred
    async def run(
        self, job: Job, attribute: str, slot: Slot, begun: Callable[[Record], None]
    ) -> Verdict:
        """Builds ``job``, which is below ``attribute`` of the flake, in ``slot``; ``begun`` is told
        when that begins."""
        build = AttributeBuild(self, job, attribute, slot, begun)
        self._running.add(build)
        try:
            return await build.run()
        finally:
            self._running.discard(build)

    def record(self, unbuilt: Unbuilt, attribute: str) -> Record:
        """The record of an attribute below ``attribute`` that ended badly without a build.

        It is rebuilt by building it all the same, if it evaluated; else by evaluating again.
        """
        rows = self._plan.unbuilt_properties(self._project.name, attribute, unbuilt)
        rows |= self._known()
        properties = properties_of(rows)
        if unbuilt.job is not None:
            # Without what made it unbuilt this time.
            wanted = self._plan.build_properties(self._project.name, attribute, unbuilt.job)
            rebuild = Rebuild(self._builders.build, properties_of(wanted | self._known()))
        else:
            force: dict[str, Property] = {FORCE_PROPERTY: (True, SOURCE)}
            rebuild = Rebuild(self._builders.evaluation, force)
        name = rows["virtual_builder_name"]
        worker = worker_id(self._evaluator())
        record = self._records.begin(
            self._origin,
            worker,
            name,
            properties,
            rebuild,
            unbuilt.step,
            unbuilt.log_name,
            HTML if unbuilt.is_html else STREAM,
        )
        record.log("" if unbuilt.is_html else "o", unbuilt.log)
        record.finish(FAILURE, unbuilt.text)
        return record

    def begin(self, job: Job, attribute: str, builder: Worker | None) -> Record:
        """The record of ``job``, whose build begins now on ``builder``; None if others build it."""
        rows = self._plan.build_properties(self._project.name, attribute, job)
        rows |= self._known()
        properties = properties_of(rows)
        rebuild = Rebuild(self._builders.build, dict(properties))
        if builder is not None:
            properties["workername"] = (builder.name, "Worker")
        worker = worker_id(builder or self._evaluator())
        name = rows["virtual_builder_name"]
        return self._records.begin(self._origin, worker, name, properties, rebuild, STEP)

    def take_over(self, job: Job, attribute: str, failed: FailedBuild) -> tuple[Verdict, Record]:
        """What comes of a build that another run did while this one waited for it."""
        verdict = failed.for_others()
        record = self.begin(job, attribute, None)
        record.log("h", f"Another evaluation built the same derivation at that time: {failed.url}")
        record.log("o", failed.verdict.message or "failed")
        end_record(record, verdict)
        return verdict, record

    def _known(self) -> dict[str, str]:
        """Properties that a rebuild needs too."""
        known = text_properties(self._build)
        return {name: known[name] for name in KNOWN if name in known}

    def _evaluator(self) -> Worker:
        """The worker that evaluated. It stands for none: Buildbot's page of a build without a
        worker stays blank."""
        return cast(Worker, self._step.worker)

    def stop(self, reason: str) -> None:
        """Ends all builds."""
        for build in list(self._running):
            build.stop(reason)

    def tell(self, record: Record) -> None:
        """Tells how ``record``, which has ended, did, as soon as it can be seen."""
        record.written.addCallback(lambda _: self._tell(record))

    def _tell(self, record: Record) -> None:
        end = record.end
        assert end is not None and record.ids is not None
        ended = AttributeEnded(
            subject=Subject.of(self._build, self._project.name),
            build=record.ids.build,
            attr=record.properties["attr"][0],
            name=record.builder_name,
            results=end.results,
            text=end.text,
            url=self.url(record),
            is_rebuild=False,
        )
        RunEvents.find(self._master).emit(ended)

    @async_to_deferred
    async def settled(self) -> None:
        """All builds that have begun are written, and have a URL."""
        await self._records.flush()


class AttributeBuild:
    """One of them."""

    def __init__(
        self,
        builds: AttributeBuilds,
        job: Job,
        attribute: str,
        slot: Slot,
        begun: Callable[[Record], None],
    ) -> None:
        self._builds = builds
        self._job = job
        self._attribute = attribute
        self._slot = slot
        self._begun = begun
        self._record: Record | None = None
        self._reader = OutcomeReader()
        self._command = SlotCommand(builds._master, builds._project.build_builder, builds._machine)

    def stop(self, reason: str) -> None:
        """Ends it, whether it runs or waits for another attempt."""
        self._command.stop(reason)
        self._slot.cancel()

    async def run(self) -> Verdict:
        """Builds; the record has ended afterwards, whatever happens."""
        verdict = Verdict(BuildResult.Transient, "its command could not be run")
        try:
            verdict = await self._run()
            if verdict.result == BuildResult.Succeeded:
                verdict = await self._after(verdict)
        except Exception:
            log.err(None, f"while building {self._job.attr}")
            if verdict.result == BuildResult.Succeeded:
                verdict = replace(verdict, warning="what comes after a build was not done")
        finally:
            if self._record is not None:
                end_record(self._record, verdict)
        return verdict

    async def _run(self) -> Verdict:
        patience = Patience(self._builds._plan, self._slot)
        try:
            while True:
                verdict = await self._attempt()
                if not await patience.goes_on(verdict, self._say):
                    return verdict
        except StoppedError:
            return Verdict(BuildResult.Cancelled)

    def _say(self, text: str) -> None:
        assert self._record is not None
        self._record.log("h", text)

    async def _attempt(self) -> Verdict:
        for _ in range(ATTEMPTS):
            try:
                remote = await self._command.run(self._builds._step, self._start)
            except WorkerLostError:
                assert self._record is not None
                self._record.log("h", "The connection to the worker was lost.")
                continue
            assert self._record is not None
            if remote.headers():
                self._record.log("h", remote.headers())
            if was_killed(remote) and self._reader.result is None:
                continue
            return Verdict.of(self._reader, remote)
        return Verdict(
            BuildResult.Transient, f"the worker was lost, or its agent killed, {ATTEMPTS} times"
        )

    async def _after(self, verdict: Verdict) -> Verdict:
        """What is done with a result. Returns what that makes of the build."""
        builds, record = self._builds, self._record
        assert record is not None
        plan, project = builds._plan, builds._project.name
        known = text_properties(builds._build)
        if plan.has_outputs:
            build = builds._origin.parent_build
            try:
                await in_thread(
                    plan.write_outputs, project, known, build, self._job.attr, verdict.outputs
                )
            except BuildbotNixError as error:
                log.msg(f"cannot write the output files of {self._job.attr}: {error}")
        if plan.uploads(project, known):
            Uploads.find(builds._master).wake(builds._machine)
        rows = plan.post_build_steps(project, known)
        if rows:
            await builds.settled()
            await RecordedStep.end_first(builds._master, record, *ending(verdict))
            properties = AttributeProperties(
                builds._build, {**record.properties, **recorded(verdict)}
            )
        for row in rows:
            command = PostBuildCommand(plan, row, self._job.attr, verdict.outputs)
            step = await RecordedStep.begin(builds._master, record, row.name)
            results, text = await command.run(
                builds._step, self._command, properties, cast(StreamLog, step)
            )
            await step.finish(results, text)
            if results == WARNINGS:
                verdict = replace(verdict, warning=f"{row.name} {text}")
            elif results != SUCCESS:
                message = f"built, but {row.name} {text}"
                return replace(verdict, result=MEANING[results], message=message)
        return verdict

    def _start(self, worker: Worker) -> AgentCommand:
        builds, job = self._builds, self._job
        if self._record is None:
            self._record = builds.begin(job, self._attribute, worker)
            self._record.on_stop = self.stop
            self._begun(self._record)
        self._reader = OutcomeReader()
        build = Buildable(job.drv_path, job.attr, text_properties(builds._build))
        log = cast(StreamLog, Transcript(self._record))
        return agent_command(builds._plan, builds._project, build, self._reader, log)


def end_record(record: Record, verdict: Verdict) -> None:
    """The build ended like that."""
    results, text = ending(verdict)
    record.finish(results, text, recorded(verdict))


def recorded(verdict: Verdict) -> dict[str, Property]:
    """Properties that the build gets by it."""
    return {name: (value, STEP) for name, value in verdict.properties.items()}


def properties_of(rows: dict[str, str]) -> dict[str, Property]:
    """Properties as records have them."""
    return {name: (value, SOURCE) for name, value in rows.items()}


def worker_id(worker: Worker) -> int:
    """What the database calls a worker that is configured."""
    assert isinstance(worker.workerid, int)
    return worker.workerid


async def origin(step: BuildStep, project: Project) -> Origin:
    """What the builds of the evaluation that is done by ``step`` have in common."""
    build, master = step.build, step.master
    assert build is not None and build.buildid is not None
    assert master is not None and master.masterid is not None
    revision = build.getProperty("got_revision")
    stamps = []
    for stamp in build.getAllSourceStamps():
        # The sources of the evaluation, at the revision that was checked out.
        stamps.append(
            await master.db.sourcestamps.findSourceStampId(
                branch=stamp.branch,
                revision=revision or stamp.revision,
                repository=stamp.repository,
                project=stamp.project,
                codebase=stamp.codebase,
            )
        )
    properties: dict[str, Property] = {
        name: (value, source)
        for name, value, source in build.getProperties().asList()
        if name in INHERITED or source == "Change"
    }
    if revision:
        properties["revision"] = (revision, "Build")
    return Origin(
        parent_build=build.buildid,
        project=await build.builder.find_project_id(project.buildbot_name),
        sourcestamps=tuple(stamps),
        master=master.masterid,
        properties=properties,
    )
