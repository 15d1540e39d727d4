"""The Buildbot master, for `buildbot start` and `twistd --python buildbot.tac`."""

import atexit
import os
import sys

from buildbot.master import BuildMaster
from twisted.application import service
from twisted.python import log
from twisted.python.logfile import LogFile

from buildbot_nix import preflight

basedir = os.path.dirname(os.path.abspath(__file__))
configfile = "master.cfg"
settings = os.environ.get("BUILDBOT_NIX_SETTINGS", os.path.join(basedir, "settings.yaml"))


class CannotStart(SystemExit, Exception):
    """Ends twistd without a traceback; as an Exception too, or its waiting parent never ends."""


class Preflight(service.Service):
    """Says in words what keeps the master from starting, before Buildbot says it in tracebacks.

    A service, because Buildbot's commands read this file too, also while the master runs.
    """

    def privilegedStartService(self):
        try:
            preflight(settings)
        except SystemExit as problems:
            log.msg(str(problems))
            # `buildbot start` leaves at this line, so twistd should have nothing more to say.
            atexit.register(log.msg, "BuildMaster startup failed")
            raise CannotStart(1) from None


# `buildbot` knows a master's folder by this line.
application = service.Application('buildmaster')
if "--logfile=twistd.log" in sys.argv:
    # `buildbot start` wants this file, which would grow without end. Without it, twistd --nodaemon
    # writes to stdout, as systemd and containers like it.
    logfile = LogFile.fromFullPath(
        os.path.join(basedir, "twistd.log"), rotateLength=10_000_000, maxRotatedFiles=10
    )
    application.setComponent(log.ILogObserver, log.FileLogObserver(logfile).emit)

Preflight().setServiceParent(application)
BuildMaster(basedir, configfile, umask=None).setServiceParent(application)
