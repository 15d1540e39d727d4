"""`make bench`: real masters, workers and Nix, beside Nix alone and bare Buildbot builds."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import builds, deliveries, forges, logs, projects, rows, statuses
from bench.instance import Options
from bench.report import Aim, verdicts
from tests.processes import BUILD

#: What can be measured, in the order in which it is.
PARTS: dict[str, Callable[[Options], Iterator[str | Aim]]] = {
    "builds": builds.new,
    "chain": builds.chain,
    "failing": builds.failing,
    "stored": builds.stored,
    "rows": rows.rows,
    "logs": logs.logs,
    "projects": projects.projects,
    "deliveries": deliveries.deliveries,
    "statuses": statuses.statuses,
    "discovery": forges.discovery,
}
BUILDBOTS = {"both": ["stock", "patched"], "all": ["patched"], "none": ["stock"]}


def main() -> None:
    """Measures what the command line asks for, prints tables, and what is aimed at in the end."""
    described = "; ".join(f"{name}: {part.__doc__}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, epilog=described)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (all)")
    parser.add_argument("--patches", choices=BUILDBOTS, default="both")
    parser.add_argument("--sizes", type=int, nargs="*", default=[100, 1000, 4000])
    parser.add_argument("--bare", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--stored", type=int, default=50_000)
    parser.add_argument("--log-builds", type=int, default=20)
    parser.add_argument("--log-lines", type=int, default=20_000)
    parser.add_argument("--agent", type=Path, help="the command buildbot-nix (as on PATH)")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(unknown)}")
    buildbots = BUILDBOTS[arguments.patches]
    for buildbot in buildbots:
        assert (BUILD / buildbot).is_dir(), f"no {BUILD / buildbot}: run `make setup`"
    given = vars(arguments)
    options = Options(
        buildbots=buildbots,
        **{name: given[name] for name in Options.__annotations__ if name in given},
    )
    aims: list[Aim] = []
    for name in arguments.parts or PARTS:
        print(f"\n## {name}: {PARTS[name].__doc__}", flush=True)
        for said in PARTS[name](options):
            if isinstance(said, Aim):
                aims.append(said)
            else:
                print(said, flush=True)
    for line in verdicts(aims):
        print(line)


if __name__ == "__main__":
    main()
