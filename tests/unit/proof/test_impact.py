"""What statements do to tables of production, and when that needs a yes of its own."""

from __future__ import annotations

import pytest

from ops.proof.impact import MANY_ROWS, Impact, impacts
from ops.proof.ladder import Step
from tests.unit.factories import HEART, catalog, rungs_of

SHARE, EXCLUSIVE = "ShareLock", "AccessExclusiveLock"
CATALOG = catalog()


def step(script: str, *locks: tuple[str, str], rewritten: tuple[str, ...] = ()) -> Step:
    (rung,) = rungs_of(script)
    return Step(rung, CATALOG, locks, rewritten)


def seen(*steps: Step, **rows: int) -> list[Impact]:
    return list(impacts([(HEART, each) for each in steps], rows))


def test_the_strongest_lock_on_each_table_counts() -> None:
    found = seen(step("ALTER TABLE a ADD b int", ("a", SHARE), ("a", EXCLUSIVE), ("b", SHARE)),
                 a=5, b=7)  # fmt: skip
    assert found == [
        Impact(HEART, 1, "ALTER TABLE", "a", "ACCESS EXCLUSIVE", rewrites=False, rows=5),
        Impact(HEART, 1, "ALTER TABLE", "b", "SHARE", rewrites=False, rows=7),
    ]


@pytest.mark.parametrize(
    "mode", ["AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock"]
)
def test_a_lock_that_lets_others_write_is_none(mode: str) -> None:
    assert seen(step("UPDATE a SET b = 1", ("a", mode)), a=10**9) == []


def test_tables_that_production_does_not_have_are_left_out() -> None:
    assert seen(step("CREATE TABLE new (id int)", ("new", EXCLUSIVE)), a=1) == []


@pytest.mark.parametrize(
    ("mode", "rewrites", "rows", "dangerous"),
    [
        (EXCLUSIVE, True, MANY_ROWS, True),
        (EXCLUSIVE, True, MANY_ROWS - 1, False),
        (EXCLUSIVE, False, 10**9, False),
        (SHARE, False, MANY_ROWS, True),
        ("ShareRowExclusiveLock", False, MANY_ROWS, True),
        (SHARE, False, MANY_ROWS - 1, False),
    ],
)
def test_what_keeps_others_out_for_long_is_dangerous(
    mode: str, rewrites: bool, rows: int, dangerous: bool
) -> None:
    rewritten = ("a",) if rewrites else ()
    (found,) = seen(step("ALTER TABLE a ADD b int", ("a", mode), rewritten=rewritten), a=rows)
    assert found.rewrites == rewrites
    assert found.is_dangerous == dangerous


def test_the_line_is_that_of_the_statement() -> None:
    (found,) = seen(step("-- why\n\nCREATE INDEX i ON a (b)", ("a", SHARE)), a=1)
    assert (found.line, found.tag) == (3, "CREATE INDEX")
