"""What a session keeps from one statement of a script to the next, and another one does not have.

The rest of a script is resumed in a session of its own. Where the first part has set a time zone,
a role or a search path, the rest may run without it and well: the catalog is the target's, but
`ALTER COLUMN ... TYPE timestamptz` has read every time as that of another zone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ops.proof.statements import cut, first_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ops.proof.statements import Rung, Statement

_HARMLESS: Final = frozenset(
    {
        *("LOCK_TIMEOUT", "STATEMENT_TIMEOUT", "TRANSACTION_TIMEOUT", "IDLE_SESSION_TIMEOUT"),
        *("IDLE_IN_TRANSACTION_SESSION_TIMEOUT", "CLIENT_MIN_MESSAGES", "APPLICATION_NAME"),
        *("WORK_MEM", "MAINTENANCE_WORK_MEM", "MAX_PARALLEL_MAINTENANCE_WORKERS"),
        *("SYNCHRONOUS_COMMIT", "CHECK_FUNCTION_BODIES"),
    }
)
"""Settings that decide how long something may take, or what is said, but not what is done."""
_OF_A_TRANSACTION: Final = frozenset({"LOCAL", "TRANSACTION", "CONSTRAINTS"})
_SET_CONFIG: Final = re.compile(r"\bset_config\s*\(", re.IGNORECASE)
_SETS: Final = re.compile(
    r"(?:\A|;|'|\$|\b(?:BEGIN|THEN|ELSE|LOOP)\b)\s*((?:RE)?SET\s+(?!LOCAL\b)\w+)|\bINTO\s+(TEMP\w*)",
    re.IGNORECASE,
)
"""What a block sets, beside what an UPDATE in it does."""
_BEFORE: Final = frozenset({"OR", "REPLACE", "LOCAL", "GLOBAL"})
_TEMPORARY: Final = frozenset({"TEMP", "TEMPORARY"})


def lost_with_session(rungs: Sequence[Rung]) -> str:
    """Say what statements have left in their session that those after them may need, or empty."""
    for statement in (each for rung in rungs for each in rung.statements):
        if what := _left_in_session(statement):
            return f"line {statement.line}: {what} went with the session that was cut off"
    return ""


def _left_in_session(statement: Statement) -> str:
    words = first_words(next(cut(statement.text), ()))
    match words:
        case ("SET" | "RESET", "SESSION", name, *_) | ("SET" | "RESET", name, *_):
            return "" if name in _HARMLESS | _OF_A_TRANSACTION else f"{words[0]} {name}"
        case ("SET" | "RESET" | "DISCARD" | "PREPARE" | "LISTEN", *_):
            return "" if words[1:2] == ("TRANSACTION",) else words[0]
        case ("CREATE", *more) if next((w for w in more if w not in _BEFORE), "") in _TEMPORARY:
            return "a temporary object"
    if statement.tag == "CALL":
        return "what it calls may have set"
    if statement.tag in {"DO", "SELECT", "WITH"} and (found := _SETS.search(statement.text)):
        return (found.group(1) or found.group(2)).upper()
    return "set_config" if _SET_CONFIG.search(statement.text) else ""
