"""The garbage collector leaves a configuration alone, and takes the one before it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Generator
from typing import Any

from buildbot.test.fake import fakemaster
from buildbot.test.reactor import TestReactorMixin
from twisted.internet import defer
from twisted.trial import unittest

from buildbot_nix.heap import Heap


class Cycle:
    """Something that only the garbage collector can free."""

    def __init__(self) -> None:
        self.me = self


class TestHeap(TestReactorMixin, unittest.TestCase):
    @defer.inlineCallbacks
    def setUp(self) -> Generator[Any, Any, None]:
        self.setup_test_reactor()
        self.addCleanup(gc.unfreeze)
        self.master = yield fakemaster.make_master(self)
        self.heap = Heap(plan=object())
        yield self.heap.setServiceParent(self.master)
        yield self.master.startService()
        self.addCleanup(self.master.stopService)

    def test_it_waits_for_the_master_to_be_configured(self) -> None:
        gc.unfreeze()
        lock = self.master.initLock
        lock.acquire()
        self.heap.reconfigService(plan=object())
        assert gc.get_freeze_count() == 0
        lock.release()
        assert gc.get_freeze_count() > 0

    def test_what_is_left_of_the_last_configuration_is_freed(self) -> None:
        old = Cycle()
        left = weakref.ref(old)
        gc.freeze()
        del old
        gc.collect()
        assert left() is not None, "it is kept until somebody looks"
        self.heap.reconfigService(plan=object())
        assert left() is None
