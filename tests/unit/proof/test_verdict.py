"""How far a script got, from catalogs made by hand: the catalog decides, testimony takes away."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import pytest

from ops.proof.psql import SqlError
from ops.proof.testimony import Testimony as Told
from ops.proof.verdict import (
    Conflicting,
    FullyApplied,
    NothingApplied,
    PartlyApplied,
    Undecidable,
    Undetermined,
    Verdict,
    contradiction,
    index_name,
    judge,
    open_rows,
    tried,
)
from tests.unit.factories import (
    FAILED_AT,
    HEART,
    INIT,
    SQL,
    app,
    catalog,
    climbed,
    logs,
    make_facts,
    row,
    rungs_of,
)

if TYPE_CHECKING:
    from ops.facts.catalog import Snapshot
    from ops.facts.database import LedgerRow
    from ops.proof.ladder import Ladder

ROW = row()
SILENT = Told((), ("the engine is not known",), all_or_nothing=False, whole_ran=False)
NOTHING = Told(("the server undid it",), (), all_or_nothing=True, whole_ran=False)
ONE_QUERY = Told(("one query",), ("no error",), all_or_nothing=True, whole_ran=False)
WHOLE_RAN = Told((), ("a step is counted",), all_or_nothing=False, whole_ran=True)

SCRIPT = "ALTER TABLE a ADD b int;\nCREATE TABLE t (id int);\nCREATE INDEX i ON t (id);"
A, B, T, I = "table public.a", "column public.a.b type=int", "table public.t", "index public.t.i"  # noqa: E741
OTHER = "table public.not_in_question"
S0, S1, S2, S3 = catalog(A), catalog(A, B), catalog(A, B, T), catalog(A, B, T, I)
LADDER = climbed(SCRIPT, S0, S1, S2, S3)
EQUAL = (
    "production's catalog equals the copy after {} of 3 statements, in each of 3 objects that its "
    "statements touch"
)

ROWS = "CREATE TABLE t (id int);\nINSERT INTO t VALUES (1);\nCREATE INDEX i ON t (id);"
WITH_ROWS = climbed(ROWS, catalog(), catalog(T), catalog(T), catalog(T, I))
"""A script whose second statement leaves no trace in the catalog."""


def judged(ladder: Ladder, production: Snapshot, told: Told = SILENT) -> Verdict:
    return judge(HEART, (ROW,), told, ladder, production)


@pytest.mark.parametrize(
    ("production", "verdict"),
    [
        (S0, NothingApplied(HEART, (ROW,), (EQUAL.format(0),))),
        (S1, PartlyApplied(HEART, (ROW,), (EQUAL.format(1),), 1, LADDER.rungs)),
        (S2, PartlyApplied(HEART, (ROW,), (EQUAL.format(2),), 2, LADDER.rungs)),
        (S3, FullyApplied(HEART, (ROW,), (EQUAL.format(3),))),
        # What the script does not touch may be as it likes.
        (catalog(A, B, OTHER), PartlyApplied(HEART, (ROW,), (EQUAL.format(1),), 1, LADDER.rungs)),
        (catalog(), NothingApplied(HEART, (ROW,), (EQUAL.format(0),))),
    ],
)
def test_the_rung_that_production_equals_says_how_far_it_got(
    production: Snapshot, verdict: Verdict
) -> None:
    assert judged(LADDER, production) == verdict


@pytest.mark.parametrize(
    ("ladder", "production", "candidates", "between", "counts"),
    [
        (WITH_ROWS, catalog(T), (1, 2), [2], "1 and 2"),
        (
            climbed("UPDATE a SET b = 1;\nDELETE FROM a;", S1, S1, S1),
            S1,
            (0, 1, 2),
            [1, 2],
            "0, 1 and 2",
        ),
        # Made and dropped again: the same catalog, far apart.
        (
            climbed("CREATE TABLE t (id int);\nDROP TABLE t;", S0, catalog(A, T), S0),
            S0,
            (0, 2),
            [1, 2],
            "0 and 2",
        ),
    ],
)
def test_several_rungs_with_one_catalog_are_undecidable(
    ladder: Ladder,
    production: Snapshot,
    candidates: tuple[int, ...],
    between: list[int],
    counts: str,
) -> None:
    verdict = judged(ladder, production)
    assert isinstance(verdict, Undecidable)
    assert verdict.candidates == candidates
    assert [rung.line for rung in verdict.between] == between
    assert verdict.rungs == ladder.rungs
    assert f"after {counts} of {len(ladder.rungs)} statements" in verdict.evidence[0]


@pytest.mark.parametrize(
    ("ladder", "production", "told", "kind", "because"),
    [
        # Of the candidates, what the attempts can have left.
        (WITH_ROWS, catalog(T), SILENT, Undecidable, None),
        (WITH_ROWS, catalog(), NOTHING, NothingApplied, "the server undid it"),
        (WITH_ROWS, catalog(), ONE_QUERY, NothingApplied, "one query"),
        (WITH_ROWS, catalog(T, I), ONE_QUERY, FullyApplied, "one query"),
        (
            WITH_ROWS,
            catalog(T, I),
            WHOLE_RAN,
            FullyApplied,
            "the ledger says that the whole script had run",
        ),
        # Only rows: the catalog says nothing, the attempts all.
        (climbed("UPDATE a SET b = 1;", S1, S1), S1, SILENT, Undecidable, None),
        (climbed("UPDATE a SET b = 1;", S1, S1), S1, ONE_QUERY, Undecidable, "one query"),
        (climbed("UPDATE a SET b = 1;", S1, S1), S1, NOTHING, NothingApplied, "the server undid"),
        (climbed("UPDATE a SET b = 1;", S1, S1), S1, WHOLE_RAN, FullyApplied, "the ledger says"),
        # Nothing that the attempts can have left: but every statement up to there shows, so
        # somebody else has made it whole.
        (LADDER, S2, NOTHING, PartlyApplied, "not made by the failed attempt: the server undid it"),
        (LADDER, S3, NOTHING, FullyApplied, "not made by the failed attempt: the server undid it"),
        (LADDER, S1, ONE_QUERY, PartlyApplied, "not made by the failed attempt: one query"),
        (LADDER, S0, WHOLE_RAN, NothingApplied, "not made by the failed attempt: the ledger says"),
        # Where one leaves no trace, it cannot be told whether that was made too.
        (
            WITH_ROWS,
            catalog(T),
            NOTHING,
            Conflicting,
            "but that cannot come from the attempt: the server undid it",
        ),
        (WITH_ROWS, catalog(T), ONE_QUERY, Conflicting, "but that cannot come from the attempt"),
        (WITH_ROWS, catalog(T), WHOLE_RAN, Conflicting, "but that cannot come from the attempt"),
        (WITH_ROWS, catalog(T, I), NOTHING, Conflicting, "but that cannot come from the attempt"),
    ],
)
def test_testimony_only_takes_away(
    ladder: Ladder, production: Snapshot, told: Told, kind: type, because: str | None
) -> None:
    verdict = judged(ladder, production, told)
    assert type(verdict) is kind, verdict
    assert verdict.evidence[0].startswith("production's catalog equals the copy after ")
    if because is None:
        assert len(verdict.evidence) == 1
    else:
        assert verdict.evidence[1].startswith(because)
    if isinstance(verdict, Conflicting):
        assert verdict.differences == ()
        assert verdict.left_nothing is told.nothing


@pytest.mark.parametrize("told", [SILENT, NOTHING, ONE_QUERY, WHOLE_RAN])
@pytest.mark.parametrize("production", [S0, S1, S2, S3])
def test_no_testimony_makes_another_rung_of_what_the_catalog_says(
    production: Snapshot, told: Told
) -> None:
    # Every statement of it leaves a trace, so there is nothing to narrow down.
    assert type(judged(LADDER, production, told)) is type(judged(LADDER, production))


# --- indexes that were left unfinished ---

INVALID = "index public.t.i valid=no"
ONLY = "CREATE INDEX i ON ONLY t (id);\nCREATE TABLE x (id int);"
X = "table public.x"


@pytest.mark.parametrize(
    ("ladder", "production", "kind", "done", "invalid"),
    [
        (LADDER, catalog(A, B, T, INVALID), PartlyApplied, 2, ("public.i",)),
        (climbed("CREATE INDEX i ON t (id);", catalog(T), catalog(T, I)), catalog(T, INVALID),
         NothingApplied, 0, ("public.i",)),
        (climbed("DELETE FROM t;\nCREATE INDEX i ON t (id);", catalog(T), catalog(T),
                 catalog(T, I)), catalog(T, INVALID), Undecidable, None, ("public.i",)),
        # One that was INVALID before is not this script's.
        (climbed("CREATE TABLE x (id int);", catalog(T, INVALID), catalog(T, INVALID, X)),
         catalog(T, INVALID), NothingApplied, 0, ()),
        # One that nobody has touched.
        (LADDER, catalog(A, B, "index public.a.other valid=no"), PartlyApplied, 1, ()),
        # A script may leave one so: ON ONLY a partitioned table.
        (climbed(ONLY, catalog(T), catalog(T, INVALID), catalog(T, INVALID, X)),
         catalog(T, INVALID), PartlyApplied, 1, ()),
        (climbed(ONLY, catalog(T), catalog(T, INVALID), catalog(T, INVALID, X)),
         catalog(T, INVALID, X), FullyApplied, 2, ()),
    ],
)  # fmt: skip
def test_an_invalid_index_counts_as_none_and_is_named(
    ladder: Ladder, production: Snapshot, kind: type, done: int | None, invalid: tuple[str, ...]
) -> None:
    verdict = judged(ladder, production)
    assert type(verdict) is kind, verdict
    assert getattr(verdict, "invalid", ()) == invalid
    if isinstance(verdict, PartlyApplied):
        assert verdict.done == done


@pytest.mark.parametrize(
    ("id_", "name"),
    [
        ("public.t.i", "public.i"),
        ('public."My table"."My.index"', 'public."My.index"'),
        ('"my.schema"."t"".x".i', '"my.schema".i'),
        ('s."a""b"."c""d"', 's."c""d"'),
    ],
)
def test_an_indexs_name_has_no_table(id_: str, name: str) -> None:
    assert index_name(("index", id_)) == name


# --- a script that fails on the copy too ---

STOPPED = SqlError("23502", 'column "b" of relation "a" contains null values')
STOPS = climbed(SCRIPT, S0, S1, error=STOPPED)
"""Its second statement fails on the copy."""


def failed_with(error: SqlError) -> Told:
    text = logs(code=error.code, message=error.text)
    return Told((), ("each statement by itself",), False, False, text)


@pytest.mark.parametrize(
    ("production", "told", "kind", "done"),
    [
        # There it stopped on production too, with the same error.
        (S1, failed_with(STOPPED), PartlyApplied, 1),
        (S1, failed_with(SqlError("23502", "another column")), Undetermined, None),
        (S1, failed_with(SqlError("42601", STOPPED.text)), Undetermined, None),
        (S1, SILENT, Undetermined, None),
        # Before that the copy tells all the same.
        (S0, SILENT, NothingApplied, 0),
        (S0, failed_with(STOPPED), NothingApplied, 0),
        # Whoever made this, the attempt left nothing.
        (S1, NOTHING, PartlyApplied, 1),
    ],
)
def test_where_the_copy_stops_the_recorded_error_must_confirm_it(
    production: Snapshot, told: Told, kind: type, done: int | None
) -> None:
    verdict = judged(STOPS, production, told)
    assert type(verdict) is kind, verdict
    if isinstance(verdict, PartlyApplied):
        assert verdict.done == done
        assert len(verdict.rungs) == 3, "of the whole script, not of what was reached"
    if kind is Undetermined:
        assert verdict.evidence[-1] == (
            f"on the copy, statement 2 of 3 fails by itself: {STOPPED}; so what comes after it "
            "cannot be told"
        )


def test_what_comes_after_a_stop_is_conflicting_and_the_stop_is_told() -> None:
    verdict = judged(STOPS, catalog(A, "column public.a.b type=text"))
    assert isinstance(verdict, Conflicting)
    assert verdict.evidence == (
        "production's catalog equals the copy after none of the statements",
        f"on the copy, statement 2 fails by itself: {STOPPED}",
    )


# --- conflicts ---


@pytest.mark.parametrize(
    ("production", "lines"),
    [
        (
            catalog(A, "column public.a.b type=text", T, I),
            ["column public.a.b: type is text in production, int in the copy"],
        ),
        (
            catalog(A, B, I),
            ["index public.t.i: is in production, not in the copy after 1 of 3 statements"],
        ),
        # Of two that are as close, the first.
        (
            catalog(A, T),
            ["table public.t: is in production, not in the copy after 0 of 3 statements"],
        ),
        (
            catalog(A, B, T, I + " unique=yes", OTHER),
            ["index public.t.i: unique is yes in production, not set in the copy"],
        ),
    ],
)
def test_a_conflict_names_other_shapes_or_else_what_differs_from_the_closest_rung(
    production: Snapshot, lines: list[str]
) -> None:
    verdict = judged(LADDER, production)
    assert isinstance(verdict, Conflicting)
    assert list(verdict.differences) == lines
    assert not verdict.left_nothing
    assert verdict.evidence == (
        "production's catalog equals the copy after none of the statements",
    )


def test_a_conflict_of_which_the_attempt_left_nothing_says_so() -> None:
    verdict = judged(LADDER, catalog(A, T), NOTHING)
    assert isinstance(verdict, Conflicting)
    assert verdict.left_nothing
    assert verdict.evidence[-1] == "the server undid it"
    assert "one query" not in judged(LADDER, catalog(A, T), ONE_QUERY).evidence


def test_a_conflict_never_lists_everything() -> None:
    many = [f"column public.t.c{number}" for number in range(60)]
    ladder = climbed("CREATE TABLE t ();", catalog(), catalog(T, *many))
    verdict = judged(ladder, catalog(T, *(f"{each} type=text" for each in many)))
    assert isinstance(verdict, Conflicting)
    assert len(verdict.differences) == 40


# --- what stands against a person's word ---

RUNGS = rungs_of(SCRIPT)
ALL: dict[str, Verdict] = {
    "nothing": NothingApplied(HEART, (), ()),
    "all": FullyApplied(HEART, (), ()),
    "part": PartlyApplied(HEART, (), (), 1, RUNGS),
    "undecidable": Undecidable(HEART, (), (), (0, 1), RUNGS),
    "conflict": Conflicting(HEART, (), (), ("x",)),
    "others": Conflicting(HEART, (), (), ("x",), left_nothing=True),
    "unknown": Undetermined(HEART, (), ()),
}
PART = "1 of its 3 statements are in the database, the others are not"


@pytest.mark.parametrize(
    ("name", "applied", "rolled_back"),
    [
        ("nothing", "nothing of it is in the database", ""),
        ("all", "", "all of it is in the database"),
        ("part", PART, PART),
        ("undecidable", "", ""),
        ("conflict", "the database is not as it would be after any of its statements", ""),
        ("others", "nothing of it is in the database, others made what is there", ""),
        ("unknown", "", ""),
    ],
)
def test_a_verdict_contradicts_what_it_knows_to_be_false(
    name: str, applied: str, rolled_back: str
) -> None:
    said: dict[Literal["applied", "rolled-back"], str] = {
        "applied": applied,
        "rolled-back": rolled_back,
    }
    for direction, text in said.items():
        assert contradiction(ALL[name], direction) == text


# --- which migrations were tried ---

EARLIER = FAILED_AT - timedelta(minutes=30)
GONE = "20230101000000_gone"
NEW = "20240501000000_new"
BOTH = app({**SQL, NEW: b""})


@pytest.mark.parametrize(
    ("rows", "changes", "names"),
    [
        ([], {}, ()),
        ([ROW], {}, (HEART,)),
        ([row(id="1"), row(id="2")], {}, (HEART,)),
        # In the order of the attempts, and what is not on main any more too.
        ([row(GONE, b"gone", at=EARLIER), ROW], {}, (GONE, HEART)),
        ([ROW, row(GONE, b"gone")], {}, (HEART, GONE)),
        # Called rolled back is a word: it will run again, so it is looked at.
        ([row(state="rolled back")], {}, (HEART,)),
        ([row(state="rolled back"), row(NEW, b"")], {"main_app": BOTH}, (NEW, HEART)),
        # Of these, nothing runs again.
        ([row(GONE, b"gone", state="rolled back"), row(state="applied")], {}, ()),
        ([row(state="rolled back"), row(state="applied")], {}, ()),
        # Pending, and never tried.
        ([row(state="applied")], {"main_app": BOTH}, ()),
        ([ROW], {"main_app": app({INIT: SQL[INIT]})}, (HEART,)),
    ],
)
def test_what_was_tried_and_will_run_again(
    rows: list[LedgerRow], changes: dict[str, object], names: tuple[str, ...]
) -> None:
    assert tried(make_facts(*rows, **changes)) == names  # type: ignore[arg-type]


def test_open_rows_are_those_that_prisma_takes_for_failed() -> None:
    rows = (row(state="rolled back"), row(id="1"), row(GONE, b"gone"), row(id="2"))
    assert open_rows(make_facts(*rows), HEART) == (rows[1], rows[3])
    assert open_rows(make_facts(), HEART) == ()
