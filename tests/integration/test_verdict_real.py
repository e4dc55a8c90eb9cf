"""Every state that an interrupted migration can leave: judged, and recovered from.

`make bench-verdict` does the same on hundreds of migrations of a public project.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ops.sandbox
from bench.ground import Ground, Project, ground, project
from bench.remedies import AppHost, carried_out, cases
from bench.states import WRONG, State, states
from ops.proof.scratch import scratch
from ops.proof.shadow import replay_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.states import Left

APP = Path(ops.sandbox.__file__).parent / "app"
LIBRARY = Path(__file__).parents[1] / "data" / "migrations"
MODELS = "20250201090000_add_missing_models"


def school(last: str) -> Project:
    """Return the sandbox's migrations, and one form of the one that its story is about."""
    found = project(APP / "migrations", "school")
    script = replay_of(MODELS, (APP / "add_missing_models" / last).read_bytes())
    return Project(found.name, (*found.scripts, script))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("server")) as started:
        yield started


def judged(place: Ground, one: Project) -> tuple[Counter[str], list[Left]]:
    with scratch(place.server, one.name) as made:
        found = list(states(made, one.scripts))
    all_states = [each for each in found if isinstance(each, State)]
    left = [each for each in found if not isinstance(each, State)]
    assert [each for each in all_states if each.outcome in WRONG] == []
    return Counter(each.outcome for each in all_states), left


def test_no_state_of_the_school_is_judged_wrong(place: Ground) -> None:
    counts, left = judged(place, school("corrected.sql"))
    assert left == []
    assert counts["undetermined"] == 0
    # An UPDATE leaves no trace in the catalog.
    assert counts["undecidable"] == 2


def test_no_state_of_the_library_is_judged_wrong(place: Ground) -> None:
    one = project(LIBRARY)
    counts, left = judged(place, one)
    assert left == []
    assert counts.total() == sum(len(script.rungs()) + 1 for script in one.scripts)
    assert counts["undetermined"] == 0
    # Its scripts are full of rows, settings, and statements that change nothing.
    assert counts["undecidable"] < counts["right"]


@pytest.mark.parametrize(("name", "seed"), [("school", 4), ("library", 5)])
def test_what_is_proved_arrives(place: Ground, tmp_path: Path, name: str, seed: int) -> None:
    one = school("corrected.sql") if name == "school" else project(LIBRARY, name)
    app = AppHost(tmp_path / "app", place, one.scripts)
    chosen = cases(one.scripts, 4, seed)
    with scratch(place.server, f"{name} remedies") as made:
        found = list(carried_out(made, app, one.scripts, chosen))
    assert [each for each in found if each.end in {"astray", "other rows"}] == []
    assert sum(each.end == "arrived" for each in found) >= 2
