"""What a small remote call costs: ours, OpenSSH's client, plain Fabric.

    python -m bench.latency [--runs N] [--calls N] [--ssh auto|openssh|builtin] [--check]

Each client makes its calls one after the other on one connection that is open already.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Final

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

OPS: Final = "ops"
SSH: Final = "`ssh`, control master"


def _ssh_calls(host: Target, calls: int) -> Sample:
    began = time.perf_counter()
    for _ in range(calls):
        host.run_ssh("true")
    return Sample(time.perf_counter() - began, None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table, and whether the goal is met."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    add_common_options(parser, runs=5)
    add_server_option(parser)
    parser.add_argument("--calls", type=int, default=100, metavar="N", help="default 100")
    options = parser.parse_args(arguments)
    calls: int = options.calls
    with target(options.ssh) as host:
        clients: dict[str, Callable[[], Sample]] = {
            OPS: lambda: host.run_client("ops-run", "true", calls),
            SSH: lambda: _ssh_calls(host, calls),
            "Fabric": lambda: host.run_client("fabric", "true", calls),
        }
        samples: dict[str, list[Sample]] = {name: [] for name in clients}
        for _ in range(options.runs):
            for name, client in clients.items():
                samples[name].append(client())
    results = {name: middle(taken) for name, taken in samples.items()}
    print(f"### {calls} calls of `true`, {host.kind} server, medians of {options.runs}\n")
    ours = results[OPS].seconds
    print_table(
        ["client", "seconds", "ms a call", "x ops"],
        [
            [
                name,
                f"{sample.seconds:.2f}",
                f"{sample.seconds / calls * 1000:.1f}",
                f"{sample.seconds / ours:.1f}",
            ]
            for name, sample in results.items()
        ],
    )
    ratio = ours / results[SSH].seconds
    met = goal(f"a call is not slower than with ssh ({ratio:.2f}x)", met=ratio <= 1)
    print()
    return 0 if met or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
