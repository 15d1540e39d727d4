"""Flakes with a given number of trivial checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Shape = Literal["mixed", "independent", "chain", "deep"]

#: Derivations that are no checks and that every check of the shape ``deep`` needs.
SHARED = 320

#: `name -> needs -> derivation`; what a check needs is in its script, so that Nix knows.
HEADER = """{
  outputs = { self }: let
    checksFor = system: let
      mk = name: needs: derivation {
        inherit name system;
        builder = "/bin/sh";
        args = [ "-c" "echo @SALT@ ${toString needs} > $out" ];
      };
@SHARED@    in rec {
"""

#: Each needs its neighbour and one far below, like packages of a distribution.
SHARED_LAYER = """      shared = builtins.genList (number:
        mk "shared-${toString number}" (if number == 0 then [ ] else [
          (builtins.elemAt shared (number - 1))
          (builtins.elemAt shared (number / 2))
        ])) @COUNT@;
      # The top of all that is shared, and some of it directly.
      above = number: map (builtins.elemAt shared) (
        [ (@COUNT@ - 1) ]
        ++ builtins.genList (step: let
          far = number + 29 * step;
        in far - far / @COUNT@ * @COUNT@) 10
      );
"""

FOOTER = """    };
  in {
    checks = builtins.listToAttrs (map (name: { inherit name; value = checksFor name; }) [
      @SYSTEMS@
    ]);
  };
}
"""


#: Builders print as fast as a shell can.
CHATTY = """{
  outputs = { self }: {
    checks.@SYSTEM@ = builtins.listToAttrs (builtins.genList (number: rec {
      name = "talk${toString number}";
      value = derivation {
        inherit name;
        system = "@SYSTEM@";
        builder = "/bin/sh";
        args = [ "-c" ''
          i=0
          while [ $i -lt @LINES@ ]; do echo line $i of @SALT@; i=$((i + 1)); done
          echo > $out
        '' ];
      };
    }) @BUILDS@);
  };
}
"""


#: Fixed outputs: what they are is known without building them.
STORED = """{
  outputs = { self }: {
    checks.@SYSTEM@ = builtins.listToAttrs (builtins.genList (number: rec {
      name = "@NAME@${toString number}";
      value = derivation {
        inherit name;
        system = "@SYSTEM@";
        builder = "/bin/sh";
        args = [ "-c" "exit 1" ];
        salt = "@SALT@";
        outputHashMode = "flat";
        outputHashAlgo = "sha256";
        outputHash = builtins.hashString "sha256" "@TEXT@";
      };
    }) @COUNT@);
  };
}
"""
STORED_NAME = "bench-stored-"
#: What is in each of them.
STORED_TEXT = "stored"

#: Builders fail.
FAILING = """{
  outputs = { self }: {
    checks.@SYSTEM@ = builtins.listToAttrs (builtins.genList (number: rec {
      name = "bad${toString number}";
      value = derivation {
        inherit name;
        system = "@SYSTEM@";
        builder = "/bin/sh";
        args = [ "-c" "echo @SALT@ does not work; exit 1" ];
      };
    }) @COUNT@);
  };
}
"""


def stored(count: int, system: str, salt: str) -> str:
    """Text of a flake whose outputs are files with :data:`STORED_TEXT`, called as
    :func:`stored_name` says. Its derivations are new for each salt, the outputs are not."""
    text = STORED.replace("@COUNT@", str(count)).replace("@NAME@", STORED_NAME)
    text = text.replace("@TEXT@", STORED_TEXT)
    return text.replace("@SYSTEM@", system).replace("@SALT@", salt)


def stored_name(number: int) -> str:
    """The name of an output of :func:`stored`."""
    return f"{STORED_NAME}{number}"


def failing(count: int, system: str, salt: str) -> str:
    """Text of a flake with as many checks, none of which can be built."""
    text = FAILING.replace("@COUNT@", str(count))
    return text.replace("@SYSTEM@", system).replace("@SALT@", salt)


def chatty(builds: int, lines: int, system: str, salt: str) -> str:
    """Text of a flake whose builders print so many lines each."""
    text = CHATTY.replace("@BUILDS@", str(builds)).replace("@LINES@", str(lines))
    return text.replace("@SYSTEM@", system).replace("@SALT@", salt)


def needs(shape: Shape, number: int) -> list[int]:
    """The checks that check `number` needs."""
    if number == 0 or shape in ("independent", "deep"):
        return []
    if shape == "chain":
        return [number - 1]
    # As in the measurements of others: every tenth needs the one before.
    return [number - 1] if number % 10 == 0 else []


def flake(checks: int, shape: Shape, systems: Sequence[str], salt: str) -> str:
    """Text of a flake with as many checks for each system; another salt gives other derivations."""
    rows = []
    for number in range(checks):
        names = f"[ {' '.join(f'c{needed:05}' for needed in needs(shape, number))} ]"
        if shape == "deep":
            names = f"(above {number})"
        rows.append(f'      c{number:05} = mk "c{number:05}" {names};\n')
    shared = SHARED_LAYER.replace("@COUNT@", str(SHARED)) if shape == "deep" else ""
    text = HEADER.replace("@SHARED@", shared) + "".join(rows) + FOOTER
    quoted = " ".join(f'"{system}"' for system in systems)
    return text.replace("@SYSTEMS@", quoted).replace("@SALT@", salt)
