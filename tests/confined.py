"""Programs with no more system calls than a unit of systemd leaves them; one too many kills them.

As a program: ``confined.py NUMBERS COMMAND...``, where ``NUMBERS`` are of calls that are refused.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

# From <linux/prctl.h>, <linux/seccomp.h> and <linux/bpf_common.h>.
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
KILL, ALLOW = 0x80000000, 0x7FFF0000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
#: What these options refuse, see systemd.exec(5); the latter because it cannot look into arguments.
OPTIONS = {
    "ProtectHostname": {"sethostname", "setdomainname"},
    "RestrictSUIDSGID": {"openat2"},
}
#: SQLite calls it where it is root, which services are not.
OF_ROOT = {"fchown"}


class Confinement:
    """What a unit with these options refuses."""

    env: Mapping[str, str] = {}

    def __init__(self, options: Mapping[str, object]) -> None:
        filters = options["SystemCallFilter"]
        assert isinstance(filters, list)
        allowed = [name for name in filters if not name.startswith("~")]
        refused = members(name[1:] for name in filters if name.startswith("~"))
        if allowed:
            refused |= numbers().keys() - members(allowed)
        refused -= members(["@default"])
        for option, calls in OPTIONS.items():
            if options.get(option):
                refused |= calls
        if os.geteuid() == 0:
            refused -= OF_ROOT
        self.refused = sorted(numbers()[name] for name in refused & numbers().keys())

    @staticmethod
    def why_not() -> str | None:
        """Why nothing can be confined here; None if it can."""
        for program in ("systemd-analyze", "cc"):
            if shutil.which(program) is None:
                return f"there is no program `{program}`"
        tried = [sys.executable, __file__, str(numbers()["reboot"]), "true"]
        done = subprocess.run(tried, capture_output=True, text=True, check=False)
        return None if done.returncode == 0 else f"the kernel refuses: {done.stderr.strip()}"

    def command(self, argv: Sequence[str | Path]) -> list[str | Path]:
        """``argv`` in it."""
        return [sys.executable, __file__, ",".join(map(str, self.refused)), *argv]


@cache
def numbers() -> dict[str, int]:
    """The kernel's numbers of system calls, as the compiler knows them."""
    command = ["cc", "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.findall(r"^#define __NR_(\w+) (\d+)$", done.stdout, re.MULTILINE)
    return {name: int(number) for name, number in found}


def members(names: Iterable[str]) -> set[str]:
    """System calls of these names and groups, as systemd knows them."""
    found = set()
    for name in names:
        if name.startswith("@"):
            command = ["systemd-analyze", "syscall-filter", name]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            lines = (line.strip() for line in done.stdout.splitlines()[1:])
            found |= members(line for line in lines if line and not line.startswith("#"))
        else:
            found.add(name)
    return found


def confine(refused: Sequence[int]) -> None:
    """From now on, system calls of these numbers kill this process and what it starts."""
    steps = [(LOAD, 0, 0, 0)]
    for number in refused:
        steps += [(JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, KILL)]
    steps.append((RETURN, 0, 0, ALLOW))
    program = b"".join(struct.pack("HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(program, len(program))
    description = struct.pack("@HP", len(steps), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(description), 0, 0),
    ):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    confine([int(number) for number in sys.argv[1].split(",")])
    os.execvp(sys.argv[2], sys.argv[2:])
