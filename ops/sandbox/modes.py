"""Which Prisma runs, and how it sends a migration script to PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from ops.errors import UsageError

Engine = Literal["one-query", "per-statement"]


@dataclass(frozen=True)
class Mode:
    """One Prisma with one way of sending scripts.

    Attributes:
        major: Prisma's major version.
        engine: `one-query`: a script is one message, and PostgreSQL makes one transaction of it.
            `per-statement`: each statement commits by itself.
        version: The exact version that is installed.
        packages: The folder in `ops/sandbox/packages` with its lock file.
        adapter: Whether the app's Prisma config runs migrations through the driver adapter.
    """

    major: int
    engine: Engine
    version: str
    packages: str
    adapter: bool = False

    @property
    def name(self) -> str:
        """Short and unique, for file names and tables."""
        return f"{self.major}-{self.engine}"

    @property
    def title(self) -> str:
        """For people."""
        how = "one query per file" if self.engine == "one-query" else "one query per statement"
        return f"Prisma {self.version}, {how}{' (driver adapter)' if self.adapter else ''}"


MODES: Final = (
    Mode(6, "one-query", "6.19.3", "prisma-6"),
    Mode(6, "per-statement", "6.19.3", "prisma-6-adapter", adapter=True),
    # Engines before 7.4 send a file as one query. The version that is installed must be honest:
    # it tells the tool which rule holds.
    Mode(7, "one-query", "7.3.0", "prisma-7.3"),
    Mode(7, "per-statement", "7.10.1", "prisma-7.10"),
)


def mode(major: int, engine: str) -> Mode:
    """Find a mode.

    Raises:
        UsageError: There is none with this version and engine.
    """
    for candidate in MODES:
        if (candidate.major, candidate.engine) == (major, engine):
            return candidate
    if major not in {candidate.major for candidate in MODES}:
        raise UsageError(f"--prisma: {major} is neither 6 nor 7", "ops sandbox up --prisma 7")
    raise UsageError(
        f"--engine: {engine!r} is neither one-query nor per-statement",
        "ops sandbox up --engine per-statement",
    )
