"""The ladder: a script run statement by statement on a copy, with the catalog after each.

The rung that equals production on every object that any rung touches says how far the script got.
Nothing is parsed for it: what a statement does is what it did to the copy.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ops.facts.catalog import (
    AS_IT_READS,
    DIGEST,
    Key,
    Snapshot,
    catalog_query,
    changed_keys,
    parse_snapshot,
    relation_of,
)
from ops.facts.psql_text import queries
from ops.proof.sql import top_level

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ops.proof.psql import Psql, SqlError
    from ops.proof.statements import Rung, Statement

_NO_BLOCK: Final = re.compile(
    r"\bCONCURRENTLY\b|^\s*(?:VACUUM|CLUSTER|REINDEX|BEGIN|START)\b", re.IGNORECASE
)
"""Statements that may not run, or mean something else, in a transaction block of ours."""
NEEDS_NO_BLOCK: Final = ("25001", "2D000")
"""What a server answers to such a statement: active SQL transaction, invalid termination."""

_WRITES: Final = re.compile(
    r"\b(?:INSERT|UPDATE|DELETE|MERGE|TRUNCATE|COPY|EXECUTE|PERFORM|SELECT\s+INTO|CALL|USING)\b",
    re.IGNORECASE,
)
"""Words of a block that may change rows, by itself or by what it calls."""

_DROPS: Final = re.compile(
    r"\bTRUNCATE\b|\bDROP\s+(?:TABLE|SCHEMA|COLUMN)\b"
    r"|\bALTER\s+TABLE\b.*\bDROP\s+(?!CONSTRAINT|DEFAULT|NOT\b|IDENTITY|EXPRESSION)",
    re.IGNORECASE | re.DOTALL,
)
_FILES: Final = """
SELECT c.oid, pg_catalog.pg_relation_filenode(c.oid) AS node
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
_NAMES: Final = """
SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
_LOCKS: Final = f"""
SELECT pg_catalog.json_build_array('lock', t.name, l.mode)
  FROM pg_catalog.pg_locks l
  JOIN (SELECT * FROM pg_temp.ops_names UNION {_NAMES}) AS t ON t.oid = l.relation
 WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation'
;
"""
"""A table that was renamed on the way is told by both of its names. ACCESS SHARE counts: what a
statement only reads may make it fail too, or decide what it writes."""
_BEGIN: Final = f"BEGIN;\n{AS_IT_READS}"


@dataclass(frozen=True)
class Step:
    """One rung that was reached.

    Args:
        rung: Its statements.
        catalog: The whole catalog after it.
        locks: Table and mode of each lock that it took.
        rewritten: Tables whose files it wrote anew.
        alone: Whether it ran outside of a transaction block of ours, so that no lock was seen.
        changed: The tables on which objects came, went, or are another way.
    """

    rung: Rung
    catalog: Snapshot
    locks: tuple[tuple[str, str], ...]
    rewritten: tuple[str, ...]
    alone: bool = False
    changed: tuple[str, ...] = ()

    @property
    def writes_rows(self) -> bool:
        """Whether it inserts, updates or deletes, or may.

        A statement of its own takes the lock for that always. What is called may do so only where
        there are rows, and what writes a table anew may compute its rows (ALTER ... USING). What
        is dropped takes its rows along, also where the shadow has nothing to drop (IF EXISTS).
        """
        calls = any(
            statement.tag in {"CALL", "SELECT", "WITH"}
            or (statement.tag == "DO" and _WRITES.search(statement.text))
            for statement in self.rung.statements
        )
        locked = any(mode == "RowExclusiveLock" for _, mode in self.locks)
        drops = any(_DROPS.search(statement.text) for statement in self.rung.statements)
        return locked or calls or drops or bool(self.rewritten)

    @property
    def statement(self) -> Statement:
        """The statement that names the rung: its first."""
        return self.rung.statements[0]


@dataclass(frozen=True)
class Ladder:
    """What a script does, rung by rung.

    Args:
        base: The catalog before it.
        steps: The rungs that could be reached.
        rungs: All rungs of the script.
        error: Why the next rung was not reached; None when all were.
    """

    base: Snapshot
    steps: tuple[Step, ...]
    rungs: tuple[Rung, ...]
    error: SqlError | None = None

    @property
    def states(self) -> tuple[Snapshot, ...]:
        """The catalog after 0, 1, 2, ... rungs."""
        return (self.base, *(step.catalog for step in self.steps))

    @property
    def top(self) -> Snapshot:
        """The catalog after the last rung that was reached."""
        return self.states[-1]

    @property
    def touched(self) -> frozenset[Key]:
        """Every object that any rung makes, changes or drops."""
        states = self.states
        return frozenset().union(*map(changed_keys, states, states[1:]))

    def leaves_trace(self, index: int) -> bool:
        """Whether the catalog tells that rung `index`, counted from 0, was run."""
        return bool(changed_keys(self.states[index], self.states[index + 1]))

    def tells_all(self, index: int) -> bool:
        """Whether the catalog tells all that rung `index` does: it leaves a trace, and no rows."""
        return self.leaves_trace(index) and not self.steps[index].writes_rows

    def matches(self, production: Snapshot) -> tuple[int, ...]:
        """Return after how many rungs the copy equals production, on all that is touched."""
        touched = self.touched
        wanted = production.only(touched)
        return tuple(
            count for count, state in enumerate(self.states) if state.only(touched) == wanted
        )


def climb(psql: Psql, rungs: Sequence[Rung]) -> Ladder:
    """Run a script on a copy, rung by rung, up to the first that fails there.

    Everything is sent at once and answered in order, so that a slow link costs one round trip.

    Raises:
        Unknown: The catalog could not be read.
    """
    first = psql.post(
        # The session may have climbed another script before.
        "DROP TABLE IF EXISTS pg_temp.ops_before, pg_temp.ops_files, pg_temp.ops_names;\n"
        f"{_BEGIN}CREATE TEMP TABLE ops_before AS {catalog_query()};\n"
        f"CREATE TEMP TABLE ops_files AS {_FILES};\n"
        f"CREATE TEMP TABLE ops_names AS {_NAMES};\n"
        "SELECT pg_catalog.json_build_array(kind, id, property, value) FROM pg_temp.ops_before;\n"
        "COMMIT;\n\\set ops_failed :ERROR"
    )
    posted = _post_all(psql, rungs)
    alone: set[int] = set()
    base = parse_snapshot(psql.answer(first).checked("reading the catalog of a scratch database"))
    steps: list[Step] = []
    error = None
    for at, rung in enumerate(rungs):
        run, look = posted[at]
        answer = psql.answer(run)
        if answer.error and answer.error.code in NEEDS_NO_BLOCK:
            posted[at:] = _again(psql, posted, rungs, at)
            alone.add(at)
            run, look = posted[at]
            answer = psql.answer(run)
        if answer.error:
            error = answer.error
            break
        state = steps[-1].catalog if steps else base
        lines = (*answer.lines, *_looked(psql, look))
        told = [json.loads(line) for line in lines if line.startswith('["')]
        steps.append(_step(rung, state, told, alone=at in alone))
    psql.ask("ROLLBACK", "ending the script's last transaction")
    return Ladder(base, tuple(steps), tuple(rungs), error)


@dataclass(frozen=True)
class Reading:
    """A whole catalog, and a digest of it that the same server tells again.

    Args:
        catalog: What is there.
        digest: As `catalog_digest` has the server compute it.
    """

    catalog: Snapshot
    digest: str


def post_reading(psql: Psql) -> int:
    """Ask for a whole catalog, and return the number of the answer."""
    return psql.post(
        f"BEGIN READ ONLY;\n{AS_IT_READS}"
        f"WITH catalog AS MATERIALIZED ({catalog_query()})\n"
        "SELECT pg_catalog.json_build_array(kind, id, property, value)::text FROM catalog\n"
        f"UNION ALL SELECT {DIGEST} FROM catalog;\nCOMMIT"
    )


def read(psql: Psql, number: int, what: str) -> Reading:
    """Return the catalog that was asked for. Raises Unknown when it cannot be read."""
    lines = psql.answer(number).checked(f"reading the catalog of {what}")
    digest = "".join(line for line in lines if not line.startswith('["'))
    return Reading(parse_snapshot(line for line in lines if line.startswith('["')), digest)


def snapshot(psql: Psql, what: str) -> Snapshot:
    """Read a whole catalog. Raises Unknown when it cannot be read."""
    return read(psql, post_reading(psql), what).catalog


def _post_all(
    psql: Psql, rungs: Sequence[Rung], *, bare_first: bool = False
) -> list[tuple[int, int]]:
    """Send rungs, each followed by a look at what it did; nothing runs after one that failed."""
    return [
        (
            psql.post(_unless_failed(_running(rung, bare=bare_first and at == 0))),
            psql.post(_unless_failed(_LOOK)),
        )
        for at, rung in enumerate(rungs)
    ]


def _again(
    psql: Psql, posted: Sequence[tuple[int, int]], rungs: Sequence[Rung], at: int
) -> list[tuple[int, int]]:
    """Send a rung again without a transaction block of ours, and all that follow it."""
    psql.answer(posted[at][1])
    for numbers in posted[at + 1 :]:
        for number in numbers:
            psql.answer(number)
    psql.post("ROLLBACK;\n\\set ops_failed false")
    return _post_all(psql, rungs[at:], bare_first=True)


def _unless_failed(text: str) -> str:
    return f"\\if :ops_failed\n\\else\n{text}\n\\endif"


def _running(rung: Rung, *, bare: bool) -> str:
    texts = [statement.text for statement in rung.statements]
    failed = "\\if :ERROR\n\\set ops_failed true\n\\endif\n"
    if len(texts) > 1:  # a transaction block of the script's own
        return f"{queries(texts[:-1])}\n{failed}{_LOCKS}{queries(texts[-1:])}\n{failed}"
    if bare or _NO_BLOCK.search(top_level(texts[0])):
        return f"{queries(texts)}\n{failed}"
    return f"BEGIN;\n{queries(texts)}\n{failed}{_LOCKS}COMMIT;\n{failed}"


_LOOK: Final = f"""{_BEGIN}
CREATE TEMP TABLE ops_after AS {catalog_query()};
SELECT pg_catalog.json_build_array('-', kind, id, property, value)
  FROM (TABLE pg_temp.ops_before EXCEPT TABLE pg_temp.ops_after) AS gone;
SELECT pg_catalog.json_build_array('+', kind, id, property, value)
  FROM (TABLE pg_temp.ops_after EXCEPT TABLE pg_temp.ops_before) AS new;
SELECT pg_catalog.json_build_array('rewritten', pg_catalog.format('%I.%I', n.nspname, c.relname))
  FROM ({_FILES}) AS now
  JOIN pg_temp.ops_files old USING (oid)
  JOIN pg_catalog.pg_class c ON c.oid = old.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE now.node <> old.node;
DROP TABLE pg_temp.ops_before, pg_temp.ops_files;
ALTER TABLE pg_temp.ops_after RENAME TO ops_before;
CREATE TEMP TABLE ops_files AS {_FILES};
COMMIT;"""


def _looked(psql: Psql, number: int) -> tuple[str, ...]:
    return psql.answer(number).checked("reading the catalog of a scratch database")


def _step(rung: Rung, before: Snapshot, told: list[list[Any]], *, alone: bool) -> Step:
    gone, new = _rows(told, "-"), _rows(told, "+")
    changed = (relation_of((kind, key)) for kind, key, _, _ in (*gone, *new))
    return Step(
        rung,
        before.changed(gone, new),
        tuple(dict.fromkeys((table, mode) for sign, table, mode in _of(told, "lock"))),
        tuple(dict.fromkeys(table for _, table in _of(told, "rewritten"))),
        alone,
        tuple(dict.fromkeys(table for table in changed if table)),
    )


def _of(told: list[list[Any]], sign: str) -> Iterator[list[Any]]:
    return (line for line in told if line[0] == sign)


def _rows(told: list[list[Any]], sign: str) -> list[tuple[str, str, str, str]]:
    return [(kind, key, name, value) for _, kind, key, name, value in _of(told, sign)]
