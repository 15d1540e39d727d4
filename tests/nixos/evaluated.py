"""What ``machines.nix`` says: with a stand-in for nixpkgs; with nixpkgs' own lib as well if
``NIXPKGS_LIB`` names it, and with its modules too if ``NIXPKGS_NIXOS`` names its folder ``nixos``.
"""

from __future__ import annotations

import os

from tests.nixos.machines import evaluate

LIB, NIXOS = (os.environ.get(name) or None for name in ("NIXPKGS_LIB", "NIXPKGS_NIXOS"))
MACHINES = {"stand-in": evaluate()}
if LIB:
    MACHINES["lib"] = evaluate(LIB)
if LIB and NIXOS:
    MACHINES["nixos"] = evaluate(LIB, NIXOS)
#: With the stand-in, which has the documentation of options too.
OURS = MACHINES["stand-in"]
