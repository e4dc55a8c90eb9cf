"""Every incident, Prisma 6 and 7, both ways of sending a script: what is there in the end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest

from tests.e2e.conftest import HEART, Operator

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MODES = [(6, "one-query"), (6, "per-statement"), (7, "one-query"), (7, "per-statement")]
Begin = Callable[..., Operator]

FAILED = (False, False, True, 0)
CUT_OFF = (False, False, False, 0)
ROLLED_BACK = (False, True, True, 0)
APPLIED = (True, False, False, 1)


@pytest.fixture(params=MODES, ids=lambda mode: f"prisma{mode[0]}-{mode[1]}")
def mode(request: pytest.FixtureRequest) -> tuple[int, str]:
    found: tuple[int, str] = request.param
    return found


def test_healthy_is_left_alone(operator: Begin, mode: tuple[int, str]) -> None:
    someone = operator("healthy", prisma=mode[0], engine=mode[1])
    before = someone.dump()
    recovered = someone.fab("recover", "--yes")
    assert recovered.code == 0, recovered
    assert "healthy" in recovered.out
    assert someone.dump() == before
    assert not list(someone.box.backups.glob("*"))
    assert someone.fab("status").code == 0


def test_pending_is_deployed(operator: Begin, mode: tuple[int, str]) -> None:
    someone = operator("pending", prisma=mode[0], engine=mode[1])
    assert not someone.has_table("library_books")
    deployed = someone.fab("recover", "--yes")
    assert deployed.code == 0, deployed
    assert someone.has_table("library_books")
    assert someone.ledger() == [APPLIED]
    check_backup(someone, had_heart=False)
    assert someone.fab("status").code == 0


def test_running_is_waited_for(operator: Begin, mode: tuple[int, str]) -> None:
    someone = operator("running", prisma=mode[0], engine=mode[1], seconds=6.0)
    waited = someone.fab("recover", "--yes")
    assert waited.code == 0, waited
    assert "still running" in waited.out
    assert someone.ledger() == [APPLIED]
    assert not list(someone.box.backups.glob("*")), "nothing had to be done"


def test_type_exists(operator: Begin, mode: tuple[int, str]) -> None:
    someone = operator("p3018-type-exists", prisma=mode[0], engine=mode[1])
    assert someone.ledger() == [FAILED]
    before = someone.dump()
    students = someone.box.sql("SELECT count(*) FROM students")
    recovered = someone.fab("recover", "--yes")
    if mode[1] == "per-statement":
        check_refused(someone, recovered.code, recovered.out, before)
        return
    assert recovered.code == 0, recovered
    assert someone.has_table("library_books")
    assert someone.ledger() == [ROLLED_BACK, APPLIED]
    assert someone.box.sql("SELECT count(*) FROM students") == students
    check_backup(someone, had_heart=True)
    assert someone.fab("status").code == 0


def test_still_broken_stops_after_two_attempts(operator: Begin, mode: tuple[int, str]) -> None:
    someone = operator("p3018-still-broken", prisma=mode[0], engine=mode[1])
    before = someone.dump()
    without_ledger = "--exclude-table-data=_prisma_migrations"
    tables = someone.dump(without_ledger)
    first = someone.fab("recover", "--yes")
    if mode[1] == "per-statement":
        check_refused(someone, first.code, first.out, before)
        return
    assert first.code == 3, first
    assert someone.ledger() == [ROLLED_BACK, FAILED]
    assert "attendance_status" in first.out
    assert "failed 2 times" in first.out
    after_first = someone.dump()
    assert someone.dump(without_ledger) == tables, "only the ledger knows of the attempt"
    second = someone.fab("recover", "--yes")
    check_refused(someone, second.code, second.out, after_first)


@pytest.mark.parametrize("incident", ["p3009-killed", "p3009-killed-committed"])
def test_cut_off_is_not_guessed(operator: Begin, mode: tuple[int, str], incident: str) -> None:
    someone = operator(incident, prisma=mode[0], engine=mode[1])
    assert someone.ledger() == [CUT_OFF]
    before = someone.dump()
    refused = someone.fab("recover", "--yes")
    check_refused(someone, refused.code, refused.out, before)
    status = someone.ops("status", "--json")
    assert status.code == 3
    assert json.loads(status.out)["ledger"]["failed"] == [HEART]


def check_refused(someone: Operator, code: int, out: str, before: str) -> None:
    """Exit 3, database and ledger as they were, no backup taken, the manual steps shown."""
    assert code == 3, out
    assert someone.dump() == before
    assert f"fab sandbox resolve --rolled-back '{HEART}'" in out
    assert "refused, nothing was changed" in out


def check_backup(someone: Operator, *, had_heart: bool) -> None:
    """One backup, as its card says, which restores to what was there before the recovery."""
    (card_file,) = someone.box.backups.glob("*.json")
    card = json.loads(card_file.read_text())
    dump = card_file.with_name(card["file"])
    assert dump.stat().st_mode & 0o777 == 0o600
    assert hashlib.sha256(dump.read_bytes()).hexdigest() == card["sha256"]
    assert dump.stat().st_size == card["size"]
    psql = ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")
    someone.client("psql", *psql, "-c", "CREATE DATABASE restored")
    someone.client("psql", *psql, "-f", str(dump), database="restored")
    rows = f"SELECT count(*) FROM _prisma_migrations WHERE migration_name = '{HEART}'"
    found = someone.client(
        "psql", *psql, "-c", "SELECT count(*) FROM students", "-c", rows, database="restored"
    )
    students = someone.box.sql("SELECT count(*) FROM students")[0][0]
    assert found.split() == [students, str(int(had_heart))]
