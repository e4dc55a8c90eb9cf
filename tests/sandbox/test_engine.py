"""The stand-in engine, spoken to as the CLI does, on a real server."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ops.sandbox.postgres import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ops.sandbox.database import Database
    from ops.sandbox.node import Node

ONE_QUERY, PER_STATEMENT = "6.19.3", "7.10.1"
BOTH = pytest.mark.parametrize("version", [ONE_QUERY, PER_STATEMENT])
LOCK = 'provider = "postgresql"\n'


class EngineError(Exception):
    """What a request was answered with."""

    def __init__(self, data: dict[str, Any]) -> None:
        super().__init__(data["message"])
        self.code = data.get("error_code", "")
        self.message = data["message"]


class Engine:
    """A running engine and the client's end of its pipe."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.printed: list[str] = []

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())  # type: ignore[no-any-return]

    def ask(self, method: str, **params: Any) -> Any:
        self.send({"id": 1, "method": method, "params": params})
        return self.answer()

    def answer(self) -> Any:
        while (message := self.read()).get("method") == "print":
            self.printed.append(message["params"]["content"])
            self.send({"id": message["id"], "result": {}})
        if "error" in message:
            raise EngineError(message["error"]["data"])
        return message["result"]

    def deploy(self, scripts: dict[str, str | None], lock: str | None = LOCK) -> list[str]:
        return self.ask("applyMigrations", migrationsList=listing(scripts, lock))[  # type: ignore[no-any-return]
            "appliedMigrationNames"
        ]


def listing(scripts: dict[str, str | None], lock: str | None = LOCK) -> dict[str, Any]:
    def file(script: str | None) -> dict[str, Any]:
        content = {"tag": "error", "value": "gone"} if script is None else {}
        content = content or {"tag": "ok", "value": str(script)}
        return {"path": "migration.sql", "content": content}

    return {
        "baseDir": "/app/migrations",
        "lockfile": {"path": "migration_lock.toml", "content": lock},
        "migrationDirectories": [
            {"path": name, "migrationFile": file(script)} for name, script in scripts.items()
        ],
    }


Start = "Callable[..., Engine]"


@pytest.fixture
def start(node: Node, engine_file: Path, database: Database) -> Iterator[Callable[..., Engine]]:
    engines: list[Engine] = []

    def begin(version: str = ONE_QUERY, url: str = "", **env: str) -> Engine:
        process = subprocess.Popen(
            [node.node, engine_file, "--datasource", json.dumps({"url": url or database.url()})],
            env={**os.environ, "PRISMA_OPS_ENGINE_VERSION": version, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        engines.append(Engine(process))
        return engines[-1]

    yield begin
    for engine in engines:
        engine.process.stdin.close()  # type: ignore[union-attr]
        engine.process.wait(timeout=10)
        engine.process.stdout.close()  # type: ignore[union-attr]


@contextmanager
def refused(code: str, text: str) -> Iterator[None]:
    with pytest.raises(EngineError) as caught:
        yield
    assert caught.value.code == code
    assert text in caught.value.message


def ledger(database: Database) -> list[tuple[str | None, ...]]:
    return database.sql(
        "SELECT migration_name, finished_at IS NOT NULL, rolled_back_at IS NOT NULL, "
        "logs IS NULL, applied_steps_count FROM _prisma_migrations ORDER BY started_at"
    )


def tables(database: Database) -> list[str | None]:
    query = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 't_' ORDER BY 1"
    return [name for (name,) in database.sql(query)]


OPEN_FAILED = ("f", "f", "f", "0")
OPEN_UNKNOWN = ("f", "f", "t", "0")
DONE = ("t", "f", "t", "1")


@BOTH
def test_deploys_and_records(
    start: Callable[..., Engine], database: Database, version: str
) -> None:
    engine = start(version)
    script = "CREATE TABLE t1 (a int);\r\nCREATE TABLE t2 ();"
    assert engine.deploy({"1_a": script, "2_b": "SELECT 1"}) == ["1_a", "2_b"]
    assert engine.printed == ["Applying migration `1_a`", "Applying migration `2_b`"]
    assert ledger(database) == [("1_a", *DONE), ("2_b", *DONE)]
    checksum = database.value("SELECT checksum FROM _prisma_migrations WHERE migration_name='1_a'")
    assert checksum == hashlib.sha256(script.encode()).hexdigest()
    assert engine.deploy({"1_a": "edited", "2_b": "SELECT 1"}) == []
    assert (
        database.value(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'schooliat' "
            "AND application_name = '' AND datname = current_database()"
        )
        == "1"
    )
    assert (
        database.value(
            "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database "
            "WHERE locktype = 'advisory' AND classid = 0 AND objid = 72707369 AND granted "
            "AND objsubid = 1 AND datname = current_database()"
        )
        == "1"
    )


FAILING = """\
CREATE TABLE t1 (a int);
CREATE TABLE t2 (a int);
INSERT INTO t1 VALUES ('x');
CREATE TABLE t3 ();
"""


@pytest.mark.parametrize(
    ("version", "left"),
    [("6.19.3", []), ("7.3.0", []), ("7.4.0", ["t1", "t2"]), ("7.10.1", ["t1", "t2"])],
)
def test_a_failure_leaves_what_that_version_leaves(
    start: Callable[..., Engine], database: Database, version: str, left: list[str]
) -> None:
    engine = start(version)
    with refused("P3018", "Migration name: 1_a\n\nDatabase error code: 22P02\n\nDatabase error:\n"):
        engine.deploy({"1_a": FAILING})
    assert tables(database) == left
    assert ledger(database) == [("1_a", *OPEN_FAILED)]
    logs = database.value("SELECT logs FROM _prisma_migrations")
    assert 'ERROR: invalid input syntax for type integer: "x"' in logs
    assert "\n\nPosition:\n" in logs
    assert "code: SqlState(E22P02)" in logs
    assert 'with migration_name="1_a"' in logs
    with refused("P3009", "The `1_a` migration started at 20"):
        engine.deploy({})


@BOTH
def test_resolve(start: Callable[..., Engine], database: Database, version: str) -> None:
    engine = start(version)
    with refused("", "Invariant violation"):
        engine.ask("markMigrationRolledBack", migrationName="1_a")
    with refused("P3018", "division by zero"):
        engine.deploy({"1_a": "SELECT 1/0"})
    with refused("P3011", "`9_z` cannot be rolled back because it was never applied"):
        engine.ask("markMigrationRolledBack", migrationName="9_z")
    assert engine.ask("markMigrationRolledBack", migrationName="1_a") == {}
    assert ledger(database) == [("1_a", "f", "t", "f", "0")]
    assert engine.ask("markMigrationRolledBack", migrationName="1_a") == {}
    assert engine.deploy({"1_a": "SELECT 1"}) == ["1_a"]
    everything = {"migrationsList": listing({"1_a": "SELECT 1", "2_b": "SELECT 2"})}
    with refused("P3008", "`1_a` is already recorded as applied"):
        engine.ask("markMigrationApplied", migrationName="1_a", **everything)
    with refused("P3017", "The migration 9_z could not be found"):
        engine.ask("markMigrationApplied", migrationName="9_z", **everything)
    assert engine.ask("markMigrationApplied", migrationName="2_b", **everything) == {}
    assert ledger(database)[-1] == ("2_b", "t", "f", "f", "0")
    with refused("P3012", "`2_b` cannot be rolled back because it is not in a failed state."):
        engine.ask("markMigrationRolledBack", migrationName="2_b")


def test_resolve_applied_closes_the_open_row(
    start: Callable[..., Engine], database: Database
) -> None:
    engine = start()
    with refused("P3018", "division by zero"):
        engine.deploy({"1_a": "SELECT 1/0"})
    listed = listing({"1_a": "SELECT 1/0"})
    engine.ask("markMigrationApplied", migrationName="1_a", migrationsList=listed)
    assert ledger(database) == [("1_a", "f", "t", "f", "0"), ("1_a", "t", "f", "f", "0")]


@pytest.mark.parametrize(
    ("version", "history"),
    [
        ("7.8.0", None),
        ("7.9.0", {"diagnostic": "databaseIsBehind", "unappliedMigrationNames": ["1_a"]}),
    ],
)
def test_status_of_a_rolled_back_migration(
    start: Callable[..., Engine], version: str, history: object
) -> None:
    engine = start(version)
    with refused("P3018", "division by zero"):
        engine.deploy({"1_a": "SELECT 1/0"})
    listed = {"migrationsList": listing({"1_a": "SELECT 1/0"})}
    assert engine.ask("diagnoseMigrationHistory", **listed)["failedMigrationNames"] == ["1_a"]
    engine.ask("markMigrationRolledBack", migrationName="1_a")
    status = engine.ask("diagnoseMigrationHistory", **listed)
    assert status["history"] == history
    assert status["failedMigrationNames"] == []


def test_status_of_diverged_histories(start: Callable[..., Engine]) -> None:
    engine = start()
    engine.deploy({"1_a": "SELECT 1", "2_gone": "SELECT 1"})
    status = engine.ask(
        "diagnoseMigrationHistory", migrationsList=listing({"1_a": "edited", "3_c": ""})
    )
    assert status == {
        "history": {
            "diagnostic": "historiesDiverge",
            "lastCommonMigrationName": "1_a",
            "unpersistedMigrationNames": ["2_gone"],
            "unappliedMigrationNames": ["3_c"],
        },
        "failedMigrationNames": [],
        "editedMigrationNames": ["1_a"],
        "hasMigrationsTable": True,
    }


def test_refusals_before_anything_runs(start: Callable[..., Engine], database: Database) -> None:
    engine = start()
    for lock in ('provider = "mysql"\n', 'provider="postgresql"\n', ""):
        with refused("P3019", "does not match the one specified in the migration_lock.toml"):
            engine.deploy({"1_a": "SELECT 1"}, lock)
    database.sql("CREATE TABLE t1 ()", as_app=True)
    with refused("P3005", "The database schema is not empty."):
        engine.deploy({"1_a": "SELECT 1"}, None)
    database.sql("DROP TABLE t1", as_app=True)
    with refused("P3015", "Could not find the migration file at migration.sql."):
        engine.deploy({"1_a": "SELECT 1", "2_b": None})
    assert [row[0] for row in ledger(database)] == ["1_a"]


def test_what_breaks_one_transaction(start: Callable[..., Engine], database: Database) -> None:
    engine = start(ONE_QUERY)
    with refused("P3018", "division by zero"):
        engine.deploy({"1_a": "CREATE TABLE t1 (); COMMIT; CREATE TABLE t2 (); SELECT 1/0"})
    assert tables(database) == ["t1"]
    engine.ask("markMigrationRolledBack", migrationName="1_a")
    alone = "CREATE INDEX CONCURRENTLY ON t3 (a)"
    with refused("P3018", "Database error code: 25001"):
        engine.deploy({"2_b": "CREATE TABLE t3 (a int);", "3_c": f"SELECT 1; {alone}"})
    engine.ask("markMigrationRolledBack", migrationName="3_c")
    assert engine.deploy({"2_b": "", "4_d": alone}) == ["4_d"]


def test_per_statement_knows_no_common_transaction(
    start: Callable[..., Engine], database: Database
) -> None:
    engine = start(PER_STATEMENT)
    script = "CREATE TABLE t1 (a int); CREATE INDEX CONCURRENTLY ON t1 (a);"
    assert engine.deploy({"1_a": script}) == ["1_a"]
    values = "CREATE TYPE mood AS ENUM ('a'); ALTER TYPE mood ADD VALUE 'b'; SELECT 'b'::mood;"
    assert engine.deploy({"1_a": script, "2_b": values}) == ["2_b"]
    with refused("P3018", "Database error code: 55P04"):
        one = start(ONE_QUERY)
        one_values = "ALTER TYPE mood ADD VALUE 'c'; SELECT 'c'::mood;"
        engine.process.stdin.close()  # type: ignore[union-attr] # it holds the advisory lock
        one.deploy({"3_c": one_values})


@BOTH
def test_an_error_after_begin_is_masked(
    start: Callable[..., Engine], database: Database, version: str
) -> None:
    engine = start(version)
    with refused("", "ERROR: current transaction is aborted, commands ignored"):
        engine.deploy({"1_a": "BEGIN; CREATE TABLE t1 (); SELECT 1/0; COMMIT;"})
    engine.process.stdin.close()  # type: ignore[union-attr]
    engine.process.wait(timeout=10)
    assert ledger(database) == [("1_a", *OPEN_UNKNOWN)]
    assert tables(database) == []


def test_the_advisory_lock_is_waited_for_ten_seconds(
    start: Callable[..., Engine], database: Database
) -> None:
    holder = start()
    holder.deploy({})
    begin = time.monotonic()
    with refused("P1002", "pg_advisory_lock(72707369)). Timeout: 10000ms."):
        start().deploy({})
    assert 9.5 < time.monotonic() - begin < 13
    assert start(PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK="1").deploy({}) == []


def test_a_terminated_backend(start: Callable[..., Engine], database: Database) -> None:
    engine = start()
    engine.send(
        {
            "id": 1,
            "method": "applyMigrations",
            "params": {
                "migrationsList": listing({"1_a": "CREATE TABLE t1 (); SELECT pg_sleep(60)"})
            },
        }
    )
    printed = engine.read()
    engine.send({"id": printed["id"], "result": {}})
    pid = until(database, "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    database.terminate(int(pid))
    with refused("P1017", "Server has closed the connection."):
        engine.answer()
    assert ledger(database) == [("1_a", *OPEN_UNKNOWN)]
    assert tables(database) == []


def until(database: Database, query: str) -> str:
    deadline = time.monotonic() + 10
    while not (found := database.sql(query)):
        assert time.monotonic() < deadline, query
        time.sleep(0.05)
    return str(found[0][0])


def test_the_running_migration_is_finished_when_the_client_dies(
    start: Callable[..., Engine], database: Database
) -> None:
    engine = start()
    scripts: dict[str, str | None] = {
        "1_a": "SELECT pg_sleep(1); CREATE TABLE t1 ()",
        "2_b": "CREATE TABLE t2 ()",
    }
    params = {"migrationsList": listing(scripts)}
    engine.send({"id": 1, "method": "applyMigrations", "params": params})
    printed = engine.read()
    engine.send({"id": printed["id"], "result": {}})
    until(database, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    engine.process.stdin.close()  # type: ignore[union-attr]
    assert engine.process.wait(timeout=10) == 1
    # The second one has a row although nothing of it has run: nobody was there to print its name.
    assert ledger(database) == [("1_a", *DONE), ("2_b", *OPEN_UNKNOWN)]
    assert tables(database) == ["t1"]


def test_the_schema_of_the_url_is_created_even_by_status(
    start: Callable[..., Engine], database: Database
) -> None:
    engine = start(url=replace(database, parameters="schema=o%22dd").url())
    engine.ask("diagnoseMigrationHistory", migrationsList=listing({}))
    assert database.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'o\"dd'") == "1"


def test_connection_errors(start: Callable[..., Engine], database: Database) -> None:
    wrong = replace(database, app=replace(database.app, password="wrong"))
    with refused("P1000", "credentials for `schooliat` are not valid."):
        start(url=wrong.url()).deploy({})
    with refused("P1003", "Database `nowhere` does not exist"):
        start(url=replace(database, name="nowhere").url()).deploy({})
    port = free_port()
    with refused("P1001", f"Can't reach database server at `127.0.0.1:{port}`"):
        start(url=replace(database, port=port).url()).deploy({})
    database.sql("CREATE ROLE stranger PASSWORD 'x'")  # without LOGIN
    stranger = replace(database, app=replace(database.app, role="stranger", password="x"))
    try:
        with refused("P1010", f"User was denied access on the database `{database.name}`"):
            start(url=stranger.url()).deploy({})
    finally:
        database.sql("DROP ROLE stranger")


def cli(node: Node, engine_file: Path, url: str, command: str) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        [node.node, engine_file, "cli", "--datasource", url, command],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines()]


def test_the_commands_before_the_rpc(node: Node, engine_file: Path, database: Database) -> None:
    check, create = "can-connect-to-database", "create-database"
    assert cli(node, engine_file, database.url(), check)[0] == 0
    missing = replace(database, name=f"{database.name}_new")
    code, lines = cli(node, engine_file, missing.url(), check)
    assert (code, lines[-1]["fields"]["error_code"]) == (1, "P1003")
    assert cli(node, engine_file, missing.url(), create)[0] == 0
    assert cli(node, engine_file, missing.url(), check)[0] == 0
    code, lines = cli(node, engine_file, missing.url(), create)
    assert (code, lines[-1]["fields"]["error_code"]) == (1, "P1009")
    missing.sql(f"DROP DATABASE {missing.name} WITH (FORCE)", database=database.name)


def test_an_unknown_method_is_an_error(start: Callable[..., Engine]) -> None:
    with refused("", "The method devDiagnostic is not implemented."):
        start().ask("devDiagnostic")
