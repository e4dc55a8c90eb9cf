"""The verdict on one failed migration: what is in the database, and how that is known.

For now there is one proof: the protocol's. An engine that sends a file as one query, and then
recorded the database's error, had the server roll all of it back. It holds only for scripts that
cannot commit on their way. Everything else is unknown, and says why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ops.proof.attempt import attempted_script, failed_engine
from ops.proof.sql import top_level, without_comments

if TYPE_CHECKING:
    from ops.facts.database import LedgerRow
    from ops.facts.gather import Facts

_ERROR_CODE: Final = re.compile(r"Database error code: ([0-9A-Z]{5})\b")
_COMMITS_ANYWHERE: Final = re.compile(
    r"\b(COMMIT|ROLLBACK|CALL|CONCURRENTLY|VACUUM|CLUSTER|REINDEX|ALTER\s+SYSTEM|PROGRAM|DBLINK\w*"
    r"|(?:CREATE|DROP)\s+(?:DATABASE|TABLESPACE|SUBSCRIPTION)|STANDARD_CONFORMING_STRINGS)\b",
    re.IGNORECASE,
)
_COMMITS_AS_STATEMENT: Final = re.compile(
    r"(?:\A|;)\s*(END|ABORT|PREPARE\s+TRANSACTION)\b", re.IGNORECASE
)
"""Words of scripts of which something can stay although an error ended them. The first are looked
for in function bodies and strings too: too often is safe here."""


@dataclass(frozen=True)
class NothingApplied:
    """Nothing of the migration is in the database."""

    name: str
    rows: tuple[LedgerRow, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Undetermined:
    """It is not known what is in the database.

    Args:
        because: Each thing that is missing for a proof.
    """

    name: str
    rows: tuple[LedgerRow, ...]
    because: tuple[str, ...]


Verdict = NothingApplied | Undetermined


def verdicts(facts: Facts) -> tuple[Verdict, ...]:
    """Return a verdict on every failed migration, in the order of their attempts."""
    names = dict.fromkeys(row.migration_name for row in facts.database.open_rows)
    return tuple(_verdict(facts, name) for name in names)


def database_error(row: LedgerRow) -> str:
    """Return the SQLSTATE that the server answered with, from `logs`; empty when there is none."""
    found = _ERROR_CODE.search(row.logs or "")
    return found.group(1) if found else ""


def may_leave_traces(script: bytes) -> str:
    """Return the word because of which an error may not undo all of a script, or empty."""
    text = script.decode(errors="replace")
    found = _COMMITS_ANYWHERE.search(without_comments(text)) or _COMMITS_AS_STATEMENT.search(
        top_level(text)
    )
    return re.sub(r"\s+", " ", found.group(1)).upper() if found else ""


def _verdict(facts: Facts, name: str) -> Verdict:
    rows = tuple(row for row in facts.database.open_rows if row.migration_name == name)
    evidence: list[str] = []
    doubts: list[str] = []
    for row in rows:
        _weigh(facts, row, evidence, doubts)
    if doubts:
        return Undetermined(name, rows, tuple(dict.fromkeys(doubts)))
    return NothingApplied(name, rows, tuple(dict.fromkeys(evidence)))


def _weigh(facts: Facts, row: LedgerRow, evidence: list[str], doubts: list[str]) -> None:
    """Collect what speaks for and against `nothing of this attempt is in`."""
    engine = failed_engine(facts, row)
    (evidence if engine.one_query else doubts).append(engine.why)
    if not row.logs:
        doubts.append("the ledger holds no error: the run was cut off, the server may have gone on")
    elif code := database_error(row):
        evidence.append(f"the server answered with error {code}, which undid the whole query")
    else:
        doubts.append("the error in the ledger is not one that the database answered with")
    script = attempted_script(facts, row)
    if script is None:
        doubts.append(
            f"the script that was attempted (sha256 {row.checksum[:12]}) is in none of the commits "
            "that were checked out lately"
        )
    elif word := may_leave_traces(script):
        doubts.append(f"the script holds {word}, so a part of it may have stayed")
    else:
        evidence.append("the script cannot commit on its way")
    if row.applied_steps_count:
        doubts.append("the ledger counts a step as applied: the whole script may be in")
