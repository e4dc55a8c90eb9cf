"""The app's database as the sandbox sees it: through `psql`, as the owner or as the app."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ops.errors import StepFailed
from ops.sandbox import process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ops.sandbox.postgres import Binaries
    from ops.sandbox.process import Process

FIELD, RECORD, NULL = "\x1f", "\0", "\x1d"
"""What stands between values and after rows in the output of psql, and for NULL."""

HOLDER: Final = "nightly-report"
"""application_name of the session that stands in a migration's way."""

_WAIT_WITHIN: Final = 30.0

_WAITING: Final = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event <> 'advisory'
   AND application_name <> 'nightly-report'
"""

_UNTIL_SOMEBODY_WAITS: Final = """
DO $$ BEGIN
  WHILE NOT EXISTS (
    SELECT FROM pg_locks AS lock
     WHERE NOT lock.granted AND pg_backend_pid() = ANY (pg_blocking_pids(lock.pid))
  ) LOOP PERFORM pg_sleep(0.05); END LOOP;
END $$
"""

_HOLDERS: Final = f"FROM pg_stat_activity WHERE application_name = '{HOLDER}'"


@dataclass(frozen=True)
class Login:
    """A role and its password."""

    role: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Database:
    """A database, and the two roles that the sandbox knows.

    Attributes:
        host: Where its server listens.
        port: TCP port.
        name: The database's name.
        owner: The role that may do everything; the sandbox's own.
        app: The role in the app's DATABASE_URL. It owns the database.
        source: The client programs.
        parameters: What follows the `?` of the URL.
    """

    host: str
    port: int
    name: str
    owner: Login
    app: Login
    source: Binaries
    parameters: str = "schema=public"

    def url(self) -> str:
        """The app's DATABASE_URL: everything in it percent-encoded."""
        role, password = (quote(text, safe="") for text in (self.app.role, self.app.password))
        where = f"{self.host}:{self.port}/{quote(self.name, safe='')}"
        return f"postgresql://{role}:{password}@{where}?{self.parameters}"

    def psql_env(self, login: Login, database: str = "") -> dict[str, str]:
        """The PG* variables with which PostgreSQL's programs log in."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": login.role,
            "PGPASSWORD": login.password,
            "PGDATABASE": database or self.name,
            "PGCONNECT_TIMEOUT": "10",
            "PGCLIENTENCODING": "UTF8",
        }

    def sql(
        self, text: str, *, as_app: bool = False, database: str = ""
    ) -> list[tuple[str | None, ...]]:
        """Run SQL and return the rows of all its queries, every value as text and NULL as None.

        Args:
            text: One statement or several, each in a transaction of its own.
            as_app: As the app's role instead of the owner.
            database: Another database of the server.

        Raises:
            StepFailed: A statement failed; the rest was not run.
        """
        output = process.run(
            [
                *(self.source["psql"], "--no-psqlrc", "--quiet", "--no-align", "--tuples-only"),
                *("--field-separator", FIELD, "--record-separator-zero"),
                *("--pset", f"null={NULL}", "--set", "ON_ERROR_STOP=1"),
                # No quotation of the statement: it may hold a password.
                *("--set", "VERBOSITY=terse", "--file", "-"),
            ],
            env=self.psql_env(self.app if as_app else self.owner, database),
            stdin=text,
            what="psql",
        )
        return [
            tuple(None if value == NULL else value for value in record.split(FIELD))
            for record in output.split(RECORD)[:-1]
        ]

    def value(self, text: str) -> str:
        """The one value that a query has, as text; empty for NULL."""
        return self.sql(text)[0][0] or ""

    def hold(self, *statements: str, log: Path, seconds: float | None = None) -> Process:
        """Keep a transaction open that has run these statements, as a session of the app's role.

        Args:
            statements: What takes the locks.
            log: For what psql writes.
            seconds: How long it is kept once somebody waits for it; until it is ended where None.

        Returns:
            The psql that holds it. It goes on after this process.
        """
        end = ["SELECT pg_sleep(600)"]
        if seconds is not None:
            end = [_UNTIL_SOMEBODY_WAITS, f"SELECT pg_sleep({seconds})", "ROLLBACK"]
        script: Sequence[str] = ["BEGIN", *statements, *end]
        holder = process.start(
            [
                *(self.source["psql"], "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"),
                *(word for statement in script for word in ("--command", statement)),
            ],
            log=log,
            env={**self.psql_env(self.app), "PGAPPNAME": HOLDER},
        )
        asleep = f"SELECT 1 {_HOLDERS} AND (query LIKE 'SELECT pg_sleep%' OR query LIKE '%DO $$%')"
        try:
            self._until(
                lambda: bool(self.sql(asleep, as_app=True)), "the session that holds the locks"
            )
        except BaseException:
            process.end(holder)
            raise
        return holder

    def release(self) -> None:
        """End the sessions that `hold` keeps open; what they did is rolled back."""
        self.sql(f"SELECT pg_terminate_backend(pid, 5000) {_HOLDERS}", as_app=True)

    def waiting(self) -> int:
        """Wait until a session waits for a lock that another holds; return its backend's pid."""
        found: list[tuple[str | None, ...]] = []

        def look() -> bool:
            found[:] = self.sql(_WAITING, as_app=True)
            return bool(found)

        self._until(look, "a migration that waits for a lock")
        return int(found[0][0] or 0)

    def terminate(self, backend: int) -> None:
        """End one backend, as `pg_terminate_backend` does."""
        self.sql(f"SELECT pg_terminate_backend({backend}, 5000)", as_app=True)

    def until_gone(self, backend: int) -> None:
        """Wait until a backend has done its work and ended."""
        query = f"SELECT 1 FROM pg_stat_activity WHERE pid = {backend}"  # noqa: S608 - a number
        self._until(lambda: not self.sql(query), f"the end of backend {backend}")

    @staticmethod
    def _until(true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _WAIT_WITHIN
        while not true():
            if time.monotonic() > deadline:
                raise StepFailed(f"sandbox: waited {_WAIT_WITHIN:g} s in vain for {what}")
            time.sleep(0.05)
