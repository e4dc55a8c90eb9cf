"""What the attempts tell: nothing, all or nothing, or the whole script; and why not, each time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ops.facts.database import LedgerRow
from ops.proof.psql import SqlError

# Under other names: pytest takes what begins with `test` for a test.
from ops.proof.testimony import Testimony as Told
from ops.proof.testimony import database_error
from ops.proof.testimony import testimony as weigh
from ops.proof.verdict import NothingApplied, Undetermined, by_testimony
from tests.unit.factories import (
    COMMIT_HEAD,
    FAILED_AT,
    HEART,
    INIT,
    SQL,
    blob,
    lock,
    logs,
    make_facts,
    past,
    row,
)


def told(*rows: LedgerRow, **changes: object) -> Told:
    return weigh(make_facts(*rows, **changes), HEART)  # type: ignore[arg-type]


def test_one_query_and_the_databases_error_prove_that_nothing_is_in() -> None:
    failed = row()
    evidence = (
        "Prisma 6.19 sends a migration as one query",
        "the script cannot commit on its way",
        "the server answered with error 42701, which undid the whole query",
    )
    assert told(failed) == Told(evidence, (), True, False, logs())
    assert told(failed).nothing
    assert by_testimony(make_facts(failed), HEART) == NothingApplied(HEART, (failed,), evidence)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "the ledger holds no error"),
        ("", "the ledger holds no error"),
        ("Error: P1017 Server has closed the connection.", "not one that the database answered"),
        (logs(code="none"), "not one that the database answered"),
        (logs(code="4270"), "not one that the database answered"),
        (logs(code="42701x"), "not one that the database answered"),
        ("Database error code: 42701", "not one that the database answered"),
        # Only the header counts, not what a value in the message says.
        (logs(code="none", message="x\nDatabase error code: 42701"), "not one that the database"),
        (logs("another"), "that of another migration, another"),
        (logs(code="08006"), "error 08006 ends a session"),
        (logs(code="08P01"), "error 08P01 ends a session"),
        (logs(code="57P01"), "error 57P01 ends a session"),
        (logs(code="57014"), "error 57014 ends a session"),
        (logs(code="58030"), "error 58030 ends a session"),
        (logs(code="XX000"), "error XX000 ends a session"),
        (logs(severity="FATAL", parsed="Fatal", code="25P03"), "error 25P03 ends a session"),
        (logs(severity="PANIC", parsed="Panic", code="53100"), "error 53100 ends a session"),
    ],
)
def test_only_an_error_that_ended_the_query_proves_it(text: str | None, why: str) -> None:
    found = told(row(logs=text))
    assert not found.nothing
    assert any(why in doubt for doubt in found.doubts)


@pytest.mark.parametrize(
    "text",
    [
        logs(code="23505"),
        logs(code="55P04"),
        logs(code="P0001"),
        logs(code="40P01"),
        logs(severity="FEHLER"),
        logs().partition("\nDbError")[0],
        logs().replace("\n", "\r\n").replace("\r\n", "\n"),
    ],
)
def test_every_error_of_a_statement_proves_it(text: str) -> None:
    assert told(row(logs=text)).nothing


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"applied_steps_count": 1}, "counts a step as applied"),
        ({"applied_steps_count": None}, "counts a step as applied"),
        ({"at": None}, "does not say when it ran"),
        ({"checksum": "0" * 64}, "is in none of the commits"),
    ],
)
def test_cells_that_say_more_are_believed(changes: dict[str, object], why: str) -> None:
    found = told(row(**changes))  # type: ignore[arg-type]
    assert not found.nothing
    assert any(why in doubt for doubt in found.doubts)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"product": "PostgreSQL 11.2-YB-2.20 on x86_64"}, "not PostgreSQL itself"),
        ({"product": "CockroachDB CCL v23.1 (x86_64)"}, "not PostgreSQL itself"),
        ({"product": "PostgreSQL 8.0.2 on i686, Redshift 1.0"}, "not PostgreSQL itself"),
        ({"plain_strings": False}, "standard_conforming_strings is off"),
        ({"outside": ["a.b"]}, "what the functions a.b do"),
        ({"outside": list("abcde")}, "what the functions a, b, c and 2 more do"),
    ],
)
def test_a_database_in_which_a_rollback_may_not_undo_all(
    changes: dict[str, object], why: str
) -> None:
    found = told(row(), **changes)
    assert not found.nothing
    assert not found.all_or_nothing
    assert any(why in doubt for doubt in found.doubts)


def test_a_script_that_can_commit_proves_nothing() -> None:
    script = b"CREATE TABLE x (id int); COMMIT; SELECT 1/0;"
    failed = row(content=script)
    found = told(
        failed, contents={blob(script): script}, past={COMMIT_HEAD: past(scripts=(script,))}
    )
    assert found.doubts == ("the script holds COMMIT, so a part of it may have stayed",)
    assert not found.all_or_nothing


EARLIER = FAILED_AT - timedelta(minutes=30)


@pytest.mark.parametrize(
    ("earlier", "why"),
    [
        # Killed, committed by the server all the same, then called rolled back by a boot loop.
        (row(state="rolled back", at=EARLIER, logs=None), "an earlier attempt: the ledger holds"),
        (row(state="rolled back", at=EARLIER, content=b"v1"), "an earlier attempt: the script"),
        (row(state="applied", at=EARLIER), "an earlier attempt: the ledger has it as applied"),
        (
            row(state="rolled back", at=EARLIER, finished_at=EARLIER),
            "an earlier attempt: the ledger says that it was finished",
        ),
        (row(at=EARLIER, logs=None), "the ledger holds no error"),
    ],
)
def test_every_attempt_must_be_proved_not_the_last_one_only(earlier: LedgerRow, why: str) -> None:
    last = row()
    assert any(doubt.startswith(why) for doubt in told(earlier, last).doubts)
    verdict = by_testimony(make_facts(earlier, last), HEART)
    assert isinstance(verdict, Undetermined)
    assert verdict.evidence == told(earlier, last).doubts
    assert last in verdict.rows


def test_two_proved_attempts_are_proved() -> None:
    rows = (row(state="rolled back", at=EARLIER), row(id="x"), row(id="y"))
    verdict = by_testimony(make_facts(*rows), HEART)
    assert isinstance(verdict, NothingApplied)
    assert verdict.rows == rows[1:]
    assert len(verdict.evidence) == 3, "what is said twice is said once"


def test_why_there_is_no_copy_comes_first() -> None:
    verdict = by_testimony(make_facts(row(logs=None)), HEART, "no scratch database")
    assert isinstance(verdict, Undetermined)
    assert verdict.evidence[0] == "no scratch database"
    assert "the ledger holds no error" in verdict.evidence[1]
    proved = by_testimony(make_facts(row()), HEART, "no scratch database")
    assert isinstance(proved, NothingApplied)
    assert "no scratch database" not in proved.evidence


COMMITS = b"CREATE TABLE x (id int); COMMIT; SELECT 1/0;"
SPLITTING = {"installed": "7.5.0", "past": {COMMIT_HEAD: past(locks=(lock("7.5.0"),))}}


@pytest.mark.parametrize(
    ("rows", "changes", "all_or_nothing", "nothing"),
    [
        # How an attempt ended does not matter here, only how it ran.
        ([row()], {}, True, True),
        ([row(logs=None)], {}, True, False),
        ([row(logs=logs(code="57P01"))], {}, True, False),
        ([row(applied_steps_count=1, logs=None)], {}, True, False),
        ([row(state="rolled back", at=EARLIER, logs=None), row()], {}, True, False),
        # By itself each statement commits: anything may stand.
        ([row()], SPLITTING, False, False),
        ([row(checksum="0" * 64)], {}, False, False),
        ([row(at=None)], {}, False, False),
        ([row(content=COMMITS)], {"contents": {"x": COMMITS}}, False, False),
        # One attempt of many is enough to leave a part.
        ([row(state="rolled back", at=EARLIER, content=b"v1"), row()], {}, False, False),
        ([row(state="rolled back", at=None), row()], {}, False, False),
        ([row()], {"product": "PostgreSQL 11.2-YB-2.20"}, False, False),
        ([row()], {"plain_strings": False}, False, False),
    ],
)
def test_all_or_nothing_of_every_attempt(
    rows: list[LedgerRow], changes: dict[str, object], all_or_nothing: bool, nothing: bool
) -> None:
    found = told(*rows, **changes)
    assert (found.all_or_nothing, found.nothing) == (all_or_nothing, nothing), found


@pytest.mark.parametrize(
    ("rows", "whole_ran"),
    [
        ([row(applied_steps_count=1, logs=None)], True),
        ([row()], False),
        ([row(logs=None)], False),
        ([row(applied_steps_count=None, logs=None)], False),
        # An error came after the count: then it is the error that counts.
        ([row(applied_steps_count=1)], False),
        ([row(applied_steps_count=1, logs="")], False),
        # The last one that is open is asked, not what somebody closed.
        ([row(state="rolled back", applied_steps_count=1, logs=None), row(id="x")], False),
        ([row(at=EARLIER), row(applied_steps_count=1, logs=None)], True),
        ([row(at=EARLIER, applied_steps_count=1, logs=None), row()], False),
        ([row(state="rolled back", applied_steps_count=1, logs=None)], False),
    ],
)
def test_the_whole_script_ran_when_the_step_is_counted_and_no_error_came(
    rows: list[LedgerRow], whole_ran: bool
) -> None:
    assert told(*rows).whole_ran is whole_ran


EXISTS = 'column "heart" already exists'


@pytest.mark.parametrize(
    ("rows", "error", "same"),
    [
        ([row()], SqlError("42701", EXISTS), True),
        ([row()], SqlError("42701", EXISTS, "detail that is not compared"), True),
        ([row()], SqlError("42P07", EXISTS), False),
        ([row()], SqlError("42701", 'column "other" already exists'), False),
        ([row()], SqlError("", EXISTS), False),
        ([row(logs=None)], SqlError("42701", EXISTS), False),
        ([row(logs=f"P1017 {EXISTS} 42701")], SqlError("42701", EXISTS), False),
        ([row(at=EARLIER), row(logs=None)], SqlError("42701", EXISTS), False),
        ([row(at=EARLIER, logs=None), row()], SqlError("42701", EXISTS), True),
        ([row(state="rolled back")], SqlError("42701", EXISTS), False),
    ],
)
def test_the_last_attempt_ended_with_this_very_error(
    rows: list[LedgerRow], error: SqlError, same: bool
) -> None:
    assert told(*rows).failed_with(error) is same


def test_the_sqlstate_is_read_from_the_header() -> None:
    assert database_error(row(INIT, SQL[INIT])) == "42701"
    assert database_error(row(logs=None)) == ""
