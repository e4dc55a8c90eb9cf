"""The script as it was attempted, and the engine that attempted it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ops.facts.app import Version, parse_version
from ops.facts.git import sha256

if TYPE_CHECKING:
    from ops.facts.database import LedgerRow
    from ops.facts.gather import Facts

SPLITS_SINCE: Final = Version(7, 4)
"""From this version on Prisma's engine sends a file statement by statement, each committing by
itself (prisma-engines pull request 5767); before, as one query, which PostgreSQL runs in one
implicit transaction."""


@dataclass(frozen=True)
class Engine:
    """What is known of the engine that failed.

    Args:
        one_query: Whether it sent the file as one query. False also when that is not known.
        why: The evidence, or what is missing.
    """

    one_query: bool
    why: str


def attempted_script(facts: Facts, row: LedgerRow) -> bytes | None:
    """Return the script whose checksum the ledger has, from any commit that stood here lately.

    Prisma also takes a script as unchanged when only its line ends differ
    (schema-connector/src/checksum.rs), so LF and CRLF are both tried.
    """
    for content in facts.git.contents.values():
        unix = content.replace(b"\r\n", b"\n")
        for spelling in (content, unix, unix.replace(b"\n", b"\r\n")):
            if sha256(spelling) == row.checksum:
                return spelling
    return None


def failed_engine(facts: Facts, row: LedgerRow) -> Engine:
    """Say which engine made this attempt.

    The version counts that was there *then*: as the lock file of the commit that stood checked
    out says, and the packages in node_modules if they are older than the attempt.
    """
    if row.started_at is None:
        return Engine(False, "the ledger does not say when it ran")
    commit = facts.git.commit_at(row.started_at)
    past = facts.git.past.get(commit or "")
    if past is None:
        return Engine(False, "git's reflog does not say which commit was checked out then")
    locked = next((parse_version(lock.prisma) for lock in past.locks if lock.prisma), None)
    if locked is None:
        return Engine(False, f"no lock file of commit {(commit or '')[:10]} names Prisma's version")
    if "adapter" in past.configs or facts.head.uses_adapter:
        return Engine(False, "prisma.config configures a driver adapter, which sends statements")
    versions = {locked}
    installed = facts.installed
    if installed and installed.since <= row.started_at:
        versions |= {found} if (found := parse_version(installed.version)) else set()
    names = " and ".join(sorted(str(version) for version in versions))
    if max(versions) >= SPLITS_SINCE:
        return Engine(False, f"Prisma {names} runs each statement by itself (since 7.4)")
    return Engine(True, f"Prisma {names} sends a migration as one query")
