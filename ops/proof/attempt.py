"""The script as it was attempted, and the engine that attempted it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ops.facts.app import Version, may_use_adapter, parse_version
from ops.facts.git import spellings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.facts.database import LedgerRow
    from ops.facts.gather import Facts
    from ops.facts.git import Past

SPLITS_SINCE: Final = Version(7, 4)
"""From this version on Prisma's engine sends a file statement by statement, each committing by
itself (prisma-engines pull request 5767); before, as one query, which PostgreSQL runs in one
implicit transaction."""

_CLOCK: Final = timedelta(minutes=1)
"""How far ahead of the host's clock an attempt may have started: the clock was set meanwhile."""
_FROM_ELSEWHERE: Final = re.compile(r"\bprisma@|\b(?:docker|podman|kubectl|ssh|dlx)\b")
"""Words of a command that does not run the Prisma in the app's node_modules."""


@dataclass(frozen=True)
class Attempted:
    """The script of an attempt.

    Args:
        content: As Prisma read it.
        blobs: Its git objects: more than one when it is known with different line ends.
    """

    content: bytes
    blobs: frozenset[str]


@dataclass(frozen=True)
class Engine:
    """What is known of the engine that failed.

    Args:
        one_query: Whether it sent the file as one query. False also when that is not known.
        why: The evidence, or what is missing.
    """

    one_query: bool
    why: str


def attempted_script(facts: Facts, row: LedgerRow) -> Attempted | None:
    """Return the script whose checksum the ledger has, from any commit that stood here lately.

    Prisma also takes a script as unchanged when only its line ends differ
    (schema-connector/src/checksum.rs), so LF and CRLF are both tried.
    """
    found = {
        blob: content
        for blob, original in facts.git.contents.items()
        if (content := spellings(original).get(row.checksum)) is not None
    }
    if not found:
        return None
    return Attempted(next(iter(found.values())), frozenset(found))


def failed_engine(facts: Facts, row: LedgerRow) -> Engine:
    """Say which engine made this attempt.

    The version counts that was there *then*: as the lock files of the commit that stood checked
    out say, and as node_modules says if it is older than the attempt. What was put there later
    must at least follow its lock file, or lock files mean nothing on this host.
    """
    doubt, versions = _versions_then(facts, row)
    if doubt:
        return Engine(False, doubt)
    names = " and ".join(str(version) for version in sorted(versions))
    if max(versions) >= SPLITS_SINCE:
        return Engine(False, f"Prisma {names} runs each statement by itself (since 7.4)")
    return Engine(True, f"Prisma {names} sends a migration as one query")


def _versions_then(facts: Facts, row: LedgerRow) -> tuple[str, set[Version]]:
    """Return why the engine is not known, or the versions of Prisma that it may have been."""
    if row.started_at is None:
        return "the ledger does not say when it ran", set()
    if row.started_at > facts.at + timedelta(seconds=facts.machine.clock_offset) + _CLOCK:
        return "by the host's clock it ran in the future: another machine ran it", set()
    commit = facts.git.commit_at(row.started_at)
    past = facts.git.past.get(commit or "")
    if past is None:
        return "git's reflog does not say which commit was checked out then", set()
    for doubt in _doubts(facts, row, past, (commit or "")[:10]):
        return doubt, set()
    versions = {parse_version(lock.prisma) for lock in past.locks if lock.prisma}
    if facts.installed and facts.installed.since <= row.started_at:
        versions.add(parse_version(facts.installed.version))
    known = {version for version in versions if version is not None}
    if len(known) < len(versions):
        return "Prisma's version then cannot be read", set()
    return "", known


def _doubts(facts: Facts, row: LedgerRow, past: Past, commit: str) -> Iterator[str]:
    attempted = attempted_script(facts, row)
    if attempted and not attempted.blobs & past.scripts:
        yield (
            f"commit {commit}, which was checked out then, does not have the script that was "
            "attempted: it was run from elsewhere"
        )
    if not any(lock.prisma for lock in past.locks):
        yield f"no lock file of commit {commit} names Prisma's version"
    for lock in past.locks:
        if lock.prisma == "?":
            yield f"{lock.path} of commit {commit} does not say which Prisma the app uses"
    if may_use_adapter(past.configs) or facts.head.may_use_adapter:
        yield "prisma.config may configure a driver adapter, which sends single statements"
    if facts.installed is None:
        yield "Prisma is not in node_modules, so another one than the lock file's may have run"
    elif row.started_at and facts.installed.since > row.started_at:
        named = {lock.prisma for lock in facts.git.head.locks if lock.prisma}
        if facts.installed.version not in named:
            yield (
                f"Prisma {facts.installed.version} was installed after the attempt, and not as a "
                "lock file says, so what was there before is not known"
            )
    if found := _FROM_ELSEWHERE.search(_commands(facts)):
        yield f"the command for Prisma holds {found.group()!r}: another Prisma may have run"


def _commands(facts: Facts) -> str:
    """Every text with which the inventory has Prisma run, scripts of package.json included."""
    command = facts.environment.prisma_command
    deploy = command.deploy or ""
    scripts = (text for name, text in facts.head.scripts.items() if name in deploy.split())
    return " ".join((*(command.cli or ()), deploy, *scripts))
