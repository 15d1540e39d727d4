"""The measurement of what job lines cost the master does what it says, so that it works when it
is needed."""

from __future__ import annotations

import json

from bench import master

DRV = "/nix/store/{:032}-c{:05}.drv"


def test_a_run_takes_many_lines() -> None:
    lines = [{"type": "start", "version": 1, "engine": "nix", "engineVersion": "2.26.3"}]
    lines[0] |= {"attribute": "checks", "flakeDir": ".", "systems": ["x86_64-linux"]}
    for number in range(100):
        name = f"c{number:05}"
        job = {"type": "job", "attr": f"x86_64-linux.{name}", "attrPath": ["x86_64-linux", name]}
        job |= {"name": name, "system": "x86_64-linux", "drvPath": DRV.format(number, number)}
        lines.append(job | {"outputs": {"out": None}, "cacheStatus": "notBuilt"})
    output = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    feeding = master.feed(output.encode(), 300)
    assert feeding.lines == 300
    assert set(feeding.longest_calls) >= {"piece of output", "end", "cancelling", "summary page"}
