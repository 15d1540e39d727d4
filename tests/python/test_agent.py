"""What an agent says is looked at in bounded pieces, all of it before its command ends."""

from __future__ import annotations

from buildbot.util.eventual import flushEventualQueue
from twisted.internet import defer
from twisted.trial import unittest

from buildbot_nix.agent import SLICE, AgentCommand


class OutputTest(unittest.TestCase):
    def setUp(self) -> None:
        self.taken: list[bytes] = []
        self.command = AgentCommand(
            workdir="build", command=["true"], on_output=self.taken.append, max_time=1
        )

    async def test_much_at_once_leaves_the_reactor_in_between(self) -> None:
        text = "".join(f"{number:07}\n" for number in range(SLICE // 2))
        self.command.add_stdout_lines(text, False)
        assert len(self.taken) == 1
        self.command.add_stdout_lines("the end\n", False)
        assert len(self.taken) == 1
        await flushEventualQueue()
        assert max(map(len, self.taken)) <= SLICE
        assert b"".join(self.taken).decode() == text + "the end\n"

    async def test_a_command_ends_after_its_output_is_taken(self) -> None:
        text = "x" * (3 * SLICE)
        self.command.add_stdout_lines(text, False)
        ended: defer.Deferred[None] = self.command.remoteComplete(None)
        assert not ended.called
        await ended
        assert b"".join(self.taken).decode() == text

    def test_little_is_taken_at_once(self) -> None:
        self.command.add_stdout_lines("a line\n", False)
        assert self.taken == [b"a line\n"]
