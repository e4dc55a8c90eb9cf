"""`Nothing of it is in` is said only where the protocol proves it, for every attempt."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ops.facts.database import LedgerRow
from ops.proof.verdict import NothingApplied, Undetermined, Verdict, database_error, verdicts
from tests.unit.factories import (
    COMMIT_HEAD,
    FAILED_AT,
    HEART,
    INIT,
    SQL,
    blob,
    logs,
    make_facts,
    past,
    row,
)


def judged(*rows: LedgerRow, **changes: object) -> Verdict:
    found = verdicts(make_facts(*rows, **changes))  # type: ignore[arg-type]
    assert len(found) == 1
    return found[0]


def test_one_query_and_the_databases_error_prove_that_nothing_is_in() -> None:
    failed = row()
    verdict = judged(failed)
    assert verdict == NothingApplied(
        HEART,
        (failed,),
        (
            "Prisma 6.19 sends a migration as one query",
            "the server answered with error 42701, which undid the whole query",
            "the script cannot commit on its way",
        ),
    )


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
    verdict = judged(row(logs=text))
    assert isinstance(verdict, Undetermined)
    assert any(why in doubt for doubt in verdict.because)


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
    assert isinstance(judged(row(logs=text)), NothingApplied)


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
    verdict = judged(row(**changes))  # type: ignore[arg-type]
    assert isinstance(verdict, Undetermined)
    assert any(why in doubt for doubt in verdict.because)


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
    verdict = judged(row(), **changes)
    assert isinstance(verdict, Undetermined)
    assert any(why in doubt for doubt in verdict.because)


def test_a_script_that_can_commit_proves_nothing() -> None:
    script = b"CREATE TABLE x (id int); COMMIT; SELECT 1/0;"
    failed = row(content=script)
    verdict = judged(
        failed, contents={blob(script): script}, past={COMMIT_HEAD: past(scripts=(script,))}
    )
    assert isinstance(verdict, Undetermined)
    assert verdict.because == ("the script holds COMMIT, so a part of it may have stayed",)


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
    verdict = judged(earlier, last)
    assert isinstance(verdict, Undetermined)
    assert any(doubt.startswith(why) for doubt in verdict.because)
    assert last in verdict.rows


def test_two_proved_attempts_are_proved() -> None:
    rows = (row(state="rolled back", at=EARLIER), row(id="x"), row(id="y"))
    verdict = judged(*rows)
    assert isinstance(verdict, NothingApplied)
    assert verdict.rows == rows[1:]
    assert len(verdict.evidence) == 3, "what is said twice is said once"


def test_each_failed_migration_has_its_own_verdict_in_order() -> None:
    gone = row("20230101000000_gone", b"gone", at=EARLIER)
    found = verdicts(make_facts(gone, row()))
    assert [verdict.name for verdict in found] == ["20230101000000_gone", HEART]
    assert [type(verdict) for verdict in found] == [Undetermined, NothingApplied]
    assert verdicts(make_facts()) == ()


def test_the_sqlstate_is_read_from_the_header() -> None:
    assert database_error(row(INIT, SQL[INIT])) == "42701"
    assert database_error(row(logs=None)) == ""
