"""Whether the verdict is right: every state of every migration, and remedies carried out.

    python -m bench.verdict [--migrations PATH] [--remedies N] [--seed N] [--report FILE] [-v]

Without a path it takes two versions of a published package, 108 and 220 migrations. Exits with 1
when a verdict is wrong, or a remedy that was proved did not arrive.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from bench.ground import VERSIONS, ground, project, published
from bench.remedies import ENDS, KINDS, AppHost, Case, Remedied, carried_out, cases
from bench.states import OUTCOMES, WRONG, Left, State, states
from ops.proof.scratch import scratch
from ops.sandbox.postgres import MAJORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.ground import Ground, Project


@dataclass
class Judged:
    """What was found of one project.

    Args:
        seconds: Wall time of all its states.
        remedied: The recoveries that were carried out.
        remedied_in: Wall time of those.
    """

    project: str
    migrations: int
    found: list[State] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    seconds: float = 0.0
    remedied: list[Remedied] = field(default_factory=list)
    remedied_in: float = 0.0

    @property
    def wrong(self) -> int:
        """How many verdicts and recoveries are wrong."""
        states = sum(state.outcome in WRONG for state in self.found)
        return states + sum(each.end == "astray" for each in self.remedied)


def _judge(place: Ground, one: Project, result: Judged) -> None:
    began = time.perf_counter()
    with scratch(place.server, "states") as made:
        for found in states(made, one.scripts):
            if isinstance(found, Left):
                result.left.append(found)
            else:
                result.found.append(found)
            result.seconds = time.perf_counter() - began
            _progress(f"{one.name}: {len(result.found)} states, {found.migration}")


def _remedy(place: Ground, one: Project, result: Judged, root: Path, chosen: list[Case]) -> None:
    began = time.perf_counter()
    app = AppHost(root, place, one.scripts)
    with scratch(place.server, "remedies") as made:
        for found in carried_out(made, app, one.scripts, chosen):
            result.remedied.append(found)
            result.remedied_in = time.perf_counter() - began
            _progress(f"{one.name}: {len(result.remedied)} of {len(chosen)}, {found.migration}")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text[:100]}", end="", file=sys.stderr, flush=True)


def _states_table(results: Sequence[Judged]) -> Table:
    table = Table(title="States of interrupted migrations")
    table.add_column("project")
    for head in ("migrations", "states", *OUTCOMES, "left out", "seconds"):
        table.add_column(head, justify="right")
    for name, group in _with_total(results):
        counted = Counter(state.outcome for one in group for state in one.found)
        table.add_row(
            name,
            str(sum(one.migrations for one in group)),
            str(counted.total()),
            *(str(counted[outcome]) for outcome in OUTCOMES),
            str(sum(len(one.left) for one in group)),
            f"{sum(one.seconds for one in group):.0f}",
        )
    return table


def _remedies_table(results: Sequence[Judged]) -> Table:
    table = Table(title="Remedies carried out")
    table.add_column("project")
    for head in ("tried", *KINDS, *ENDS, "seconds"):
        table.add_column(head, justify="right")
    for name, group in _with_total(results):
        found = [each for one in group for each in one.remedied]
        kinds = Counter(each.kinds for each in found)
        ends = Counter(each.end for each in found)
        table.add_row(
            name,
            str(len(found)),
            *(str(kinds[kind]) for kind in KINDS),
            *(str(ends[end]) for end in ENDS),
            f"{sum(one.remedied_in for one in group):.0f}",
        )
    return table


def _with_total(results: Sequence[Judged]) -> Iterator[tuple[str, Sequence[Judged]]]:
    for one in results:
        yield one.project, [one]
    if len(results) > 1:
        yield "total", results


def _notable(results: Sequence[Judged], *, everything: bool) -> Iterator[str]:
    """Yield a line for each state and recovery that a person may want to look at."""
    for one in results:
        for state in one.found:
            if state.outcome in WRONG or (everything and state.outcome != "right"):
                place = f"{state.migration} after {state.done} of {state.count}"
                yield f"{one.project}: {state.outcome}: {place}: {state.why}"
        for left in one.left:
            yield f"{one.project}: left out: {left.migration}: {left.why}"
        for each in one.remedied:
            if each.end == "astray" or (everything and each.end != "arrived"):
                place = f"{each.migration} after {each.done} of {each.count}"
                yield f"{one.project}: {each.end}: {place}: {each.kinds}: {each.why}"


def _measure(
    options: argparse.Namespace, projects: Sequence[Project], results: Sequence[Judged]
) -> None:
    """Fill the results; what is there when somebody loses patience counts."""
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as directory:
        root = Path(directory)
        with ground(root / "postgres", options.postgres) as place:
            for at, (one, result) in enumerate(zip(projects, results, strict=True)):
                if not options.no_states:
                    _judge(place, one, result)
                share = options.remedies * (at + 1) // len(projects)
                share -= options.remedies * at // len(projects)
                if share:
                    chosen = cases(one.scripts, share, options.seed)
                    _remedy(place, one, result, root / f"app{at}", chosen)
                _progress("")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; return 1 when anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.verdict", description=__doc__)
    parser.add_argument("--migrations", type=Path, metavar="PATH", help="a directory of migrations")
    parser.add_argument("--remedies", type=int, default=300, metavar="N", help="default 300")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="chooses the states")
    parser.add_argument("--postgres", default="16", choices=sorted(MAJORS), help="default 16")
    parser.add_argument("--no-states", action="store_true", help="remedies only")
    parser.add_argument("--report", type=Path, metavar="FILE", help="what is not decided, and why")
    parser.add_argument("-v", "--verbose", action="store_true", help="the same, to the terminal")
    options = parser.parse_args(arguments)
    projects = [project(options.migrations)] if options.migrations else [*map(published, VERSIONS)]
    results = [Judged(one.name, len(one.scripts)) for one in projects]
    code = 0
    try:
        _measure(options, projects, results)
    except KeyboardInterrupt:
        print("\ninterrupted: this is what was found until then", file=sys.stderr)
        code = 130
    console = Console(width=None if sys.stdout.isatty() else 140)
    if not options.no_states:
        console.print(_states_table(results))
    if options.remedies:
        console.print(_remedies_table(results))
    for line in _notable(results, everything=options.verbose):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if options.report:
        text = "".join(f"{line}\n" for line in _notable(results, everything=True))
        options.report.write_text(text, encoding="utf-8")
    return 1 if any(one.wrong for one in results) else code


if __name__ == "__main__":
    sys.exit(main())
