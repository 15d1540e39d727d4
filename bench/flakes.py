"""Flakes with a given number of trivial checks."""

from __future__ import annotations

from typing import Literal

Shape = Literal["mixed", "independent", "chain", "diamonds"]

#: `name -> needs -> derivation`; what a check needs is in its script, so that Nix knows.
HEADER = """{
  outputs = { self }: let
    mk = name: needs: derivation {
      inherit name;
      system = "@SYSTEM@";
      builder = "/bin/sh";
      args = [ "-c" "echo @SALT@ ${toString needs} > $out" ];
    };
    checks = rec {
"""

FOOTER = """    };
  in { checks."@SYSTEM@" = checks; };
}
"""


def needs(shape: Shape, number: int) -> list[int]:
    """The checks that check `number` needs."""
    if number == 0 or shape == "independent":
        return []
    if shape == "chain":
        return [number - 1]
    if shape == "diamonds":
        # 0 <- 1, 2 <- 3 <- 4, 5 <- 6 ...
        if number % 3 == 0:
            return [number - 2, number - 1]
        return [number - number % 3]
    # As in the measurements of others: every tenth needs the one before.
    return [number - 1] if number % 10 == 0 else []


def flake(checks: int, shape: Shape, system: str, salt: str) -> str:
    """Text of a flake; another salt gives other derivations."""
    rows = [
        f'      c{number:05} = mk "c{number:05}" '
        f"[ {' '.join(f'c{needed:05}' for needed in needs(shape, number))} ];\n"
        for number in range(checks)
    ]
    text = HEADER + "".join(rows) + FOOTER
    return text.replace("@SYSTEM@", system).replace("@SALT@", salt)
