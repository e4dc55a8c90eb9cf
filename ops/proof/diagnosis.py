"""The diagnosis: shadow, ladder, verdict, target, rehearsal, in this order.

Whatever cannot be known ends it with the probe that failed; nothing is concluded from that.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ops.facts.catalog import describe, differences, relation_of
from ops.facts.frames import Unknown
from ops.facts.gather import host_path
from ops.facts.psql_text import identifier, literal
from ops.proof.attempt import attempted_script
from ops.proof.choice import (
    Case,
    choices,
    drift,
    is_index,
    sends_one_query,
    steps_to_run,
    to_run,
    touched_by,
)
from ops.proof.impact import impacts, row_estimates
from ops.proof.ladder import climb, post_reading, read
from ops.proof.psql import connect
from ops.proof.rehearsal import NotProved, NotTried, Part, RowsMissing, clone, rehearse
from ops.proof.remedy import Diagnosis, Remedy
from ops.proof.rows import needed, tables_of
from ops.proof.scratch import NoScratch, Server, scratch
from ops.proof.shadow import CannotReplay, build, history, replay_of
from ops.proof.testimony import testimony
from ops.proof.verdict import by_testimony, judge, open_rows, tried

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ops.facts.catalog import Snapshot
    from ops.facts.gather import Facts
    from ops.facts.url import DatabaseUrl
    from ops.host.base import Host
    from ops.proof.ladder import Ladder, Reading
    from ops.proof.psql import Psql
    from ops.proof.rows import Needed
    from ops.proof.scratch import Scratch
    from ops.proof.shadow import Replay

_EXTENSIONS: Final = """
SELECT pg_catalog.json_build_array(e.extname, n.nspname)
  FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname <> 'plpgsql'
"""
OLDEST: Final = 15
"""The oldest major version of PostgreSQL whose catalog is read."""
_COUNTED: Final = 1_000_000
"""Tables of up to so many rows are counted for the report."""
_WITHOUT_ROWS: Final = "rows were not tried: they may not go to the other server (scratch.data)"
_READ_ONLY: Final = "SET default_transaction_read_only = on;"


def diagnose(facts: Facts, host: Host, run: str, other: DatabaseUrl | None = None) -> Diagnosis:
    """Find out what stands, and prove on a copy what will mend it.

    Changes nothing but scratch databases of its own.

    Args:
        facts: What is true now.
        host: Whose psql and pg_dump are used.
        run: The run's id; part of the names of scratch databases.
        other: A database of the server on which these are made; None for production's.
    """
    names = tried(facts)
    if not names and not to_run(facts):
        return Diagnosis()
    if facts.database.identity.major < OLDEST:
        old = f"PostgreSQL {facts.database.identity.version}: copies need {OLDEST} or later"
        judged = tuple(by_testimony(facts, name, old) for name in names)
        return Diagnosis(judged, unproved=(old,), tried=False)
    path = host_path(facts.environment)
    here = Server(host, facts.url.variables, path, facts.url.label)
    there = here
    if other is not None:
        there = Server(host, other.variables, path, other.label, holds_production=False)
    try:
        with (
            connect(host, here.variables, path, here.label, _READ_ONLY) as production,
            scratch(there, run) as made,
        ):
            return _Laboratory(facts, here, production, made).diagnosis()
    except Unknown as error:
        missing = f"{error.message}: nothing can be tried on a copy"
        judged = tuple(by_testimony(facts, name, missing) for name in names)
        return Diagnosis(judged, unproved=(error.message,), tried=False)


def strayed(facts: Facts, host: Host, found: Diagnosis) -> tuple[str, ...]:
    """Return where production is not what was proved on the copy; nothing where nothing was.

    Raises:
        Unknown: Its catalog cannot be read.
    """
    if found.target is None or not found.proved:
        return ()
    path = host_path(facts.environment)
    with connect(host, facts.url.variables, path, facts.url.label, _READ_ONLY) as production:
        now = read(production, post_reading(production), facts.url.label).catalog
    different = differences(now, found.target, found.touched)
    return tuple(describe(each, "production", "the copy") for each in different)


def row_counts(facts: Facts, host: Host, found: Diagnosis) -> dict[str, int]:
    """Return how many rows the tables have that are in question: a report, and no verdict.

    Large tables, and those that our role may not read, are not counted: production's statistics
    say about how many rows they have.

    Raises:
        Unknown: Production cannot be asked.
    """
    tables = {relation_of(key) for key in found.touched}
    if not tables:
        return {}
    path = host_path(facts.environment)
    with connect(host, facts.url.variables, path, facts.url.label, _READ_ONLY) as production:
        rows = {
            table: count for table, count in row_estimates(production).items() if table in tables
        }
        for table, estimate in rows.items():
            if estimate <= _COUNTED:
                answer = production.answer(production.post(f"SELECT count(*) FROM {table}"))
                rows[table] = estimate if answer.error else int(answer.lines[0])
    return rows


class _Laboratory:
    def __init__(self, facts: Facts, here: Server, production: Psql, scratch: Scratch) -> None:
        self._facts = facts
        self._here = here
        self._production = production
        self._scratch = scratch
        self._settings = (
            f"SET synchronous_commit = off;\nSET search_path = {identifier(facts.url.schema)};"
        )

    def diagnosis(self) -> Diagnosis:
        facts = self._facts
        asked = post_reading(self._production)  # answered while the shadow is built
        past = history(facts)
        extensions = self._extensions()
        shadow = self._scratch.create("shadow")
        with self._connect(shadow) as psql:
            psql.ask(_schema(facts.url.schema), "making the schema")
            _prepare(psql, extensions, past.replays)
            build(psql, past.replays)
        reading = read(self._production, asked, facts.url.label)
        cases = [
            self._case(f"ladder{number}", name, shadow, reading.catalog)
            for number, name in enumerate(tried(facts))
        ]
        found = Diagnosis(
            tuple(case.verdict for case in cases), notes=past.notes, digest=reading.digest
        )
        try:
            target, ladders = self._target(shadow)
        except CannotReplay as error:
            return replace(found, unproved=(error.message,))
        found = replace(
            found,
            target=target,
            touched=touched_by(cases, ladders),
        )
        found = replace(found, notes=(*found.notes, *drift(cases, ladders, reading.catalog, found)))
        return self._proved(found, cases, ladders, reading)

    def _extensions(self) -> list[tuple[str, str]]:
        """Return production's extensions and their schemas.

        Raises:
            NoScratch: The other server is of another version, or does not have one of them.
        """
        lines = self._production.ask(_EXTENSIONS, "asking which extensions production has")
        found = [(str(name), str(schema)) for name, schema in map(json.loads, lines)]
        server, ground = self._scratch.server, self._scratch.ground
        if server.holds_production:
            return found
        if ground.major != self._facts.database.identity.major:
            raise NoScratch(
                f"{server.label} is PostgreSQL {ground.major}, production is "
                f"{self._facts.database.identity.major}",
                "scratch databases need a server of the same major version",
            )
        if missing := [name for name, _ in found if name not in ground.available]:
            raise NoScratch(
                f"{server.label} does not have the extensions {', '.join(missing)}",
                "install them there, or name another server: scratch in the inventory",
            )
        return found

    @contextmanager
    def _connect(self, name: str) -> Iterator[Psql]:
        with self._scratch.connect(name, self._settings) as psql:
            yield psql

    def _case(self, label: str, name: str, shadow: str, production: Snapshot) -> Case:
        facts = self._facts
        rows = open_rows(facts, name)
        attempts = facts.database.rows(name)
        attempted = attempted_script(facts, attempts[-1])
        told = testimony(facts, name)
        if attempted is None:
            return Case(name, None, None, by_testimony(facts, name))
        try:
            rungs = replay_of(name, attempted.content).rungs()
        except CannotReplay as error:
            return Case(name, attempted, None, by_testimony(facts, name, error.message))
        copy = self._scratch.create(label, shadow)
        with self._connect(copy) as psql:
            ladder = climb(psql, rungs)
        self._scratch.drop(copy)
        return Case(name, attempted, ladder, judge(name, rows, told, ladder, production))

    def _target(self, shadow: str) -> tuple[Snapshot, list[tuple[Replay, Ladder]]]:
        """Run what main has on the shadow itself: nobody needs it after this.

        Raises:
            CannotReplay: A script fails there.
        """
        ladders = []
        with self._connect(shadow) as psql:
            state = None
            for script in self._pending():
                ladder = climb(psql, script.rungs())
                psql.settle()
                ladders.append((script, ladder))
                state = ladder.top
                if ladder.error:
                    raise CannotReplay(
                        f"{script.name}, as {self._facts.environment.branch} has it, fails after "
                        f"the migrations before it: line {ladder.rungs[len(ladder.steps)].line}: "
                        f"{ladder.error}",
                        "correct it and push",
                    )
            if state is None:
                state = read(psql, post_reading(psql), "the shadow").catalog
        return state, ladders

    def _pending(self) -> Iterator[Replay]:
        for name in to_run(self._facts):
            script = self._facts.main.script(name)
            if script is None or script.content is None:
                raise CannotReplay(f"{name} has no migration.sql")
            yield replay_of(name, script.content)

    def _proved(
        self,
        found: Diagnosis,
        cases: Sequence[Case],
        ladders: Sequence[tuple[Replay, Ladder]],
        reading: Reading,
    ) -> Diagnosis:
        """Rehearse the remedies in question, the first that is proved is taken."""
        reasons = []
        tried = False
        for remedies in choices(cases, ladders, self._facts):
            try:
                proof = self._rehearsed(found, cases, ladders, reading.catalog, remedies)
            except NotProved as error:
                tried = tried or not isinstance(error, NotTried)
                kinds = ", ".join(f"{remedy.kind} {remedy.name}" for remedy in remedies)
                reasons.append(f"{kinds}: {error}" if kinds else str(error))
            else:
                steps = steps_to_run(remedies, cases, ladders)
                seen = tuple(impacts(steps, row_estimates(self._production)))
                return replace(found, remedies=remedies, proof=proof, impacts=seen)
        reasons = reasons or [f"{case.name}: no remedy fits" for case in cases]
        return replace(found, unproved=tuple(reasons), tried=tried or bool(cases))

    def _rehearsed(
        self,
        found: Diagnosis,
        cases: Sequence[Case],
        ladders: Sequence[tuple[Replay, Ladder]],
        production: Snapshot,
        remedies: tuple[Remedy, ...],
    ) -> tuple[str, ...]:
        by_name = {remedy.name: remedy for remedy in remedies}
        scripts = {script.name: script for script, _ in ladders}
        one_query = sends_one_query(self._facts)
        # As the plan will do it: what is resumed comes before what deploy runs.
        names = sorted({*by_name, *scripts}, key=str.encode)
        names.sort(key=lambda name: name not in by_name or by_name[name].kind != "resume")
        parts = [Part(by_name.get(name), scripts.get(name), one_query) for name in names]
        steps = (step for _, step in steps_to_run(remedies, cases, ladders))
        tables = tables_of(steps)
        dropped = {index for remedy in remedies for index in remedy.drop}
        seen = production.only([key for key in production.objects if not is_index(key, dropped)])
        assert found.target is not None  # noqa: S101 - asked for before
        if outside := self._facts.database.outside:
            raise NotTried(
                f"production's {', '.join(outside[:3])} reach outside of the database, and would "
                "on a copy too"
            )
        while True:
            rows = self._rows(tables, remedies)
            along = rows if rows.tables and self._may_copy_rows else None
            name = clone(self._scratch, self._here, along)
            try:
                with self._connect(name) as copy:
                    if along:
                        _arrived(self._production, copy, rows.tables)
                    target, touched = found.target, found.touched
                    proof = rehearse(copy, parts, seen, target, touched, rows.tables)
                    return proof if along or not rows.tables else (*proof, _WITHOUT_ROWS)
            except RowsMissing as missing:
                if missing.tables <= tables:  # production has no such table, or not any more
                    raise
                tables |= missing.tables
            finally:
                self._scratch.drop(name)

    @property
    def _may_copy_rows(self) -> bool:
        return self._scratch.server.holds_production or self._facts.environment.scratch.data

    def _rows(self, tables: frozenset[str], remedies: Sequence[Remedy]) -> Needed:
        """Return the tables whose rows a rehearsal needs.

        Raises:
            NotProved: They may not be copied, and nothing is proved without them.
        """
        rows = needed(self._production, tables)
        limit = self._facts.environment.scratch.limit
        if self._may_copy_rows and rows.bytes > limit << 20:
            raise NotTried(
                f"the tables {', '.join(rows.tables)} hold {rows.bytes >> 20} MiB, the limit for "
                f"a copy is {limit} MiB (scratch.limit in the inventory)"
            )
        if not self._may_copy_rows and any(remedy.twice for remedy in remedies):
            raise NotTried(
                "whether statements may be run twice only rows tell, and these may not go to "
                f"{self._scratch.server.label} (scratch.data in the inventory)"
            )
        return rows


def _arrived(production: Psql, copy: Psql, tables: Sequence[str]) -> None:
    """Look whether the rows have come along: a table that cannot be filled is left empty.

    Raises:
        NotProved: They have not.
    """
    question = "\nUNION ALL ".join(
        f"SELECT {literal(table)} WHERE EXISTS (SELECT FROM ONLY {table})" for table in tables
    )
    filled = production.ask(question, "looking which tables have rows")
    there = set(copy.ask(question, "looking which rows were copied"))
    if missing := [table for table in filled if table not in there]:
        raise NotProved(f"the rows of {', '.join(missing)} cannot be put into a copy")


def _prepare(psql: Psql, extensions: Sequence[tuple[str, str]], replays: Sequence[Replay]) -> None:
    """Make the extensions that somebody made by hand; what a script makes, its replay does."""
    for name, schema in extensions:
        made = re.compile(rf'\bCREATE\s+EXTENSION\b[^;]*"?{re.escape(name)}"?', re.IGNORECASE)
        if not any(made.search(replay.text) for replay in replays):
            # One that our role may not make is missed where a script needs it.
            psql.post(
                f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)};\n"
                f"CREATE EXTENSION IF NOT EXISTS {identifier(name)} SCHEMA {identifier(schema)}"
            )


def _schema(name: str) -> str:
    return f"CREATE SCHEMA IF NOT EXISTS {identifier(name)}"
