"""The database itself: which one it is, what its ledger says, and who is at work in it."""

from __future__ import annotations

import re
from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING

import msgspec

from ops.facts.frames import Unknown
from ops.facts.git import spellings

if TYPE_CHECKING:
    from ops.facts.frames import Frame, Frames


class Identity(msgspec.Struct, frozen=True):
    """Which database this is. Two databases never share name, oid and system identifier.

    Args:
        tables: In the URL's schema, without the ledger.
        size: In bytes.
        product: What `version()` says.
        plain_strings: Whether standard_conforming_strings is on for this role and database.
    """

    database: str
    oid: int
    user: str
    version: str
    version_number: int
    address: str
    port: int
    standby: bool
    schema_exists: bool
    tables: int
    size: int
    product: str = "PostgreSQL"
    plain_strings: bool = True

    @property
    def major(self) -> int:
        """PostgreSQL's major version."""
        return self.version_number // 10000


class LedgerRow(msgspec.Struct, frozen=True):
    """One attempt at one migration: a row of `_prisma_migrations`.

    Its times come from the clock of the machine that ran Prisma, not from the server's.
    """

    id: str
    checksum: str
    migration_name: str
    started_at: datetime | None
    finished_at: datetime | None
    rolled_back_at: datetime | None
    logs: str | None
    applied_steps_count: int | None

    @property
    def is_open(self) -> bool:
        """Failed, or still running: what makes Prisma stop with P3009 (apply_migrations.rs)."""
        return self.finished_at is None and self.rolled_back_at is None

    @property
    def is_applied(self) -> bool:
        """Recorded as done, by a deploy or by `resolve --applied`."""
        return self.finished_at is not None and self.rolled_back_at is None


class Session(msgspec.Struct, frozen=True):
    """Another backend of this database that does something, or holds Prisma's advisory lock."""

    pid: int
    user: str | None
    application: str | None
    client: str
    state: str | None
    query: str | None
    seconds: float
    holds_lock: bool
    waits_for_lock: bool
    blocked_by: list[int] = []


class Database(msgspec.Struct, frozen=True):
    """What was true in the database at one moment.

    Args:
        ledger: Rows in the order in which they were started; None when there is no ledger.
        system_identifier: The cluster's, where the role may read it; else empty.
        outside: Functions of its own whose effects a rollback may not undo.
    """

    identity: Identity
    sessions: list[Session]
    ledger: list[LedgerRow] | None
    system_identifier: str = ""
    outside: list[str] = []

    @property
    def open_rows(self) -> list[LedgerRow]:
        """The failed (or running) attempts."""
        return [row for row in self.ledger or [] if row.is_open]

    @property
    def applied(self) -> set[str]:
        """Names of the migrations that Prisma takes for done."""
        return {row.migration_name for row in self.ledger or [] if row.is_applied}

    @property
    def covered(self) -> set[str]:
        """Names that a deploy leaves alone: any row that is not rolled back."""
        return {row.migration_name for row in self.ledger or [] if row.rolled_back_at is None}

    def rows(self, name: str) -> list[LedgerRow]:
        """Return every attempt at a migration, whatever became of it."""
        return [row for row in self.ledger or [] if row.migration_name == name]

    def attempts(self, name: str, content: bytes) -> int:
        """Return how often this script was tried, in any spelling of its line ends."""
        checksums = spellings(content)
        return sum(row.checksum in checksums for row in self.rows(name))

    @property
    def fingerprint(self) -> str:
        """What every step compares before it touches anything: the same database?"""
        return f"{self.identity.database} {self.identity.oid} {self.system_identifier}"


def parse_database(frames: Frames, label: str) -> Database:
    """Read the database's answer.

    Raises:
        Unknown: psql could not connect, or a query failed. Nothing is concluded from that.
    """
    frame = frames.get("database")
    if frame.exit_code != 0:
        raise Unknown(f"{label}: {_reason(frame)}", _hint(frame.stderr))
    merged: dict[str, object] = {}
    try:
        for line in frame.lines:
            merged.update(msgspec.json.decode(line, type=dict[str, object]))
        return msgspec.convert(merged, Database, strict=False)
    except msgspec.MsgspecError as error:
        if "$.ledger" in str(error):
            raise Unknown(
                f"{label}: a row of _prisma_migrations cannot be read: {error}",
                "somebody edited the ledger by hand: look at its rows",
            ) from error
        raise Unknown(f"{label}: the database's answer cannot be read: {error}") from error


def _reason(frame: Frame) -> str:
    """Return psql's message without its own prefixes; what follows it are advice and markers."""
    found = re.search(r"(?m)^psql:(?:<stdin>:\d+:)?\s*(?:error:\s*)?(.*)", frame.stderr)
    return found.group(1).strip() if found else frame.problem


def _hint(stderr: str) -> str:
    hints = {
        "password authentication failed": "the URL's user or password is wrong",
        "could not translate host name": "the URL's host is wrong, or its password is not "
        "percent-encoded",
        "Connection refused": "nothing listens there: is the database up, is the port right?",
        "timeout expired": "the database did not answer: firewall, or asleep?",
        "does not exist": "the URL's database or user is wrong; nothing was created",
        "no pg_hba.conf entry": "the server does not admit this host",
        "psql is not on the PATH": "install PostgreSQL's client programs, or name their directory "
        "in `path`",
        "SSL": "check sslmode in the URL",
        "permission denied": "the URL's user may not read this",
    }
    return next((hint for text, hint in hints.items() if text in stderr), "")
