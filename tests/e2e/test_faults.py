"""What keeps a proof from being made: nothing is guessed, nothing is left, nothing is changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.sandbox import process
from ops.sandbox.postgres import Cluster, binaries
from tests.e2e.conftest import Operator

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

Begin = Callable[..., Operator]
SCRATCH = "SELECT datname FROM pg_database WHERE datname LIKE 'ops%'"


def refused(someone: Operator, *said: str) -> None:
    """Exit 3 with these words, and everything as it was."""
    before = someone.dump()
    tried = someone.fab("recover", "--yes")
    assert tried.code == 3, tried
    for text in said:
        assert text in tried.out
    assert someone.dump() == before
    assert someone.box.sql(SCRATCH) == []
    assert not list(someone.box.backups.glob("*"))


@pytest.fixture
def half_applied(operator: Begin) -> Operator:
    return operator("half-applied", prisma=7, engine="per-statement")


def as_owner(someone: Operator, sql: str) -> None:
    someone.box.sql(sql.format(role=someone.box.database.app.role))


def test_a_role_that_may_not_make_databases(half_applied: Operator) -> None:
    as_owner(half_applied, "ALTER ROLE {role} NOCREATEDB")
    refused(half_applied, "the role may not create databases", "cannot be told")
    as_owner(half_applied, "ALTER ROLE {role} CREATEDB")
    assert half_applied.fab("recover", "--yes").code == 0


@pytest.mark.parametrize("power", ["SUPERUSER", "CREATEROLE"])
def test_a_role_that_may_do_too_much(half_applied: Operator, power: str) -> None:
    as_owner(half_applied, f"ALTER ROLE {{role}} {power}")
    refused(half_applied, f"the role has {power}", "cannot be told")


def test_copies_on_another_server(half_applied: Operator, tmp_path: Path) -> None:
    """With a role that may do too much beside production, and rows that stay where they are."""
    as_owner(half_applied, "ALTER ROLE {role} SUPERUSER")
    other = Cluster.place(tmp_path / "other", binaries("16"))
    other.create()
    other.set_passwords({"scratch": "of-the-other"})
    server, port = other.start()
    try:
        url = f"postgresql://scratch:of-the-other@127.0.0.1:{port}/postgres"
        with (half_applied.box.env_file).open("a") as file:
            file.write(f"SCRATCH_URL={url}\n")
        inventory = half_applied.box.inventory
        text = inventory.read_text()
        here = f"scratch: {{url: {{env_file: {half_applied.box.env_file}, name: SCRATCH_URL}}}}"
        assert "    confirm: " in text
        inventory.write_text(text.replace("    confirm: ", f"    {here}\n    confirm: "))
        diagnosed = half_applied.fab("diagnose")
        assert "3 of its 7 statements are in the database" in diagnosed.out, diagnosed
        recovered = half_applied.fab("recover", "--yes")
        assert recovered.code == 0, recovered
        assert "rows were not tried: they may not go to the other server" in recovered.out
        assert "of-the-other" not in recovered.out + recovered.err + diagnosed.out
        assert half_applied.box.sql(SCRATCH) == []
    finally:
        other.stop(server, immediately=True)
        shutil.rmtree(other.home)


def test_no_connection_left_for_the_copy(half_applied: Operator) -> None:
    as_owner(half_applied, "ALTER ROLE {role} CONNECTION LIMIT 2")
    refused(half_applied, "too many connections", "cannot be told")


def test_a_table_that_the_role_cannot_read(half_applied: Operator) -> None:
    as_owner(half_applied, "CREATE SCHEMA of_others; CREATE TABLE of_others.t (id int)")
    refused(half_applied, "production could not be copied", "permission denied")


def test_a_schema_that_changes_after_the_verdict(half_applied: Operator) -> None:
    """Somebody alters a table during the backup: the step after it does nothing."""
    pg_dump = half_applied.box.home / "bin" / "pg_dump"
    real = pg_dump.with_name("pg_dump.real")
    pg_dump.rename(real)
    pg_dump.write_text(
        "#!/bin/sh\n"
        'case "$*" in *" -f "*)\n'
        '  psql -X -q -c "ALTER TABLE transport_stops ADD by_hand int" ;;\nesac\n'
        f'exec "{real}" "$@"\n'
    )
    pg_dump.chmod(0o755)
    tried = half_applied.fab("recover", "--yes")
    assert tried.code == 3, tried
    assert "the schema has changed since it was judged" in tried.err
    assert half_applied.ledger("20260305071500_transport") == [(False, False, False, 0)]
    assert half_applied.box.sql("SELECT to_regclass('students_stop_id_idx')") == [(None,)]


def test_a_lock_that_the_rest_does_not_get(half_applied: Operator) -> None:
    """The rest stops at a lock; what it left is read right, and finished the next time."""
    holder = half_applied.box.database.hold(
        "UPDATE students SET mobile = mobile WHERE id = 1",
        log=half_applied.home / "holder.log",
        seconds=None,
    )
    stopped = half_applied.fab("recover", "--yes")
    assert stopped.code == 3, stopped
    assert "lock timeout" in stopped.out
    assert "recover once more" in stopped.out
    half_applied.box.database.release()
    process.end(holder)
    assert half_applied.fab("recover", "--yes").code == 0


def test_what_a_dead_run_left_is_dropped_and_nothing_else(half_applied: Operator) -> None:
    for name, mark in (
        ("ops_scratch_dead_shadow", "prisma-ops scratch 4711"),
        ("ops_scratch_mine", "my own notes"),
        ("ops_scratch_unmarked", None),
    ):
        role = half_applied.box.database.app.role
        half_applied.box.sql(f"CREATE DATABASE {name} OWNER {role}")
        if mark:
            half_applied.box.sql(f"COMMENT ON DATABASE {name} IS '{mark}'")
    assert half_applied.fab("diagnose").code == 3
    assert half_applied.box.sql(f"{SCRATCH} ORDER BY 1") == [
        ("ops_scratch_mine",),
        ("ops_scratch_unmarked",),
    ]


def test_a_script_that_is_only_in_gits_history(operator: Begin) -> None:
    """The failed version was amended away: no branch has it, the reflog does."""
    someone = operator("edited-after-failure", prisma=7, engine="per-statement")
    diagnosed = someone.fab("diagnose")
    assert "3 of its 7 statements are in the database" in diagnosed.out
