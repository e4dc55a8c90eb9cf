"""Prisma's error codes in a step's log: which line to show, and what to do about it.

Only for the words: what stands in the database is never concluded from a text.
"""

from __future__ import annotations

import re
from typing import Final

_CODE: Final = re.compile(r"(?m)^Error: (P\d{4})(?:: (.*))?$")
_DATABASE_ERROR: Final = re.compile(r"(?m)^(?:Error: )?((?:ERROR|FATAL): .*)$")

HINTS: Final = {
    "P1000": "the URL's user or password is wrong",
    "P1001": "the database does not answer: is it up, is the host right?",
    "P1002": "another session holds Prisma's advisory lock: `status` shows who",
    "P1003": "the database does not exist: is the URL right?",
    "P1010": "the URL's user may not use this database",
    "P1012": "the schema or a variable that it names is wrong",
    "P1017": "the database closed the connection: `status` shows what stands",
    "P3005": "the database has tables but no ledger: it needs a baseline",
    "P3008": "the migration is recorded as applied already: there is nothing to resolve",
    "P3009": "a failed migration stands in the way: recover",
    "P3011": "the ledger has no migration of that name: is it the whole name, the right database?",
    "P3012": "the migration has not failed: is it the right name, the right database?",
    "P3015": "a directory of migrations has no migration.sql: put it back from git",
    "P3017": "the migration is not in the checkout: check out the branch that has it",
    "P3018": "the migration failed: `status` shows the database's error",
    "P3019": "migration_lock.toml names another provider than the schema: mend that file",
}


def telling(log: str) -> tuple[str, str]:
    """Return the line of a failed step's log that says most, and a hint (or an empty one)."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    last = lines[-1] if lines else "it printed nothing"
    found = _CODE.search(log)
    if not found:
        database = _DATABASE_ERROR.search(log)
        return (database.group(1) if database else last), ""
    code, text = found.group(1), found.group(2)
    database = _DATABASE_ERROR.search(log, found.end())
    said = text or (database.group(1) if database else _next_line(log, found.end()))
    return f"{code}: {said}", HINTS.get(code, "")


def _next_line(log: str, position: int) -> str:
    return next((line.strip() for line in log[position:].splitlines() if line.strip()), "")
