"""Which remedies are thought of, for which objects they answer, and what is only drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ops.facts.app import Installed
from ops.proof.attempt import Attempted
from ops.proof.choice import (
    Case,
    choices,
    drift,
    is_index,
    is_on_main,
    remedies_of,
    sends_one_query,
    touched_by,
)
from ops.proof.ladder import Ladder, Step
from ops.proof.remedy import Diagnosis, Remedy
from ops.proof.shadow import Replay
from ops.proof.verdict import (
    Conflicting,
    FullyApplied,
    NothingApplied,
    PartlyApplied,
    Undecidable,
    Undetermined,
    Verdict,
)
from tests.unit.factories import (
    COMMIT_MAIN,
    DIGEST,
    HEART,
    INIT,
    PULLED,
    SQL,
    app,
    catalog,
    climbed,
    lock,
    make_facts,
    proved,
    rungs_of,
    tree,
    unproved,
)

if TYPE_CHECKING:
    from ops.facts.catalog import Snapshot
    from ops.facts.gather import Facts

SCRIPT = "ALTER TABLE a ADD b int;\nUPDATE a SET b = 1;\nCREATE INDEX i ON a (b);"
RUNGS = rungs_of(SCRIPT)
INVALID = ("public.i",)
SECOND = "20240301000000_second"
SAME = make_facts(main_app=app({**SQL, HEART: SCRIPT.encode()}))
CORRECTED = make_facts(main_app=app({**SQL, HEART: b"SELECT 'corrected';"}))
GONE = make_facts(main_app=app({INIT: SQL[INIT]}))

NOTHING = NothingApplied(HEART, (), ())
UNFINISHED = NothingApplied(HEART, (), (), INVALID)
ALL = FullyApplied(HEART, (), ())
PART = PartlyApplied(HEART, (), (), 1, RUNGS, INVALID)
FROM_THE_START = Undecidable(HEART, (), (), (0, 1), RUNGS)
FURTHER = Undecidable(HEART, (), (), (1, 2), RUNGS, INVALID)
CONFLICT = Conflicting(HEART, (), (), ("x",))
OTHERS = Conflicting(HEART, (), (), ("x",), left_nothing=True)
UNKNOWN = Undetermined(HEART, (), ())
RERUN = Remedy("rerun", HEART)


def case(verdict: Verdict, script: str = SCRIPT, ladder: Ladder | None = None) -> Case:
    return Case(verdict.name, Attempted(script.encode(), frozenset()), ladder, verdict)


def on_main(name: str = HEART, *, writes: bool = False) -> list[tuple[Replay, Ladder]]:
    """Return what a script did to the shadow."""
    (rung,) = rungs_of("ALTER TABLE a ADD b int")
    mode = "RowExclusiveLock" if writes else "AccessExclusiveLock"
    step = Step(rung, catalog(), (("public.a", mode),), ())
    return [(Replay(name, ""), Ladder(catalog(), (step,), (rung,)))]


@pytest.mark.parametrize(
    ("verdict", "same", "corrected"),
    [
        (NOTHING, RERUN, RERUN),
        (
            UNFINISHED,
            Remedy("rerun", HEART, drop=INVALID),
            Remedy("rerun", HEART, drop=INVALID),
        ),
        (ALL, Remedy("mark applied", HEART), RERUN),
        (PART, Remedy("resume", HEART, RUNGS, 1, INVALID), RERUN),
        (FROM_THE_START, Remedy("rerun", HEART, RUNGS, 0, (), RUNGS[:1]), None),
        (FURTHER, Remedy("resume", HEART, RUNGS, 1, INVALID, RUNGS[1:2]), None),
        (CONFLICT, RERUN, RERUN),
        (OTHERS, RERUN, RERUN),
        (UNKNOWN, None, None),
    ],
)
@pytest.mark.parametrize("gone", [False, True])
def test_what_may_mend_it(
    verdict: Verdict, same: Remedy | None, corrected: Remedy | None, gone: bool
) -> None:
    # One that is not on main is not there as it was attempted either.
    other = GONE if gone else CORRECTED
    for facts, remedy in ((SAME, same), (other, corrected)):
        expected = [] if remedy is None else [remedy]
        assert list(remedies_of(case(verdict), on_main(), facts)) == expected


@pytest.mark.parametrize(
    ("verdict", "facts", "runs_again"),
    [
        (ALL, CORRECTED, False),
        (PART, CORRECTED, False),
        (CONFLICT, CORRECTED, False),
        (CONFLICT, SAME, False),
        # Others made what is there, and may have changed rows as well.
        (OTHERS, CORRECTED, False),
        # Of this nothing is in, so no row is written twice.
        (NOTHING, CORRECTED, True),
    ],
)
def test_what_may_be_in_is_never_run_again_if_it_writes_rows(
    verdict: Verdict, facts: Facts, runs_again: bool
) -> None:
    writes = on_main(writes=True)
    assert list(remedies_of(case(verdict), writes, facts)) == ([RERUN] if runs_again else [])
    # What another migration writes does not matter.
    assert list(remedies_of(case(verdict), on_main(SECOND, writes=True), facts)) == [RERUN]


@pytest.mark.parametrize(
    ("verdicts", "kinds"),
    [
        # With nothing failed, what is pending is tried all the same.
        ([], [()]),
        ([NOTHING], [("rerun",)]),
        ([UNKNOWN], []),
        ([PART, NothingApplied(SECOND, (), ())], [("resume", "rerun")]),
        # All of them or none: a deploy runs all that is pending.
        ([NOTHING, Undetermined(SECOND, (), ())], []),
    ],
)
def test_all_that_failed_is_mended_together(
    verdicts: list[Verdict], kinds: list[tuple[str, ...]]
) -> None:
    cases = [case(verdict) for verdict in verdicts]
    found = list(choices(cases, [], SAME))
    assert [tuple(remedy.kind for remedy in choice) for choice in found] == kinds
    for choice in found:
        assert [remedy.name for remedy in choice] == [verdict.name for verdict in verdicts]


@pytest.mark.parametrize(
    ("attempted", "on_branch", "same"),
    [
        (b"SELECT 1;\nSELECT 2;\n", b"SELECT 1;\nSELECT 2;\n", True),
        (b"SELECT 1;\r\nSELECT 2;\r\n", b"SELECT 1;\nSELECT 2;\n", True),
        (b"SELECT 1;\nSELECT 2;\n", b"SELECT 1;\r\nSELECT 2;\r\n", True),
        # Comments and white space do nothing.
        (b"SELECT 1;\nSELECT 2;\n", b"-- why\nSELECT   1; /* so */\nSELECT 2\n", True),
        (b"SELECT 1;\nSELECT 2;\n", b"SELECT 2;\nSELECT 1;\n", False),
        (b"SELECT 1;\nSELECT 2;\n", b"SELECT 1;\n", False),
        (b"SELECT 1;", b"SELECT 12;", False),
        # Where two words are one, or a text has other spaces, it is another script.
        (b"SELECT a b;", b"SELECT ab;", False),
        (b"SELECT 'a  b';", b"SELECT 'a b';", False),
        (b"SELECT 'a -- b';", b"SELECT 'a ';", False),
        (b"SELECT 1;", None, False),
    ],
)
def test_whether_main_has_the_script_as_it_was_attempted(
    attempted: bytes, on_branch: bytes | None, same: bool
) -> None:
    facts = make_facts(main_app=app({HEART: on_branch}))
    found = Case(HEART, Attempted(attempted, frozenset()), None, NOTHING)
    assert is_on_main(found, facts) is same


def test_what_is_not_known_is_not_on_main() -> None:
    assert not is_on_main(Case(HEART, None, None, NOTHING), SAME)
    assert not is_on_main(case(NOTHING), GONE)


@pytest.mark.parametrize(
    ("locked", "installed", "adapter", "one_query"),
    [
        ("6.19.3", "6.19.3", False, True),
        ("7.3.0", "6.19.3", False, True),
        ("7.4.0", "6.19.3", False, False),
        # What will run is what main's lock file names, not what is installed now.
        ("7.5.0", "6.19.3", False, False),
        ("6.19.3", "7.5.0", False, True),
        (None, "6.19.3", False, True),
        (None, "7.5.0", False, False),
        (None, None, False, False),
        ("6.19.3", "6.19.3", True, False),
    ],
)
def test_how_the_prisma_that_comes_will_send_a_file(
    locked: str | None, installed: str | None, adapter: bool, one_query: bool
) -> None:
    facts = make_facts(
        main=tree(COMMIT_MAIN, locks=(lock(locked),) if locked else ()),
        installed=Installed("/x", installed, PULLED) if installed else None,
        main_app=app(may_use_adapter=adapter),
    )
    assert sends_one_query(facts) is one_query


A, B, T, X = "table public.a", "column public.a.b", "table public.t", "table public.x"
ATTEMPT = climbed("ALTER TABLE a ADD b int", catalog(A), catalog(A, B))
NEW = climbed("CREATE TABLE t (id int)", catalog(A), catalog(A, T))
KEY_B, KEY_T = ("column", "public.a.b"), ("table", "public.t")


@pytest.mark.parametrize(
    ("cases", "ladders", "touched"),
    [
        ([], [], set()),
        ([], [NEW], {KEY_T}),
        ([case(NOTHING, ladder=ATTEMPT)], [NEW], {KEY_B, KEY_T}),
        ([case(PART, ladder=ATTEMPT), case(UNKNOWN)], [], {KEY_B}),
        # What others made is not put right, and nothing of the attempt is there.
        ([case(OTHERS, ladder=ATTEMPT)], [NEW], {KEY_T}),
        ([case(CONFLICT, ladder=ATTEMPT)], [NEW], {KEY_B, KEY_T}),
    ],
)
def test_the_objects_that_must_end_in_the_target(
    cases: list[Case], ladders: list[Ladder], touched: set[tuple[str, str]]
) -> None:
    assert touched_by(cases, [(Replay(SECOND, ""), ladder) for ladder in ladders]) == touched


MANY = [f"table public.t{number}" for number in range(7)]


@pytest.mark.parametrize(
    ("production", "noted"),
    [
        (catalog(A), []),
        # What is in question is no drift, however it is there.
        (catalog(A, B, T), []),
        (catalog(A, "column public.a.b type=text"), []),
        (catalog(A, X), ["drift: 1 differences from the migrations' own schema, on public.x;"]),
        (catalog(), ["drift: 1 differences from the migrations' own schema, on public.a;"]),
        (
            catalog(A, "column public.x.c", "index public.x.i"),
            ["drift: 2 differences from the migrations' own schema, on public.x;"],
        ),
        (catalog(A, *MANY), ["public.t0, public.t1, public.t2, public.t3, public.t4 and 2 more;"]),
        (catalog(A, "extension citext"), ["schema, on citext;"]),
    ],
)
def test_other_differences_are_named_and_left(production: Snapshot, noted: list[str]) -> None:
    cases = [case(OTHERS, ladder=ATTEMPT)]
    ladders = [(Replay(SECOND, ""), NEW)]
    found = Diagnosis(touched=touched_by(cases, ladders))
    lines = list(drift(cases, ladders, production, found))
    assert len(lines) == len(noted)
    for line, text in zip(lines, noted, strict=True):
        assert text in line
        assert line.endswith("; left as they are")


def test_without_a_copy_there_is_no_drift() -> None:
    assert not list(drift([case(UNKNOWN)], [], catalog(X), Diagnosis()))


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (("index", "public.t.i"), True),
        (("index", 'public."T".i'), True),
        (("index", "other.t.i"), False),
        (("index", "public.i.j"), False),
        (("constraint", "public.t.i"), False),
        (("table", "public.i"), False),
    ],
)
def test_an_index_is_known_by_its_own_name(key: tuple[str, str], found: bool) -> None:
    assert is_index(key, {"public.i"}) is found


def test_a_remedy_knows_what_is_left() -> None:
    assert Remedy("resume", HEART, RUNGS, 1).rest == RUNGS[1:]
    assert Remedy("resume", HEART, RUNGS, 0).rest == RUNGS
    assert Remedy("mark applied", HEART).rest == ()


def test_a_diagnosis_is_proved_when_nothing_speaks_against_it() -> None:
    assert proved(RERUN).proved
    assert Diagnosis().proved, "nothing to prove"
    found = unproved("no scratch database", tried=False)
    assert (found.proved, found.tried, found.digest) == (False, False, DIGEST)
    assert unproved("it did not end in the target").tried
