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


#: Checks that differ in their number only.
MANY = """{
  outputs = { self }: {
    checks.@SYSTEM@ = builtins.listToAttrs (builtins.genList (number: rec {
      name = "@NAME@${toString number}";
      value = derivation {
        inherit name;
        system = "@SYSTEM@";
        builder = "/bin/sh";
        args = [ "-c" "@SCRIPT@" ];
        salt = "@SALT@";
        @MORE@
      };
    }) @COUNT@);
  };
}
"""

STORED_NAME = "bench-stored-"
#: What is in each of them.
STORED_TEXT = "stored"
#: What an output is, is known without building it.
FIXED = f"""outputHashMode = "flat";
        outputHashAlgo = "sha256";
        outputHash = builtins.hashString "sha256" "{STORED_TEXT}";"""


def many(count: int, name: str, system: str, salt: str, script: str, more: str = "") -> str:
    """Text of a flake with checks ``<name>0`` and so on, whose builders run ``script``. Another
    salt gives other derivations."""
    text = MANY.replace("@NAME@", name).replace("@SCRIPT@", script).replace("@MORE@", more)
    text = text.replace("@COUNT@", str(count)).replace("@SYSTEM@", system)
    return text.replace("@SALT@", salt)


def stored(count: int, system: str, salt: str) -> str:
    """Checks whose outputs are files with :data:`STORED_TEXT`, called as :func:`stored_name` says,
    whatever the salt."""
    return many(count, STORED_NAME, system, salt, "exit 1", FIXED)


def stored_name(number: int) -> str:
    """The name of an output of :func:`stored`."""
    return f"{STORED_NAME}{number}"


def failing(count: int, system: str, salt: str) -> str:
    """Checks none of which can be built."""
    return many(count, "bad", system, salt, "echo $salt does not work; exit 1")


def chatty(count: int, lines: int, system: str, salt: str) -> str:
    """Checks whose builders print so many lines each, as fast as a shell can."""
    loop = f"i=0; while [ $i -lt {lines} ]; do echo line $i of $salt; i=$((i + 1)); done"
    return many(count, "talk", system, salt, f"{loop}; echo > $out")


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
