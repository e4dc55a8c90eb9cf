"""What our fabfile adds to the start of `fab`: `fab --list` here, and with an empty fabfile.

    python -m bench.fab_list [--runs N] [--check]

The two take turns, so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

from bench.measure import PROJECT, add_common_options, goal, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

ALLOWED: Final = 1.10


def _list(directory: Path) -> float:
    fab = Path(sys.executable).with_name("fab")
    began = time.perf_counter()
    shown = subprocess.run([fab, "--list"], cwd=directory, capture_output=True, check=False)
    seconds = time.perf_counter() - began
    # Fabric ends with 1 when a fabfile holds no task.
    empty = b"No tasks found" in shown.stdout + shown.stderr
    if shown.returncode and not empty:
        raise SystemExit(f"fab --list failed in {directory}: {shown.stderr.decode()}")
    return seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table, and whether the goal is met."""
    parser = argparse.ArgumentParser(prog="python -m bench.fab_list", description=__doc__)
    add_common_options(parser, runs=21)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as directory:
        empty = Path(directory)
        (empty / "fabfile.py").touch()
        places = {"empty fabfile": empty, "this project": PROJECT}
        times: dict[str, list[float]] = {name: [] for name in places}
        for turn in range(options.runs + 1):
            for name, place in places.items():
                seconds = _list(place)
                if turn:  # the first turn fills the caches
                    times[name].append(seconds)
    print(f"### `fab --list`, medians of {options.runs}\n")
    base = median(times["empty fabfile"])
    print_table(
        ["fabfile", "ms", "quartiles", "x empty"],
        [
            [
                name,
                f"{median(taken) * 1000:.0f}",
                "-".join(f"{quantiles(taken)[index] * 1000:.0f}" for index in (0, 2)),
                f"{median(taken) / base:.2f}",
            ]
            for name, taken in times.items()
        ],
    )
    ratio = median(times["this project"]) / base
    met = goal(f"within 10 % of an empty fabfile ({ratio:.2f}x)", met=ratio <= ALLOWED)
    print()
    return 0 if met or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
