"""What pending statements do to tables of production while they run, measured on the shadow.

Locks and rewrites are read off the server after each statement on the copy, so that nothing has to
be known of what a statement means; production's statistics say how many rows that concerns.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ops.proof.ladder import Step
    from ops.proof.psql import Psql

MANY_ROWS: Final = 100_000
"""From here on a statement that keeps others out as long as it reads all rows needs a yes."""
_BLOCK_WRITES: Final = (
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
"""The modes during which nobody writes, the strongest last; the last lets nobody read either."""
_WORDS: Final = {
    "ShareLock": "SHARE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "ExclusiveLock": "EXCLUSIVE",
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
}
_ESTIMATES: Final = """
SELECT pg_catalog.json_build_array(pg_catalog.format('%I.%I', n.nspname, c.relname),
                                   greatest(c.reltuples, 0)::bigint)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""


@dataclass(frozen=True)
class Impact:
    """What one statement does to one table.

    Args:
        migration: Whose statement.
        line: Of the statement, in its script.
        tag: E.g. `ALTER TABLE`.
        table: Quoted, with its schema.
        lock: The strongest lock it takes there, in PostgreSQL's words, e.g. `ACCESS EXCLUSIVE`.
        rewrites: Whether it writes the whole table anew.
        rows: How many rows production's statistics estimate.
    """

    migration: str
    line: int
    tag: str
    table: str
    lock: str
    rewrites: bool
    rows: int

    @property
    def is_dangerous(self) -> bool:
        """Whether it keeps others out for long: all rows are read or written under its lock.

        ACCESS EXCLUSIVE without a rewrite is usually short (a column is added); the weaker modes
        belong to statements that read all rows: an index is built, a foreign key is checked.
        """
        reads_all = self.rewrites or self.lock != "ACCESS EXCLUSIVE"
        return reads_all and self.rows >= MANY_ROWS


def row_estimates(production: Psql) -> dict[str, int]:
    """Return how many rows each table of production has, by its statistics. Raises Unknown."""
    lines = production.ask(_ESTIMATES, "asking how large the tables are")
    return {str(name): int(rows) for name, rows in map(json.loads, lines)}


def impacts(steps: Iterable[tuple[str, Step]], rows: Mapping[str, int]) -> Iterator[Impact]:
    """Yield what statements do to tables that production has.

    Args:
        steps: Migration and step, in the order in which they will run.
        rows: As `row_estimates` gives them.
    """
    for migration, step in steps:
        strongest: dict[str, int] = {}
        for table, mode in step.locks:
            if mode in _BLOCK_WRITES and table in rows:
                strongest[table] = max(strongest.get(table, 0), _BLOCK_WRITES.index(mode))
        for table, mode_index in strongest.items():
            yield Impact(
                migration,
                step.rung.line,
                step.statement.tag,
                table,
                _WORDS[_BLOCK_WRITES[mode_index]],
                table in step.rewritten,
                rows[table],
            )
