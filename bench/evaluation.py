"""`make bench-eval`: evaluations by the agent, by nix-eval-jobs where that is, and by plain Nix.

All of it happens in a Nix store of its own in a temporary folder, without a daemon, so that the
processor time of the store is counted too and nothing is left behind.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import master
from bench.flakes import Shape, flake
from bench.measure import Cost, measure, middle
from tests.processes import TOOLS, environment
from tests.repository import IDENTITY, SYSTEM

SYSTEMS = ["x86_64-linux", "aarch64-linux", "x86_64-darwin", "aarch64-darwin"]
#: Evaluates what an agent does and prints as little as possible.
FORCE = "builtins.mapAttrs (_: it: { inherit (it) name system drvPath; })"
FEATURES = ["--extra-experimental-features", "nix-command flakes"]
TITLES = ["evaluation", "by", "wall s", "CPU s", "memory MiB", "output KB", "first job s"]


@dataclass(frozen=True)
class Case:
    """What is evaluated."""

    name: str
    checks: int
    shape: Shape
    systems: Sequence[str]


CASES = [
    Case("deep", 1000, "deep", [SYSTEM]),
    Case("shallow", 10_000, "independent", [SYSTEM]),
    Case("four systems", 1000, "independent", [SYSTEM, *(it for it in SYSTEMS if it != SYSTEM)]),
]


@dataclass(frozen=True)
class Contestant:
    """Something that evaluates flakes."""

    name: str
    #: The flake's folder, its systems → a command.
    command: Callable[[Path, Sequence[str]], list[str]]
    #: Is in the output as soon as there is a result.
    mark: bytes = b'"type":"job"'


def agent(program: str, engine: str, *options: str) -> Callable[[Path, Sequence[str]], list[str]]:
    """The command of a worker."""

    def command(folder: Path, _: Sequence[str]) -> list[str]:
        return [
            *(program, "eval", "--checkout", str(folder), "--format", "json"),
            *("--engine", engine, "--systems", SYSTEM, "--workers", "2", *options),
        ]

    return command


def plain(folder: Path, systems: Sequence[str]) -> list[str]:
    """Nix itself, in one go. It cannot leave out systems that it is not told of."""
    apply = FORCE if len(systems) == 1 else f"builtins.mapAttrs (_: {FORCE})"
    attribute = f"checks.{systems[0]}" if len(systems) == 1 else "checks"
    return [
        *("nix", *FEATURES, "eval", "--json", "--option", "eval-cache", "false"),
        *("--apply", apply, f"git+file://{folder}#{attribute}"),
    ]


def eval_jobs(*options: str) -> Callable[[Path, Sequence[str]], list[str]]:
    """nix-eval-jobs as the predecessor calls it, which evaluates all systems."""

    def command(folder: Path, _: Sequence[str]) -> list[str]:
        return [
            *("nix-eval-jobs", *FEATURES, "--option", "eval-cache", "false", "--force-recurse"),
            *("--workers", "2", *options, "--flake", f"git+file://{folder}#checks"),
        ]

    return command


def contestants(program: str, path: str) -> list[Contestant]:
    """All that there are on this machine."""
    found = [
        Contestant("agent, Nix", agent(program, "nix", "--no-reuse")),
        Contestant("`nix eval`", plain, b"{"),
    ]
    if shutil.which("bwrap", path=path):
        options = ["--no-reuse", "--sandbox", "required"]
        found.append(Contestant("agent, Nix, sandbox", agent(program, "nix", *options)))
    if shutil.which("nix-eval-jobs", path=path):
        found += [
            Contestant("agent, nix-eval-jobs", agent(program, "nix-eval-jobs", "--no-reuse")),
            Contestant("nix-eval-jobs", eval_jobs(), b"drvPath"),
            Contestant("nix-eval-jobs with status", eval_jobs("--check-cache-status"), b"drvPath"),
        ]
    return found


@dataclass
class Bench:
    """A store, and what was measured in it."""

    folder: Path
    program: str
    rounds: int
    env: dict[str, str] = field(default_factory=dict)
    #: By case, state of the derivations, contestant.
    costs: dict[tuple[str, str, str], Cost] = field(default_factory=dict)
    #: The agent's output for the case `shallow`.
    lines: bytes = b""

    def __post_init__(self) -> None:
        store = self.folder / "nix"
        self.env = {
            **environment(self.folder / "home"),
            **IDENTITY,
            "NIX_STORE_DIR": str(store / "store"),
            "NIX_STATE_DIR": str(store / "var"),
            "NIX_LOG_DIR": str(store / "log"),
        }
        for name in ("home", "nix"):
            (self.folder / name).mkdir()

    def run(self, case: Case) -> None:
        """Everybody evaluates flakes of their own, new ones first, then the same again."""
        rivals = contestants(self.program, self.env["PATH"])
        costs: dict[tuple[str, str], list[Cost]] = {}
        for number in range(self.rounds):
            # Turn by turn, so that a change of the machine's load concerns all alike.
            for rival in rivals[number % len(rivals) :] + rivals[: number % len(rivals)]:
                folder = self._repository(case, f"{case.name}-{rival.name}-{number}")
                argv = rival.command(folder, case.systems)
                for state in ("new", "known"):
                    cost, output = self._measure(argv, rival.mark)
                    costs.setdefault((state, rival.name), []).append(cost)
                    if case.name == "shallow" and rival is rivals[0]:
                        self.lines = output
        for (state, name), several in costs.items():
            self.costs[case.name, state, name] = middle(several)

    def again(self, case: Case) -> None:
        """The agent finds that nothing has changed."""
        folder = self._repository(case, f"{case.name}-again")
        # With links that keep it, as a worker makes them.
        keep = ["--run", "bench-1", "--gc-roots-user", "bench"]
        command = agent(self.program, "nix", "--cache-dir", str(self.folder / "memory"), *keep)
        argv = command(folder, case.systems)
        self._measure(argv, b"")
        costs = [self._measure(argv, b'"type":"job"') for _ in range(self.rounds)]
        assert all(b'"type":"reused"' in output for _, output in costs)
        middle_cost = middle([cost for cost, _ in costs])
        self.costs[case.name, "the same tree again", "agent, Nix"] = middle_cost

    def _measure(self, argv: list[str], mark: bytes) -> tuple[Cost, bytes]:
        cost, output = measure(argv, env=self.env, cwd=self.folder, mark=mark, allowed=[0])
        return cost, output

    def _repository(self, case: Case, name: str) -> Path:
        folder = self.folder / "".join(it if it.isalnum() else "-" for it in name)
        folder.mkdir()
        text = flake(case.checks, case.shape, case.systems, name)
        (folder / "flake.nix").write_text(text)
        for arguments in ("init --quiet", "add --all", "commit --quiet --message x"):
            argv = ["git", "-C", str(folder), *arguments.split()]
            subprocess.run(argv, env=self.env, check=True)
        return folder

    def rows(self) -> Iterator[str]:
        """The table of the README."""
        yield "| " + " | ".join(TITLES) + " |"
        yield "|" + " --- |" * len(TITLES)
        for (case, state, name), cost in self.costs.items():
            # Plain Nix prints everything at its end.
            first = "-" if cost.first is None or name == "`nix eval`" else f"{cost.first:.2f}"
            cells = [
                *(f"{case}, {state}", name, f"{cost.wall:.2f}", f"{cost.cpu:.2f}"),
                *(f"{cost.memory:.0f}", f"{cost.output / 1000:.0f}", first),
            ]
            yield "| " + " | ".join(cells) + " |"


def verdicts(
    costs: Mapping[tuple[str, str, str], Cost], feeding: master.Feeding | None
) -> Iterator[tuple[str, str, bool | None]]:
    """Every target: what was measured, and whether that is good enough; None if it cannot be
    measured here."""
    ours, jobs, status = "agent, Nix", "nix-eval-jobs", "nix-eval-jobs with status"
    fastest = costs.get(("deep", "new", jobs))
    theirs = costs.get(("deep", "new", status))
    with_jobs = costs.get(("deep", "new", "agent, nix-eval-jobs"))
    if fastest is None or theirs is None or with_jobs is None:
        yield "5 times as fast as nix-eval-jobs with status, deep", "absent", None
        yield "20 times fewer bytes than nix-eval-jobs with status, deep", "absent", None
    else:
        faster = theirs.wall / with_jobs.wall
        smaller = theirs.output / with_jobs.output
        yield "5 times as fast as nix-eval-jobs with status, deep", f"{faster:.1f}", faster >= 5
        yield "20 times fewer bytes than it, deep", f"{smaller:.1f}", smaller >= 20
    rival = jobs if fastest else "`nix eval`"
    for (case, state, name), cost in costs.items():
        other = costs.get((case, state, rival))
        if name == ours and other is not None:
            ratio = cost.wall / other.wall
            work = cost.cpu / other.cpu
            text = f"{ratio:.2f} (CPU {work:.2f})"
            yield f"within 1.2 times {rival}: {case}, {state}", text, ratio <= 1.2
    for (case, state, name), cost in costs.items():
        if name.startswith("agent") and cost.first is not None and state != "the same tree again":
            title = f"first job in 1 s: {case}, {state}, {name}"
            yield title, f"{cost.first:.2f} s", cost.first < 1
        elif state == "the same tree again":
            yield f"again in 0.5 s: {case}", f"{cost.wall:.2f} s", cost.wall < 0.5
    if feeding is not None:
        title = f"{feeding.lines} job lines cost the master less than 2 s"
        yield title, f"{feeding.cpu:.2f} s", feeding.cpu < 2
        yield "no stall above 20 ms", feeding.longest_text(), feeding.longest < 0.02


def main() -> None:
    """Runs everything and prints it."""
    parser = argparse.ArgumentParser(prog="bench.evaluation", description=__doc__)
    default = str(TOOLS[0] / "buildbot-nix")
    parser.add_argument("--agent", default=default, help="the command buildbot-nix")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many counts")
    parser.add_argument("--case", choices=[case.name for case in CASES], nargs="*")
    parser.add_argument("--lines", type=int, default=50_000, help="job lines for the master")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-eval-") as folder:
        # Derivations in the store are read-only, but so is no folder; nothing has to be unlocked.
        bench = Bench(Path(folder).resolve(), arguments.agent, arguments.rounds)
        for case in CASES:
            if not arguments.case or case.name in arguments.case:
                bench.run(case)
                bench.again(case)
        print("\n".join(bench.rows()))
        feeding = master.feed(bench.lines, arguments.lines) if bench.lines else None
        costs = bench.costs
    if feeding is not None:
        print(f"\n{json.dumps(feeding.longest_calls)}")
    print("\n| target | measured | |\n| --- | --- | --- |")
    for title, measured, is_met in verdicts(costs, feeding):
        word = {True: "met", False: "MISSED", None: "not here"}[is_met]
        print(f"| {title} | {measured} | {word} |")
    print(f"\nLoad of the machine {load:.1f} before, {os.getloadavg()[0]:.1f} after.")


if __name__ == "__main__":
    main()
