"""Buildbot workers of one machine, all in one process: `twistd --nodaemon --python worker.tac`.

The command `buildbot-nix` and Nix have to be on PATH. From the environment:

MASTER_URL            where the master is, a Twisted client endpoint; tcp:host=localhost:port=9989,
                      or tls:host=ci.example.org:port=9989 (docs/configuration.md)
WORKER_NAME           this machine's `name` in the master's workers file; its host name
WORKER_COUNT          this machine's `cores` there; 0 = as many as it has
WORKER_PASSWORD_FILE  file with its `pass` there; worker-password beside this file
BUILDBOT_DIR          workers work in <this>-000, <this>-001, …; worker beside this file
WORKER_DRAIN_SECONDS  how long what runs is waited for after SIGHUP, which ends the process as
                      soon as nothing has run for a while; 10800
"""

import os
import re
import signal
import socket

from buildbot_worker.bot import Worker
from twisted.application import service
from twisted.internet import reactor, task
from twisted.python import log

HERE = os.path.dirname(os.path.abspath(__file__))


def host_name():
    """As Buildbot takes it: letters, digits, `-` and `_`, no digit in front."""
    name = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname())
    return "_" + name if name[:1].isdigit() else name


def cores():
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def setting(name, default):
    """A variable of the environment; an empty one counts as missing."""
    return os.environ.get(name) or default


master = setting("MASTER_URL", "tcp:host=localhost:port=9989")
machine = setting("WORKER_NAME", host_name())
count = int(setting("WORKER_COUNT", "0")) or cores()
folder = setting("BUILDBOT_DIR", os.path.join(HERE, "worker"))
patience = int(setting("WORKER_DRAIN_SECONDS", "10800"))
with open(setting("WORKER_PASSWORD_FILE", os.path.join(HERE, "worker-password"))) as file:
    password = file.read().rstrip()


class Drain(service.Service):
    """Ends the process after SIGHUP, in a moment in which none of its workers runs a command.

    Between two commands of one run there are none for an instant, so quiet has to last. Buildbot's
    own way, `allow_shutdown`, ends all workers of a process as soon as the first is idle.
    """

    QUIET_SECONDS = 10

    def __init__(self, workers, patience):
        self.workers = workers
        self.patience = patience
        self.look = task.LoopingCall(self.end_if_quiet)

    def startService(self):
        super().startService()
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(self.begin))

    def begin(self):
        if self.look.running:
            return
        log.msg("waiting until nothing runs here, then ending")
        self.quiet_since = reactor.seconds()
        self.deadline = reactor.seconds() + self.patience
        self.look.start(1)

    def end_if_quiet(self):
        now = reactor.seconds()
        if any(slot.protocol_command for w in self.workers for slot in w.bot.builders.values()):
            self.quiet_since = now
        if now >= min(self.quiet_since + self.QUIET_SECONDS, self.deadline):
            self.look.stop()
            reactor.stop()


# `buildbot-worker` knows a worker's folder by this line.
application = service.Application('buildbot-worker')
workers = []
for index in range(count):
    basedir = f"{folder}-{index:03}"
    os.makedirs(basedir, mode=0o700, exist_ok=True)
    worker = Worker(
        None,
        None,
        f"{machine}-{index:03}",
        password,
        basedir,
        keepalive=600,
        maxdelay=300,
        connection_string=master,
    )
    # Seconds that output may be held back, by default 5: builds start while an evaluation goes on
    # as soon as the master hears of them.
    worker.bot.buffer_timeout = 0.5
    worker.setServiceParent(application)
    workers.append(worker)
Drain(workers, patience).setServiceParent(application)
