"""The rehearsal: what is to be done to production is done to a copy of it first.

The copy has production's schema, and the rows of those tables where rows can make a statement
fail. It counts only if its catalog equals production's on everything in question (pg_dump leaves
out INVALID indexes, for one), and the end counts only if it equals the target there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ops.facts.catalog import Snapshot, describe, differences, relation_of
from ops.facts.frames import Unknown
from ops.facts.psql_text import queries
from ops.host.script import Script, Value, shell_text
from ops.proof.ladder import NEEDS_NO_BLOCK, snapshot
from ops.proof.rows import content, is_plain_data, never_twice
from ops.proof.session import lost_with_session
from ops.proof.shadow import Stop

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from ops.facts.catalog import Key
    from ops.proof.psql import Psql, SqlError
    from ops.proof.remedy import Remedy
    from ops.proof.rows import Needed
    from ops.proof.scratch import Scratch, Server
    from ops.proof.shadow import Replay
    from ops.proof.statements import Rung

_SCRATCH_VARIABLES: Final = (
    *("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT", "PGOPTIONS"),
)
_SHOWN: Final = 8
"""How many differences are named."""
_SMALL: Final = frozenset(
    {"grant", "default privileges", "comment", "security label", "publication"}
)
"""Kinds that pg_dump may not carry over as another role, and that no statement stumbles over."""


class NotProved(Exception):  # noqa: N818 - an answer, not an error
    """What was rehearsed did not end in the target; the text says why."""


class RowsMissing(NotProved):
    """The statements reached tables whose rows are not on the copy: with rows they do more.

    Args:
        tables: Quoted names with their schemas.
    """

    def __init__(self, tables: frozenset[str]) -> None:
        self.tables = tables
        super().__init__(f"it also reaches the rows of {', '.join(sorted(tables))}")


_TABLES: Final = """
SELECT pg_catalog.json_build_array(c.oid::text, pg_catalog.format('%I.%I', n.nspname, c.relname))
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
_LOCKED: Final = """
SELECT 'locked ' || relation FROM pg_catalog.pg_locks
 WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation';
"""


@dataclass
class _Copy:
    """A copy of production on which it is seen which tables each statement reaches.

    On the shadow, where tables are empty, no trigger fires and no foreign key is looked up. Only
    with rows does it show whose rows matter.

    Args:
        psql: Connected to it.
        copied: The tables whose rows are there.
        tables: Those that were there at first, by oid.
        reached: Those that were reached.
    """

    psql: Psql
    copied: Collection[str]
    tables: dict[str, str]
    reached: set[str] = field(default_factory=set)

    @property
    def missing(self) -> frozenset[str]:
        """Tables that were reached, and whose rows are not there."""
        return frozenset(self.reached.difference(self.copied))

    def run(self, texts: Sequence[str]) -> SqlError | None:
        """Run texts that commit together; return the first error."""
        if len(texts) > 1:  # a transaction block of the script's own
            sql = f"{queries(texts[:-1])}\n{_LOCKED}{queries(texts[-1:])}"
        else:
            sql = f"BEGIN;\n{queries(texts)}\n{_LOCKED}COMMIT"
        answer = self.psql.answer(self.psql.post(sql))
        if answer.error and answer.error.code in NEEDS_NO_BLOCK:
            self.psql.post("ROLLBACK")
            return self.psql.run(texts)
        oids = (line.removeprefix("locked ") for line in answer.lines)
        self.reached.update(self.tables[oid] for oid in oids if oid in self.tables)
        return answer.error

    def run_stepwise(self, rungs: Sequence[Rung]) -> Stop | None:
        """Run rungs one by one; return where it stopped, or None."""
        for index, rung in enumerate(rungs):
            if error := self.run([statement.text for statement in rung.statements]):
                self.psql.settle()
                return Stop(index, rung.line, error)
        self.psql.settle()
        return None


class NotTried(NotProved):
    """It was not rehearsed at all."""


@dataclass(frozen=True)
class Part:
    """One migration in a rehearsal: a remedy to carry out, or a script to run as it is on main.

    Args:
        remedy: What is done about a migration that was tried; None for one that was not.
        script: As main has it; None when it is not run.
        one_query: Whether the Prisma that will run it sends it as one query.
    """

    remedy: Remedy | None
    script: Replay | None
    one_query: bool


def clone(scratch: Scratch, production: Server, needed: Needed | None) -> str:
    """Copy production into a scratch database, and return its name.

    Args:
        scratch: Where.
        production: Production's own server.
        needed: Whose rows come along; None for no rows at all.

    Raises:
        Unknown: The copy could not be made.
    """
    name = scratch.create("copy")
    left_out = "*" if needed is None else "\n".join(needed.others)
    elsewhere = not scratch.server.holds_production
    there = scratch.server.variables if elsewhere else {}
    values: dict[str, Value] = {"scratch": name, "tables": left_out, "elsewhere": elsewhere}
    values |= {f"to_{variable}": there.get(variable, "") for variable in _SCRATCH_VARIABLES}
    body = shell_text("ops.facts", "database") + shell_text("ops.proof", "clone")
    variables = {"PGAPPNAME": "prisma-ops", **production.variables}
    done = production.host.run(Script(body, values, variables, production.path))
    if done.exit_code != 0 or b"@dump failed" in done.stdout or b"@psql failed" in done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        problem = next((line for line in said if "pg_dump:" in line), said[-1] if said else "")
        raise Unknown(
            f"production could not be copied: {problem or f'exit code {done.exit_code}'}",
            "the role must be able to read every table that it copies",
        )
    return name


def rehearse(
    copy: Psql,
    parts: Sequence[Part],
    production: Snapshot,
    target: Snapshot,
    touched: frozenset[Key],
    copied: Collection[str],
) -> tuple[str, ...]:
    """Carry out parts on a copy of production; return how that proves them.

    Args:
        copy: Connected to the copy.
        parts: In the order in which they will be done.
        production: Its catalog, without the INVALID indexes that will be dropped first.
        target: Where it must end.
        touched: On which objects.
        copied: The tables whose rows are on the copy.

    Raises:
        RowsMissing: More tables' rows are needed to tell.
        NotProved: It cannot be done so.
        Unknown: The copy could not be asked.
    """
    target = _as_copied(target)
    if problems := tuple(_not_the_same(_as_copied(production), _now(copy), touched)):
        raise NotProved(f"the copy is not like production: {_some(problems)}")
    there = copy.ask(_TABLES, "asking which tables the copy has")
    watched = _Copy(copy, copied, dict(map(json.loads, there)))
    evidence: list[str] = []
    try:
        for part in parts:
            evidence += _carry_out(watched, part)
    except NotProved as error:
        if watched.missing:
            raise RowsMissing(watched.missing) from error
        raise
    if watched.missing:
        raise RowsMissing(watched.missing)
    found = differences(_now(copy), target, touched)
    if found:
        lines = [describe(each, "the copy", "the target") for each in found]
        raise NotProved(f"on a copy it did not end in the target: {_some(lines)}")
    return (*evidence, f"on a copy it ended in the target, in each of {len(touched)} objects")


def _now(copy: Psql) -> Snapshot:
    return _as_copied(snapshot(copy, "the copy"))


def _as_copied(catalog: Snapshot) -> Snapshot:
    """Return a catalog without what a copy of the schema never has: rows in materialized views."""
    return Snapshot(
        {
            key: {name: value for name, value in properties.items() if name != "populated"}
            if key[0] == "materialized view"
            else properties
            for key, properties in catalog.objects.items()
        }
    )


def _carry_out(copy: _Copy, part: Part) -> Iterator[str]:
    remedy = part.remedy
    if remedy and remedy.twice:
        changes = _prove_repeatable(copy, remedy.twice)
        what = f"{_lines(remedy.twice)} of {remedy.name}"
        yield f"{what} can be run twice: tried on a copy with rows"
        if changes:
            yield f"{what} changes rows now: if it had run, it overwrites what was written since"
    if remedy and remedy.kind == "resume":
        if why := lost_with_session(remedy.rungs[: remedy.done]):
            raise NotProved(f"{remedy.name}: {why}, and the rest may need it")
        # What was just run twice is not run a third time: the rows are the same.
        if stop := copy.run_stepwise(remedy.rest[len(remedy.twice) :]):
            raise NotProved(f"{remedy.name}: line {stop.line} fails on a copy: {stop.error}")
    elif part.script is not None and not (remedy and remedy.kind == "mark applied"):
        if part.one_query:
            error = copy.run([part.script.text])
            copy.psql.settle()
            if error:
                raise NotProved(f"{part.script.name} fails on a copy: {error}")
        elif stop := copy.run_stepwise(part.script.rungs()):
            raise NotProved(f"{part.script.name}: line {stop.line} fails on a copy: {stop.error}")


def _prove_repeatable(copy: _Copy, rungs: Sequence[Rung]) -> bool:
    """Run statements that may be in already, then again: the rows must stay as they are.

    Returns:
        Whether the first time changed rows: they had not run, or others wrote since.

    Raises:
        NotProved: They may not be run again.
    """
    if why := never_twice(rungs):
        raise NotProved(f"it may be in already, and cannot be run again: {why}")
    digests = [content(copy.psql)]
    for _ in range(2):
        if stop := copy.run_stepwise(rungs):
            raise NotProved(f"line {stop.line} fails on a copy: {stop.error}")
        digests.append(content(copy.psql))
    before, once, again = digests
    if once != again:
        raise NotProved(f"{_lines(rungs)} may be in already, and changes rows each time it is run")
    if before != once and not is_plain_data(rungs):
        raise NotProved(f"{_lines(rungs)} may be in already, and what it changes cannot be told")
    return before != once


def _not_the_same(production: Snapshot, copy: Snapshot, touched: frozenset[Key]) -> Iterator[str]:
    """Name the differences of a copy that count: on touched objects and their tables."""
    tables = {relation_of(key) for key in touched} - {None}
    for each in differences(production, copy):
        near = each.key in touched or (
            each.key[0] not in _SMALL and relation_of(each.key) in tables
        )
        if near:
            yield describe(each, "production", "the copy")


def _some(lines: Sequence[str]) -> str:
    more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return "; ".join(lines[:_SHOWN]) + more


def _lines(rungs: Sequence[Rung]) -> str:
    numbers = sorted({rung.statements[0].line for rung in rungs})
    return f"line {numbers[0]}" if len(numbers) == 1 else f"lines {numbers[0]} to {numbers[-1]}"
