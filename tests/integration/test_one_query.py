"""The proof's one claim, tried on a real server: after an error, nothing of a query is in.

Each script runs as Prisma's engine up to 7.3 sends it: one query, of which the last statement
fails. If anything of it stayed, `may_leave_traces` must have said so.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ops.proof.testimony import may_leave_traces
from tests.facts_cases import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASE = "one query"
SETUP = """
CREATE TABLE a (id serial PRIMARY KEY, t text);
INSERT INTO a (t) SELECT 'x' FROM generate_series(1, 3);
CREATE TYPE mood AS ENUM ('ok');
CREATE VIEW v AS SELECT t FROM a;
CREATE MATERIALIZED VIEW m AS SELECT t FROM a;
CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE by_p (id int); COMMIT; END $$;
"""
EVERYTHING = """
SELECT 'class', c.relname::text, c.relkind::text, c.relfilenode::int, i.indisvalid FROM pg_class c
  LEFT JOIN pg_index i ON indexrelid = c.oid WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'column', attrelid::regclass::text, attname::text, atttypid::int, attnotnull
  FROM pg_attribute WHERE attrelid IN (SELECT oid FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v'))
UNION ALL SELECT 'type', typname::text, typtype::text, 0, true FROM pg_type
  WHERE typnamespace = 'public'::regnamespace
UNION ALL SELECT 'label', enumlabel::text, '', 0, true FROM pg_enum
UNION ALL SELECT 'function', proname::text, md5(prosrc), 0, true FROM pg_proc
  WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'row', id::text, t, 0, true FROM a
UNION ALL SELECT 'object', oid::text, '', 0, true FROM pg_largeobject_metadata
UNION ALL SELECT 'prepared', gid, '', 0, true FROM pg_prepared_xacts
UNION ALL SELECT 'database', datname::text, '', 0, true FROM pg_database
UNION ALL SELECT 'slot', slot_name::text, '', 0, true FROM pg_replication_slots
UNION ALL SELECT 'setting', setdatabase::text, array_to_string(setconfig, ','), 0, true
  FROM pg_db_role_setting ORDER BY 1, 2, 3
"""

UNDONE = [
    "CREATE TABLE b (id int)",
    "ALTER TABLE a ADD b int; UPDATE a SET b = 1; ALTER TABLE a ALTER b SET NOT NULL",
    "ALTER TYPE mood ADD VALUE 'better'",
    "CREATE TYPE x AS ENUM ('a'); DROP TYPE mood; CREATE INDEX i ON a (t)",
    "DELETE FROM a; TRUNCATE a; INSERT INTO a (t) VALUES ('y')",
    "DO $$ BEGIN CREATE TABLE by_do (id int); END $$",
    "SELECT lo_create(4242); SELECT lo_unlink(4242)",
    "BEGIN; CREATE TABLE b (id int)",
    "SAVEPOINT x; CREATE TABLE b (id int)",
    "REFRESH MATERIALIZED VIEW m; DROP VIEW v",
    "CREATE SCHEMA s; SET LOCAL search_path = s; CREATE TABLE b (id int)",
    "ALTER ROLE app SET work_mem = '5MB'",
]
STAYS = [
    "CREATE TABLE b (id int); COMMIT; SELECT 1",
    "CREATE TABLE b (id int); /* x */ END; SELECT 1",
    "BEGIN; CREATE TABLE b (id int); COMMIT AND CHAIN; SELECT 1",
    "SELECT '/*'; CREATE TABLE b (id int); COMMIT; SELECT '*/'",
    "SELECT E'\\'' -- it's\n; CREATE TABLE b (id int); COMMIT",
    "SELECT E'a'\n'b\\'; -- ' || 'x'; CREATE TABLE b (id int); COMMIT",
    "SELECT $$--$$; CREATE TABLE b (id int);COMMIT",
    "SELECT 1 AS a$$; CREATE TABLE b$$ (id int); COMMIT; -- $$\n",
    "BEGIN; CREATE TABLE b (id int); PREPARE /* x */ TRANSACTION 'two'; SELECT 1",
    "SELECT pg_create_physical_replication_slot('kept')",
]
ALONE = [
    # Only by itself may such a statement run; its own error, or that of a later file, comes after.
    "CALL p()",
    "DO $$ BEGIN CREATE TABLE by_do (id int); COMMIT; PERFORM 1/0; END $$",
    "CREATE UNIQUE INDEX CONCURRENTLY doubled ON a (t)",
    "CREATE DATABASE left_over",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server") / "postgres")
    try:
        # Otherwise off: two-phase commit and replication slots.
        started.sql("ALTER SYSTEM SET max_prepared_transactions = 5")
        started.sql("ALTER SYSTEM SET wal_level = replica")
        started.restart()
        yield started
    finally:
        started.stop()


@pytest.fixture
def database(server: Server) -> Iterator[Server]:
    server.sql(f'DROP DATABASE IF EXISTS "{DATABASE}" WITH (FORCE)')
    server.sql(f'CREATE DATABASE "{DATABASE}"')
    server.sql(SETUP, DATABASE)
    yield server
    server.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
    for gid in server.sql("SELECT gid FROM pg_prepared_xacts", DATABASE).split():
        server.sql(f"ROLLBACK PREPARED '{gid}'", DATABASE)
    server.sql("DROP DATABASE IF EXISTS left_over")


def run_as_one_query(server: Server, script: str) -> tuple[str, str]:
    """Send a script as one query; return everything that is there before and after."""
    before = server.sql(EVERYTHING, DATABASE)
    done = subprocess.run(
        [server.bin / "psql", "-XAtq", "-c", script],
        env=server.variables(DATABASE),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ERROR" in done.stderr or script in ALONE, done.stderr
    return before, server.sql(EVERYTHING, DATABASE)


@pytest.mark.parametrize("script", UNDONE)
def test_an_error_undoes_a_query_that_cannot_commit(script: str, database: Server) -> None:
    failing = f"{script}; SELECT 1/0"
    assert may_leave_traces(failing.encode()) == ""
    before, after = run_as_one_query(database, failing)
    assert after == before


@pytest.mark.parametrize("script", [*(f"{script}; SELECT 1/0" for script in STAYS), *ALONE])
def test_whatever_stays_was_announced(script: str, database: Server) -> None:
    before, after = run_as_one_query(database, script)
    assert after != before, "this one is no example any more"
    assert may_leave_traces(script.encode())
