"""A dialogue with one psql on the host, connected to one database and never to another.

What is asked goes to psql's stdin; a line of `echo` after it brings psql's own word on how that
ended.
"""

from __future__ import annotations

import queue
import re
import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ops.errors import OpsError
from ops.facts.frames import Unknown
from ops.facts.psql_text import queries
from ops.host.script import HostPath, Script, shell_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ops.host.base import Host, Process
    from ops.secrets import Secret

STATEMENT_TIMEOUT: Final = 60
"""Seconds that one statement of ours may take on a server, a scratch database's included."""
LOCK_TIMEOUT: Final = 5
"""Seconds that it may wait for a lock."""

_ERROR: Final = re.compile(
    r"^(?:psql:<stdin>:\d+: )?(?!(?:DEBUG|INFO|NOTICE|WARNING|LOG):)\S+:  "
    r"(?P<code>[0-9A-Z]{5}): (?P<text>.*)",
    re.MULTILINE,
)
"""An error as psql writes it with VERBOSITY=verbose; the severity is in the server's language.

It counts beside psql's `:ERROR`, which tells of the last query only: after an error in a
transaction block, that is a COMMIT that rolled back and was no error. And since 17 psql does not
tell the SQLSTATE of a query that `\\gexec` sent."""
_DETAIL: Final = re.compile(r"^DETAIL:  (.*)", re.MULTILINE)

_SETTINGS: Final = rf"""
\set VERBOSITY verbose
\set SHOW_CONTEXT never
SET client_encoding = 'UTF8';
SET client_min_messages = error;
SET standard_conforming_strings = on;
SET statement_timeout = '{STATEMENT_TIMEOUT}s';
SET lock_timeout = '{LOCK_TIMEOUT}s';
SET idle_in_transaction_session_timeout = '10min';
"""


@dataclass(frozen=True)
class SqlError:
    """What the server answered to a statement that failed.

    Args:
        code: The SQLSTATE; empty when psql had no connection any more.
        text: The primary message, in the server's language.
        detail: Its detail, which may quote rows.
    """

    code: str
    text: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.code})" if self.code else self.text


@dataclass(frozen=True)
class Answer:
    """What came back: the lines, and the first error if there was one."""

    lines: tuple[str, ...]
    error: SqlError | None

    def checked(self, doing: str) -> tuple[str, ...]:
        """Return the lines.

        Raises:
            Unknown: It failed. Nothing may be concluded from that.
        """
        if self.error is not None:
            raise Unknown(f"{doing}: {self.error}")
        return self.lines


class Psql:
    """One psql, connected to one database. Questions may be posted ahead of their answers."""

    def __init__(self, process: Process, mark: str, what: str, settings: str = "") -> None:
        self._process = process
        self._settings = f"{_SETTINGS}{settings}\n;\n"
        self._mark = mark
        self._what = what
        self._blocks: queue.SimpleQueue[bytes | BaseException | None] = queue.SimpleQueue()
        self._lines: list[str] = []
        self._rest = b""
        self._posted = 0
        self._answered = 0
        self._answers: dict[int, Answer] = {}
        self._reader = threading.Thread(target=self._read, name="psql", daemon=True)
        self._reader.start()

    def post(self, sql: str) -> int:
        """Send SQL of ours; return the number under which `answer` has what it says."""
        self._posted += 1
        self._process.send(
            # The last semicolon may be missing; one too many is nothing to psql.
            f"{sql.strip()}\n;\n\\echo '{self._mark}' {self._posted} :ERROR\n".encode()
        )
        return self._posted

    def post_queries(self, texts: Sequence[str]) -> int:
        """Send texts of a migration; see `queries`."""
        return self.post(queries(texts))

    def answer(self, number: int) -> Answer:
        """Return the answer to what was posted under a number. Raises Unknown when psql ended."""
        while number not in self._answers:
            self._receive()
        return self._answers.pop(number)

    def ask(self, sql: str, doing: str) -> tuple[str, ...]:
        """Send SQL of ours and return the lines of its answer. Raises Unknown when it failed."""
        return self.answer(self.post(sql)).checked(doing)

    def run(self, texts: Sequence[str]) -> SqlError | None:
        """Send texts of a migration, as `post_queries`; return the first error."""
        return self.answer(self.post_queries(texts)).error

    def settle(self) -> None:
        """End what a migration's script may have left: a transaction, a role, settings."""
        self.post(f"ROLLBACK;\nSET SESSION AUTHORIZATION DEFAULT;\nRESET ALL;{self._settings}")

    def greet(self) -> None:
        """Wait for psql, and set up the session. Raises Unknown when there is no connection."""
        self._until(f"{self._mark} ready")
        self._posted = 1
        self._process.send(f"{self._settings}\\echo '{self._mark}' 1 :ERROR\n".encode())
        self.answer(1).checked(f"connecting to {self._what}")

    def _receive(self) -> None:
        lines = self._until(f"{self._mark} {self._answered + 1} ")
        self._answered += 1
        failed = lines.pop().endswith(" true")
        text = "\n".join(lines)
        found = _ERROR.search(text)
        error = None
        if failed or found:
            detail = _DETAIL.search(text)
            error = SqlError(
                found["code"] if found else "",
                found["text"] if found else next(iter(lines), "psql reports an error"),
                detail.group(1) if detail else "",
            )
        self._answers[self._answered] = Answer(tuple(lines), error)

    def _until(self, sign: str) -> list[str]:
        """Return the lines up to one that begins with a sign, that one last."""
        found: list[str] = []
        while True:
            while self._lines:
                found.append(self._lines.pop(0))
                if found[-1].startswith(sign):
                    return found
            block = self._blocks.get()
            if isinstance(block, BaseException):
                raise block
            if block is None:
                self._blocks.put(None)
                found += [self._rest.decode(errors="replace")] if self._rest else []
                raise self._ended(found)
            *complete, self._rest = (self._rest + block).split(b"\n")
            self._lines = [line.decode(errors="replace") for line in complete]

    def _ended(self, lines: list[str]) -> Unknown:
        said = [line for line in lines if line.strip()]
        errors = self._process.errors().decode(errors="replace").strip().splitlines()
        last = (said or errors or ["it said nothing"])[-1]
        return Unknown(f"psql on {self._what} ended: {last.removeprefix('psql: error: ')}")

    def _read(self) -> None:
        try:
            for block in self._process.blocks():
                self._blocks.put(block)
            self._process.wait()
        except (OpsError, OSError, ValueError) as error:  # closed by whoever gave up
            self._blocks.put(error)
        self._blocks.put(None)

    def finish(self) -> None:
        """Let psql end by itself: its stdin is closed, what is running is waited for."""
        self._process.finish_input()
        self._reader.join()


@contextmanager
def connect(
    host: Host,
    variables: Mapping[str, str | Secret],
    path: tuple[HostPath, ...],
    what: str,
    settings: str = "",
) -> Iterator[Psql]:
    """Start a psql on the host.

    Args:
        host: Where.
        variables: PG* variables: which database, as whom.
        path: Directories put before PATH.
        what: The database, for messages.
        settings: SQL that sets up each session, and again whatever `settle` resets.

    Raises:
        Unknown: There is no psql, or no connection to the database.
        Unreachable: There is no connection to the host.
    """
    mark = f"@{secrets.token_hex(8)}"
    body = shell_text("ops.facts", "database") + shell_text("ops.proof", "psql")
    script = Script(
        body, {"mark": mark}, {"PGAPPNAME": "prisma-ops", **variables}, path, talks=True
    )
    with host.open(script) as process:
        psql = Psql(process, mark, what, settings)
        psql.greet()
        yield psql
        psql.finish()
