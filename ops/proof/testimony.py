"""What ledger, lock files and script say of the attempts at a migration, before any copy is made.

Testimony never decides against the catalog: it only says which states the attempts can have left.
An engine that sends a file as one query leaves all of it or nothing, if the script cannot commit
on its way; if that engine recorded the database's error too, the server had rolled all of it back.
That must hold for every attempt, those included that the ledger calls rolled back: that is
somebody's word, no proof.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ops.proof.attempt import attempted_script, failed_engine
from ops.proof.sql import top_level, without_comments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.facts.database import LedgerRow
    from ops.facts.gather import Facts
    from ops.proof.psql import SqlError

_P3018: Final = re.compile(r"^Migration name: (.*)\s+^Database error code: (\S+)$", re.MULTILINE)
"""How Prisma begins the error of a script; the code is `none` when the database gave none."""
_SQLSTATE: Final = re.compile(r"[0-9A-Z]{5}")
_SEVERITY: Final = re.compile(r"\bparsed_severity: Some\((\w+)\)")
_CUT_OFF: Final = ("08", "57", "58", "XX", "F0")
"""Classes of SQLSTATE that may arrive after the server has committed, or come from a pooler in
between: connection, operator intervention (a terminated or cancelled session, a timeout), system
and internal errors."""
_OTHER_SERVERS: Final = re.compile(r"-YB-|Cockroach|Redshift|Greenplum|Materialize", re.IGNORECASE)
"""Servers that speak PostgreSQL's protocol, but do not undo all DDL with a transaction."""

_COMMITS_ANYWHERE: Final = re.compile(
    r"\b((?<!\")(?:COMMIT|ROLLBACK|CALL|CONCURRENTLY|VACUUM|CLUSTER|REINDEX|PROGRAM)|SETVAL"
    r"|ALTER\s+(?:SYSTEM|DATABASE)|(?:CREATE|DROP)\s+(?:DATABASE|TABLESPACE)"
    r"|(?:CREATE|ALTER|DROP)\s+SUBSCRIPTION|STANDARD_CONFORMING_STRINGS"
    r"|DBLINK\w*|PG_BACKGROUND\w*|LO_EXPORT|PG_FILE_\w+|PG_LOGICAL_EMIT_MESSAGE"
    r"|PG_\w*REPLICATION_\w+|RUN_COMMAND_ON_\w+|HTTP_(?:GET|POST|PUT|PATCH|DELETE|HEAD)"
    r"|LANGUAGE\s+['\"]?(?:C|PL\w*U|PLPYTHON\w*|PLSH)\b)(?!\w)",
    re.IGNORECASE,
)
_COMMITS_AS_STATEMENT: Final = re.compile(
    r"(?:\A|;)\s*(END|ABORT|PREPARE\s+TRANSACTION)\b", re.IGNORECASE
)
"""Words of scripts of which something can stay although an error ended them. The first are looked
for in function bodies and strings too: too often is safe here. A name in quotes is no statement."""


@dataclass(frozen=True)
class Testimony:
    """What is known of all attempts at one migration.

    Args:
        evidence: What speaks for what `nothing` and `all_or_nothing` say.
        doubts: What is missing for a proof that nothing of any attempt stayed.
        all_or_nothing: Whether each attempt left the whole script or nothing of it.
        whole_ran: Whether Prisma recorded that the last attempt's script had run to its end.
        logs: What Prisma recorded when the last attempt failed.
        several: Whether the attempts ran different scripts.
    """

    evidence: tuple[str, ...]
    doubts: tuple[str, ...]
    all_or_nothing: bool
    whole_ran: bool
    logs: str = ""
    several: bool = False

    @property
    def nothing(self) -> bool:
        """Whether it is proved that no attempt left anything."""
        return not self.doubts

    def failed_with(self, error: SqlError) -> bool:
        """Whether the last attempt ended with this very error of the server."""
        found = _P3018.search(self.logs)
        return bool(found and found.group(2) == error.code and error.text in self.logs)


def database_error(row: LedgerRow) -> str:
    """Return the SQLSTATE that the server answered with, from `logs`; empty when there is none."""
    found = _P3018.search(row.logs or "")
    return found.group(2) if found and _SQLSTATE.fullmatch(found.group(2)) else ""


def may_leave_traces(script: bytes) -> str:
    """Return the word because of which an error may not undo all of a script, or empty."""
    text = script.decode(errors="replace")
    found = _COMMITS_ANYWHERE.search(without_comments(text)) or _COMMITS_AS_STATEMENT.search(
        top_level(text)
    )
    return re.sub(r"\s+", " ", found.group(1)).upper() if found else ""


def testimony(facts: Facts, name: str) -> Testimony:
    """Weigh every attempt at a migration."""
    attempts = facts.database.rows(name)
    evidence: list[str] = []
    doubts = list(_of_the_database(facts))
    all_or_nothing = not doubts
    for row in attempts:
        found, missing = _how_it_ran(facts, row)
        all_or_nothing = all_or_nothing and not missing
        proved, unproved = _how_it_ended(row)
        evidence += (*found, *proved)
        missing += unproved
        # One that is not open any more is named, so that nobody looks for it among the failed.
        doubts += missing if row.is_open else (f"an earlier attempt: {text}" for text in missing)
    last = next((row for row in reversed(attempts) if row.is_open), None)
    return Testimony(
        tuple(dict.fromkeys(evidence)),
        tuple(dict.fromkeys(doubts)),
        all_or_nothing,
        # Prisma counts the step when the script has returned, and ends the row after that
        # (apply_migrations.rs): killed in between, it leaves the whole script.
        bool(last and last.applied_steps_count and last.logs is None),
        (last.logs or "") if last else "",
        len({row.checksum for row in attempts}) > 1,
    )


def _of_the_database(facts: Facts) -> Iterator[str]:
    """What speaks against the proof in this database, whatever the script."""
    identity, outside = facts.database.identity, facts.database.outside
    if not identity.product.startswith("PostgreSQL") or _OTHER_SERVERS.search(identity.product):
        yield f"the server is {identity.product.split(' on ')[0]}, not PostgreSQL itself"
    if not identity.plain_strings:
        yield "standard_conforming_strings is off, so where strings end is not known"
    if outside:
        more = f" and {len(outside) - 3} more" if len(outside) > 3 else ""  # noqa: PLR2004
        yield (
            f"what the functions {', '.join(outside[:3])}{more} do, a rollback may not undo, and a "
            "trigger may have called them"
        )


def _how_it_ran(facts: Facts, row: LedgerRow) -> tuple[list[str], list[str]]:
    """Return what speaks for, and against, that this attempt left all or nothing."""
    evidence: list[str] = []
    doubts: list[str] = []
    engine = failed_engine(facts, row)
    (evidence if engine.one_query else doubts).append(engine.why)
    script = attempted_script(facts, row)
    if script is None:
        doubts.append(
            f"the script that was attempted (sha256 {row.checksum[:12]}) is in none of the commits "
            "that were looked at"
        )
    elif word := may_leave_traces(script.content):
        doubts.append(f"the script holds {word}, so a part of it may have stayed")
    else:
        evidence.append("the script cannot commit on its way")
    return evidence, doubts


def _how_it_ended(row: LedgerRow) -> tuple[list[str], list[str]]:
    """Return what speaks for, and against, that the server undid this attempt."""
    evidence: list[str] = []
    doubts: list[str] = []
    if row.is_applied:
        return [], ["the ledger has it as applied too"]
    if doubt := _no_database_error(row):
        doubts.append(doubt)
    else:
        evidence.append(
            f"the server answered with error {database_error(row)}, which undid the whole query"
        )
    if row.applied_steps_count != 0:
        doubts.append("the ledger counts a step as applied: the whole script may be in")
    if row.finished_at is not None:
        doubts.append("the ledger says that it was finished")
    return evidence, doubts


def _no_database_error(row: LedgerRow) -> str:
    """Say why `logs` does not show that the server undid the query; empty when it does."""
    if not row.logs:
        return "the ledger holds no error: the run was cut off, the server may have gone on"
    code = database_error(row)
    if not code:
        return "the error in the ledger is not one that the database answered with"
    named = _P3018.search(row.logs)
    if named and named.group(1) != row.migration_name:
        return f"the error in the ledger is that of another migration, {named.group(1)}"
    severity = _SEVERITY.search(row.logs)
    if code.startswith(_CUT_OFF) or (severity and severity.group(1) != "Error"):
        return f"error {code} ends a session, and may have come after the commit"
    return ""
