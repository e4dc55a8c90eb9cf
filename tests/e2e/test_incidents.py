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

TRANSPORT = "20260305071500_transport"
SLUGS = "20260311063000_student_slugs"
FAILED = (False, False, True, 0)
CUT_OFF = (False, False, False, 0)
ROLLED_BACK = (False, True, True, 0)
APPLIED = (True, False, False, 1)


@pytest.fixture(params=MODES, ids=lambda mode: f"prisma{mode[0]}-{mode[1]}")
def mode(request: pytest.FixtureRequest) -> tuple[int, str]:
    found: tuple[int, str] = request.param
    return found


@pytest.fixture(params=[6, 7], ids=lambda prisma: f"prisma{prisma}")
def prisma(request: pytest.FixtureRequest) -> int:
    found: int = request.param
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


def test_still_broken(operator: Begin, mode: tuple[int, str]) -> None:
    """What would fail again fails on the copy. Where it got through, the rest of it is run."""
    someone = operator("p3018-still-broken", prisma=mode[0], engine=mode[1])
    before = someone.dump()
    recovered = someone.fab("recover", "--yes")
    if mode[1] == "per-statement":
        # The type that somebody made is what statement 3 makes: 3 statements are in.
        check_resumed(someone, recovered.code, recovered.out, "statements 4 to 29 of 29")
        return
    check_refused(someone, recovered.code, recovered.out, before)
    assert 'fails on a copy: type "attendance_status" already exists (42710)' in recovered.out
    assert someone.ledger() == [FAILED], "it was not tried again on production"


def test_cut_off(operator: Begin, mode: tuple[int, str]) -> None:
    """Killed in statement 1: nothing is in, and the whole script is run again."""
    someone = operator("p3009-killed", prisma=mode[0], engine=mode[1])
    assert someone.ledger() == [CUT_OFF]
    recovered = someone.fab("recover", "--yes")
    assert recovered.code == 0, recovered
    assert "nothing of it is in the database" in recovered.out
    assert someone.has_table("library_books")
    assert someone.ledger() == [(False, True, False, 0), APPLIED]
    check_backup(someone, had_heart=True)


def test_cut_off_but_committed(operator: Begin, mode: tuple[int, str]) -> None:
    """Killed while the server went on: it is found out how far it came."""
    someone = operator("p3009-killed-committed", prisma=mode[0], engine=mode[1])
    assert someone.ledger() == [CUT_OFF]
    recovered = someone.fab("recover", "--yes")
    if mode[1] == "per-statement":
        check_resumed(someone, recovered.code, recovered.out, "statements 23 to 29 of 29")
    else:
        check_marked(someone, recovered.code, recovered.out)


def test_half_applied(operator: Begin, prisma: int) -> None:
    someone = operator("half-applied", prisma=prisma, engine="per-statement")
    before = someone.dump()
    diagnosed = someone.fab("diagnose")
    assert diagnosed.code == 3
    assert "3 of its 7 statements are in the database" in diagnosed.out
    assert "remedy: run statements 4 to 7 of 20260305071500_transport" in diagnosed.out
    assert someone.dump() == before
    check_no_scratch(someone)
    recovered = someone.fab("recover", "--yes")
    check_resumed(someone, recovered.code, recovered.out, "statements 4 to 7 of 7", TRANSPORT)


def test_half_applied_with_data(operator: Begin, prisma: int) -> None:
    someone = operator("half-applied-with-data", prisma=prisma, engine="per-statement")
    students = someone.box.sql("SELECT id, slug FROM students ORDER BY id")
    recovered = someone.fab("recover", "--yes")
    assert "1 or 2 of its 4 statements are in the database" in recovered.out
    assert "can be run twice: tried on a copy with rows" in recovered.out
    check_resumed(someone, recovered.code, recovered.out, "statements 2 to 4 of 4", SLUGS)
    assert someone.box.sql("SELECT id, slug FROM students ORDER BY id") == students


def test_applied_but_unfinished(operator: Begin, mode: tuple[int, str]) -> None:
    someone = operator("applied-but-unfinished", prisma=mode[0], engine=mode[1])
    recovered = someone.fab("recover", "--yes")
    check_marked(someone, recovered.code, recovered.out, TRANSPORT)


@pytest.mark.parametrize(
    ("incident", "said"),
    [
        ("db-push-drift", "public.transport_stops.fee: type is bigint in production, integer in"),
        ("wrong-type-exists", 'labels is "BUS", "CAR", "WALK" in production'),
    ],
)
def test_other_shapes_are_refused(
    operator: Begin, mode: tuple[int, str], incident: str, said: str
) -> None:
    someone = operator(incident, prisma=mode[0], engine=mode[1])
    before = someone.dump()
    refused = someone.fab("recover", "--yes")
    check_refused(someone, refused.code, refused.out, before, TRANSPORT)
    assert said in refused.out


def test_an_invalid_index_is_made_again(operator: Begin, mode: tuple[int, str]) -> None:
    someone = operator("invalid-index", prisma=mode[0], engine=mode[1])
    recovered = someone.fab("recover", "--yes")
    assert recovered.code == 0, recovered
    assert "DROP INDEX CONCURRENTLY public.classes_school_id_name_key" in recovered.out
    index = "classes_school_id_name_key"
    valid = f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{index}'::regclass"
    assert someone.box.sql(valid) == [("t",)]
    assert someone.fab("status").code == 0
    check_no_scratch(someone)


def test_edited_after_failure(operator: Begin, mode: tuple[int, str]) -> None:
    """Half of the old script is in: the new one leads elsewhere. Nothing is in: it is run."""
    someone = operator("edited-after-failure", prisma=mode[0], engine=mode[1])
    before = someone.dump()
    recovered = someone.fab("recover", "--yes")
    if mode[1] == "per-statement":
        check_refused(someone, recovered.code, recovered.out, before, TRANSPORT)
        assert "3 of its 7 statements are in the database" in recovered.out
        return
    assert recovered.code == 0, recovered
    assert someone.fab("status").code == 0


@pytest.mark.parametrize("action", ["recover", "deploy"])
def test_duplicates_are_found_on_the_copy(
    operator: Begin, mode: tuple[int, str], action: str
) -> None:
    someone = operator("unique-violation", prisma=mode[0], engine=mode[1])
    before = someone.dump()
    refused = someone.fab(action, "--yes")
    assert refused.code == 3, refused
    assert 'could not create unique index "classes_school_id_name_key" (23505)' in refused.out
    assert someone.dump() == before
    assert not list(someone.box.backups.glob("*"))
    check_no_scratch(someone)


def check_resumed(someone: Operator, code: int, out: str, what: str, name: str = HEART) -> None:
    """The rest was run, and the migration recorded as applied."""
    assert code == 0, out
    assert f": {what}" in out
    assert [row[:2] for row in someone.ledger(name)] == [(False, True), (True, False)]
    assert someone.fab("status").code == 0
    assert len(list(someone.box.backups.glob("*.json"))) == 1
    check_no_scratch(someone)


def check_marked(someone: Operator, code: int, out: str, name: str = HEART) -> None:
    """The migration was recorded as applied, and nothing else was changed."""
    assert code == 0, out
    assert "all of it is in the database" in out
    assert "--applied" in out
    assert "run the pending migrations" not in out
    assert [row[:2] for row in someone.ledger(name)] == [(False, True), (True, False)]
    assert someone.fab("status").code == 0
    check_no_scratch(someone)


def check_no_scratch(someone: Operator) -> None:
    """No scratch database is left."""
    assert someone.box.sql("SELECT datname FROM pg_database WHERE datname LIKE 'ops%'") == []


def check_refused(someone: Operator, code: int, out: str, before: str, name: str = HEART) -> None:
    """Exit 3, database and ledger as they were, no backup taken, the manual steps shown."""
    assert code == 3, out
    assert someone.dump() == before
    assert f"fab sandbox resolve --rolled-back '{name}'" in out
    assert "refused, nothing was changed" in out
    assert not list(someone.box.backups.glob("*"))
    check_no_scratch(someone)


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
