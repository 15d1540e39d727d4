"""Stage event: what forges deliver to ``change_hook/<forge>``.

Says yes as soon as the delivery is in the database, and why not otherwise. Buildbot's own hooks
answer only when the change is made, with a traceback in the log for what they do not understand.
"""

from __future__ import annotations

from typing import Any

from buildbot.master import BuildMaster
from buildbot.util.twisted import async_to_deferred
from buildbot.www.hooks.base import BaseHookHandler
from twisted.internet import defer
from twisted.python import log
from twisted.web.server import Request

from buildbot_nix._native import BODY_BYTES_MAX, ForgeKind
from buildbot_nix.errors import BuildbotNixError, EventError
from buildbot_nix.inbox import Inbox, log_failure

#: Seconds after which a delivery is given back to the forge, which waits ten.
PATIENCE_SECONDS = 8


class ForgeHook(BaseHookHandler):
    """Takes the deliveries of one forge. Buildbot makes one of these and keeps it for ever, so it
    holds nothing of the configuration."""

    def __init__(self, master: BuildMaster, options: dict[str, Any]) -> None:
        super().__init__(master, options)
        self._forge: ForgeKind = options["forge"]

    def getChanges(self, request: Request) -> defer.Deferred[Any]:
        """Answers ``request``. What is returned never fires: Buildbot would answer once more, and
        knows only two ways to do so."""
        ended: list[Any] = []
        # A forge that hung up is not answered.
        request.notifyFinish().addErrback(ended.append)
        self._answer(request, ended).addErrback(log_failure, "while answering a webhook")
        return defer.Deferred()

    @async_to_deferred
    async def _answer(self, request: Request, ended: list[Any]) -> None:
        try:
            is_new = await self._take(request)
            status, text = (202, "accepted") if is_new else (200, "this was delivered before")
        except EventError as error:
            status, text = error.status, str(error)
        except defer.TimeoutError:
            status, text = 503, "the database does not answer; deliver it again later"
        except BuildbotNixError as error:
            status, text = 503, f"the delivery cannot be checked: {error}"
        except Exception:
            log.err(None, f"while taking a delivery of {self._forge.word}")
            status, text = 500, "a defect in buildbot-nix; its log has more"
        if status >= 400:
            client = request.getClientAddress()
            who = getattr(client, "host", None) or "somebody"
            log.msg(f"refused a delivery to change_hook/{self._forge.word} from {who}: {text}")
        if ended:
            return
        request.setResponseCode(status)
        request.setHeader("Content-Type", "text/plain; charset=utf-8")
        request.write(f"{text}\n".encode())
        request.finish()

    async def _take(self, request: Request) -> bool:
        if request.method != b"POST":
            raise EventError("forges deliver with POST", 405)
        content = request.content
        assert content is not None
        # The body is in a file if it is large, and stays there.
        size = content.seek(0, 2)
        content.seek(0)
        if size > BODY_BYTES_MAX:
            raise EventError(f"its body is larger than {BODY_BYTES_MAX} bytes", 413)
        headers = {
            name.decode("latin-1").lower(): values[-1].decode("latin-1")
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        inbox = Inbox.find(self.master)
        if inbox is None:
            raise EventError("the master is starting; deliver it again later", 503)
        taken = inbox.take(self._forge, headers, content.read())
        return await taken.addTimeout(PATIENCE_SECONDS, self.master.reactor)
