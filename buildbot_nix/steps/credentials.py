"""Secrets for an agent: files on the worker that are there while it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from buildbot.process.buildstep import BuildStep
from buildbot.process.properties import Properties, Secret
from buildbot.process.remotecommand import RemoteCommand
from buildbot.steps.worker import CompositeStepMixin
from buildbot.util.twisted import async_to_deferred
from twisted.python import log

from buildbot_nix.agent import AgentCommand


class WithCredentials(CompositeStepMixin, BuildStep):
    """Runs the agent with files of secrets beside the folder of the build."""

    logEnviron = False

    @async_to_deferred
    async def with_credentials(
        self,
        folder: str,
        secrets: Mapping[str, str],
        run: Callable[[], Awaitable[AgentCommand]],
        *,
        is_hidden: Callable[[str], bool] = lambda _: True,
    ) -> AgentCommand:
        """Awaits ``run`` while ``folder`` has the secrets: their names, by name of the file.
        ``is_hidden`` tells by the name what logs must not show."""
        texts = {
            file: await self._secret(name, is_hidden=is_hidden(name))
            for file, name in secrets.items()
        }
        try:
            for file, text in texts.items():
                await self.downloadFileContentToWorker(
                    file, f"{text}\n", abandonOnFailure=True, mode=0o600, workdir=folder
                )
            return await run()
        finally:
            # The agent removes them too, but it may never have been started, or been killed.
            if texts:
                await self._remove(folder)

    async def _secret(self, name: str, *, is_hidden: bool) -> str:
        assert self.build is not None
        secret = Secret(name)
        if is_hidden:
            # The build hides what it renders in logs, and in what the agent says.
            return str(await self.build.render(secret))
        shown = Properties()
        shown.master = self.master
        return str(await shown.render(secret))

    async def _remove(self, folder: str) -> None:
        """Also if the step was stopped: ``runCommand`` runs nothing any more then."""
        assert self.build is not None and self.build.builder.name
        command = RemoteCommand("rmdir", {"dir": folder, "logEnviron": False})
        command.worker = self.worker
        # Whose end Buildbot sees to if the worker is lost.
        self.cmd = command
        try:
            await command.run(self, self.remote, self.build.builder.name)
        except Exception as error:
            # What ends the step is said elsewhere.
            log.msg(f"cannot remove {folder} from {self.worker}: {error}")
        finally:
            self.cmd = None
