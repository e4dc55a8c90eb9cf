"""How fast remote output comes here, line by line prefixed: ours, OpenSSH's client, plain Fabric.

    python -m bench.stream [--runs N] [--ssh auto|openssh|builtin] [--check]

All of one table is measured in one run, the clients taking turns. The connection is open already
for each of them (for `ssh`, by its control master).
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from bench.clients import PREFIX
from bench.measure import (
    Sample,
    Target,
    add_common_options,
    add_server_option,
    goal,
    middle,
    print_table,
    target,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COMMANDS: Final = {"15 MB": "seq 1 2000000", "50 MB": "seq 1 6400000"}
"""Output of 14.9 and 50.1 MB, in 2.0 and 6.4 million lines."""

FABRIC_SIZES: Final = frozenset({"15 MB"})
"""Plain Fabric needs time in the square of the size: minutes for 50 MB."""

MEMORY_GOAL: Final = 60.0
"""MB."""

TOLERANCE: Final = 1.1
"""A ratio of medians up to this is noise on a shared machine."""

SSH: Final = "`ssh`, no prefixes, no log"
SSH_SED: Final = "`ssh` with `sed`, no log"
OPS: Final = "ops, a script"
OPS_JOB: Final = "ops, a job"
FABRIC: Final = "Fabric, hidden, no prefixes, no log"


def measure(host: Target, size: str, runs: int, fabric_runs: int) -> dict[str, Sample]:
    """Return the median of each client, which take turns."""
    command = COMMANDS[size]
    clients: dict[str, Callable[[], Sample]] = {
        SSH: lambda: host.run_ssh(command),
        SSH_SED: lambda: host.run_ssh(command, ["sed", f"s/^/{PREFIX}/"]),
        OPS: lambda: host.run_client("ops", command),
        OPS_JOB: lambda: host.run_client("ops-job", command),
    }
    if size in FABRIC_SIZES and fabric_runs:
        clients[FABRIC] = lambda: host.run_client("fabric", command)
    samples: dict[str, list[Sample]] = {name: [] for name in clients}
    for turn in range(max(runs, fabric_runs)):
        for name, client in clients.items():
            if turn < (fabric_runs if name == FABRIC else runs):
                samples[name].append(client())
    return {name: middle(taken) for name, taken in samples.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table for each size, and whether the goals are met."""
    parser = argparse.ArgumentParser(prog="python -m bench.stream", description=__doc__)
    add_common_options(parser, runs=5)
    add_server_option(parser)
    parser.add_argument(
        "--fabric-runs", type=int, default=1, metavar="N", help="half a minute each (default 1)"
    )
    options = parser.parse_args(arguments)
    met = True
    with target(options.ssh) as host:
        for size in COMMANDS:
            results = measure(host, size, options.runs, options.fabric_runs)
            print(f"### {size} of output, {host.kind} server, medians of {options.runs}\n")
            base = results[SSH].seconds
            print_table(
                ["client", "seconds", "x ssh", "peak MB"],
                [
                    [
                        name,
                        f"{sample.seconds:.2f}",
                        f"{sample.seconds / base:.2f}",
                        "-" if sample.peak is None else f"{sample.peak:.0f}",
                    ]
                    for name, sample in results.items()
                ],
            )
            ours = results[OPS]
            for other, name in ((SSH, "ssh alone"), (SSH_SED, "ssh that also writes prefixes")):
                ratio = ours.seconds / results[other].seconds
                met &= goal(
                    f"{size}: not slower than {name} ({ratio:.2f}x)", met=ratio <= TOLERANCE
                )
            if ours.peak is not None:
                met &= goal(
                    f"{size}: under {MEMORY_GOAL:.0f} MB of memory ({ours.peak:.0f} MB)",
                    met=ours.peak < MEMORY_GOAL,
                )
            print()
    return 0 if met or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
