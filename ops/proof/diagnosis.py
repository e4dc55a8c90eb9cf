"""The diagnosis: shadow, ladder, verdict, target, rehearsal, in this order.

Whatever cannot be known ends it with the probe that failed; nothing is concluded from that.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ops.facts.app import parse_version
from ops.facts.catalog import describe, differences, relation_of
from ops.facts.frames import Unknown
from ops.facts.gather import host_path, locked_version
from ops.facts.git import spellings
from ops.facts.psql_text import identifier
from ops.proof.attempt import SPLITS_SINCE, attempted_script
from ops.proof.impact import impacts, row_estimates
from ops.proof.ladder import climb, post_reading, read
from ops.proof.outside import assembles_sql
from ops.proof.psql import connect
from ops.proof.rehearsal import NotProved, Part, RowsMissing, clone, rehearse
from ops.proof.remedy import Diagnosis, Remedy
from ops.proof.rows import needed, tables_of
from ops.proof.scratch import Server, scratch
from ops.proof.shadow import CannotReplay, build, history, replay_of
from ops.proof.sql import tokens
from ops.proof.statements import CannotSplit, statements
from ops.proof.testimony import testimony
from ops.proof.verdict import (
    Conflicting,
    FullyApplied,
    NothingApplied,
    PartlyApplied,
    Undecidable,
    by_testimony,
    index_name,
    judge,
    open_rows,
    tried,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ops.facts.catalog import Key, Snapshot
    from ops.facts.gather import Facts
    from ops.host.base import Host
    from ops.proof.attempt import Attempted
    from ops.proof.ladder import Ladder, Reading, Step
    from ops.proof.psql import Psql
    from ops.proof.scratch import Scratch
    from ops.proof.shadow import Replay
    from ops.proof.verdict import Verdict

MOST_BYTES: Final = 1 << 30
"""Tables larger than this together are not copied for a rehearsal."""
_READ_ONLY: Final = "SET default_transaction_read_only = on;"


def diagnose(facts: Facts, host: Host, run: str) -> Diagnosis:
    """Find out what stands, and prove on a copy what will mend it.

    Changes nothing but scratch databases of its own.

    Args:
        facts: What is true now.
        host: Whose psql and pg_dump are used.
        run: The run's id; part of the names of scratch databases.
    """
    names = tried(facts)
    if not names and not _to_run(facts):
        return Diagnosis()
    path = host_path(facts.environment)
    here = Server(host, facts.url.variables, path, facts.url.label)
    try:
        with (
            connect(host, facts.url.variables, path, facts.url.label, _READ_ONLY) as production,
            scratch(here, run, _hidden(facts)) as made,
        ):
            return _Laboratory(facts, production, made).diagnosis()
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


@dataclass
class _Case:
    """One migration that was tried."""

    name: str
    attempted: Attempted | None
    ladder: Ladder | None
    verdict: Verdict


class _Laboratory:
    def __init__(self, facts: Facts, production: Psql, scratch: Scratch) -> None:
        self._facts = facts
        self._production = production
        self._scratch = scratch
        self._settings = (
            f"SET synchronous_commit = off;\nSET search_path = {identifier(facts.url.schema)};"
        )

    def diagnosis(self) -> Diagnosis:
        facts = self._facts
        asked = post_reading(self._production)  # answered while the shadow is built
        past = history(facts)
        shadow = self._scratch.create("shadow")
        with self._connect(shadow) as psql:
            psql.ask(_schema(facts.url.schema), "making the schema")
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
            touched=_touched(cases, ladders),
        )
        found = replace(
            found, notes=(*found.notes, *_drift(cases, ladders, reading.catalog, found))
        )
        return self._proved(found, cases, ladders, reading)

    @contextmanager
    def _connect(self, name: str) -> Iterator[Psql]:
        with self._scratch.connect(name, self._settings) as psql:
            yield psql

    def _case(self, label: str, name: str, shadow: str, production: Snapshot) -> _Case:
        facts = self._facts
        rows = open_rows(facts, name)
        attempts = facts.database.rows(name)
        attempted = attempted_script(facts, attempts[-1])
        told = testimony(facts, name)
        if attempted is None:
            return _Case(name, None, None, by_testimony(facts, name))
        try:
            rungs = replay_of(name, attempted.content).rungs()
        except CannotReplay as error:
            return _Case(name, attempted, None, by_testimony(facts, name, error.message))
        copy = self._scratch.create(label, shadow)
        with self._connect(copy) as psql:
            ladder = climb(psql, rungs)
        self._scratch.drop(copy)
        return _Case(name, attempted, ladder, judge(name, rows, told, ladder, production))

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
        for name in _to_run(self._facts):
            script = self._facts.main.script(name)
            if script is None or script.content is None:
                raise CannotReplay(f"{name} has no migration.sql")
            yield replay_of(name, script.content)

    def _proved(
        self,
        found: Diagnosis,
        cases: Sequence[_Case],
        ladders: Sequence[tuple[Replay, Ladder]],
        reading: Reading,
    ) -> Diagnosis:
        """Rehearse the remedies in question, the first that is proved is taken."""
        reasons = []
        for remedies in _choices(cases, ladders, self._facts):
            try:
                proof = self._rehearsed(found, cases, ladders, reading.catalog, remedies)
            except NotProved as error:
                kinds = ", ".join(f"{remedy.kind} {remedy.name}" for remedy in remedies)
                reasons.append(f"{kinds}: {error}" if kinds else str(error))
            else:
                steps = _steps_to_run(remedies, cases, ladders)
                seen = tuple(impacts(steps, row_estimates(self._production)))
                return replace(found, remedies=remedies, proof=proof, impacts=seen)
        reasons = reasons or [f"{case.name}: no remedy fits" for case in cases]
        return replace(found, unproved=tuple(reasons))

    def _rehearsed(
        self,
        found: Diagnosis,
        cases: Sequence[_Case],
        ladders: Sequence[tuple[Replay, Ladder]],
        production: Snapshot,
        remedies: tuple[Remedy, ...],
    ) -> tuple[str, ...]:
        by_name = {remedy.name: remedy for remedy in remedies}
        scripts = {script.name: script for script, _ in ladders}
        one_query = _sends_one_query(self._facts)
        # As the plan will do it: what is resumed comes before what deploy runs.
        names = sorted({*by_name, *scripts}, key=str.encode)
        names.sort(key=lambda name: name not in by_name or by_name[name].kind != "resume")
        parts = [Part(by_name.get(name), scripts.get(name), one_query) for name in names]
        steps = (step for _, step in _steps_to_run(remedies, cases, ladders))
        tables = tables_of(steps)
        dropped = {index for remedy in remedies for index in remedy.drop}
        seen = production.only([key for key in production.objects if not _is_index(key, dropped)])
        assert found.target is not None  # noqa: S101 - asked for before
        while True:
            rows = needed(self._production, tables)
            if rows.bytes > MOST_BYTES:
                raise NotProved(
                    f"the tables {', '.join(rows.tables)} hold {rows.bytes >> 20} MiB, "
                    "too much to copy"
                )
            name = clone(self._scratch, self._production, rows if rows.tables else None)
            try:
                with self._connect(name) as copy:
                    target, touched = found.target, found.touched
                    return rehearse(copy, parts, seen, target, touched, rows.tables)
            except RowsMissing as missing:
                if missing.tables <= tables:  # production has no such table, or not any more
                    raise
                tables |= missing.tables
            finally:
                self._scratch.drop(name)


def _to_run(facts: Facts) -> list[str]:
    """What deploy will run once the failed migrations are recorded as rolled back."""
    return [
        script.name for script in facts.main.migrations if script.name not in facts.database.applied
    ]


def _hidden(facts: Facts) -> str:
    """Say which script runs SQL that it puts together itself; empty where none does."""
    scripts = {script.name: script.content for script in facts.main.migrations if script.content}
    replays = [*history(facts).replays, *(replay_of(*item) for item in scripts.items())]
    attempts = (
        (name, attempted_script(facts, facts.database.rows(name)[-1])) for name in tried(facts)
    )
    replays.extend(replay_of(name, found.content) for name, found in attempts if found)
    for replay in replays:
        if hidden := assembles_sql(replay.text):
            return f"{replay.name} puts SQL together while it runs (line {hidden.line})"
    return ""


def _schema(name: str) -> str:
    return f"CREATE SCHEMA IF NOT EXISTS {identifier(name)}"


def _sends_one_query(facts: Facts) -> bool:
    """Whether the Prisma that will run what is pending sends a file as one query."""
    version = locked_version(facts.git.main) or (
        parse_version(facts.installed.version) if facts.installed else None
    )
    return version is not None and version < SPLITS_SINCE and not facts.main.may_use_adapter


def _touched(cases: Sequence[_Case], ladders: Sequence[tuple[Replay, Ladder]]) -> frozenset[Key]:
    """Return the objects that count: of the new scripts, and of attempts that may have stayed."""
    of_new = (ladder.touched for _, ladder in ladders)
    of_attempts = (
        case.ladder.touched for case in cases if case.ladder and not _left_nothing(case.verdict)
    )
    return frozenset().union(*of_new, *of_attempts)


def _left_nothing(verdict: Verdict) -> bool:
    return isinstance(verdict, Conflicting) and verdict.left_nothing


def _choices(
    cases: Sequence[_Case], ladders: Sequence[tuple[Replay, Ladder]], facts: Facts
) -> Iterator[tuple[Remedy, ...]]:
    """Yield what may mend all that failed, the best first."""
    if len(cases) == 1:
        for remedy in _remedies(cases[0], ladders, facts):
            yield (remedy,)
        return
    first = [next(iter(_remedies(case, ladders, facts)), None) for case in cases]
    if all(first):
        yield tuple(remedy for remedy in first if remedy)


def _remedies(
    case: _Case, ladders: Sequence[tuple[Replay, Ladder]], facts: Facts
) -> Iterator[Remedy]:
    """Yield what may mend one migration.

    A script of which something may be in is only run again from its beginning where it writes no
    rows: the catalog tells afterwards whether objects are as they should be, but not whether rows
    were changed twice.
    """
    name, verdict = case.name, case.verdict
    again = Remedy("rerun", name)
    writes = any(
        step.writes_rows
        for script, ladder in ladders
        for step in ladder.steps
        if script.name == name
    )
    match verdict, _is_on_main(case, facts):
        case NothingApplied(invalid=invalid), _:
            yield Remedy("rerun", name, drop=invalid)
        case FullyApplied(), True:
            yield Remedy("mark applied", name)
        case PartlyApplied(done=done, rungs=rungs, invalid=invalid), True:
            yield Remedy("resume", name, rungs, done, invalid)
        case Undecidable(candidates=(0, *_), rungs=rungs, invalid=invalid), True:
            yield Remedy("rerun", name, rungs, 0, invalid, verdict.between)
        case Undecidable(candidates=(done, *_), rungs=rungs, invalid=invalid), True:
            yield Remedy("resume", name, rungs, done, invalid, verdict.between)
        case Conflicting(left_nothing=True), _:
            yield again
        case ((FullyApplied() | PartlyApplied() | Conflicting()), _) if not writes:
            yield again
        case _:
            pass


def _steps_to_run(
    remedies: Sequence[Remedy],
    cases: Sequence[_Case],
    ladders: Sequence[tuple[Replay, Ladder]],
) -> Iterator[tuple[str, Step]]:
    """Yield what the statements that will be run did to the shadow, with their migrations."""
    kinds = {remedy.name: remedy.kind for remedy in remedies}
    for case in cases:
        for remedy in remedies:
            if remedy.name == case.name and remedy.kind == "resume" and case.ladder:
                yield from ((case.name, step) for step in case.ladder.steps[remedy.done :])
    for script, ladder in ladders:
        if kinds.get(script.name, "rerun") == "rerun":
            yield from ((script.name, step) for step in ladder.steps)


def _is_on_main(case: _Case, facts: Facts) -> bool:
    """Whether main has the script as it was attempted, but for comments and white space."""
    script = facts.main.script(case.name)
    if script is None or script.content is None or case.attempted is None:
        return False
    if case.attempted.content in spellings(script.content).values():
        return True
    try:
        return _without_layout(case.attempted.content) == _without_layout(script.content)
    except CannotSplit:  # then they are what they are, and not the same
        return False


def _without_layout(content: bytes) -> list[str]:
    """Return a script's statements without comments, and with single spaces between words.

    What is quoted stays as it is.
    """
    text = content.decode(errors="replace")
    return [
        " ".join(token.text for token in tokens(statement.text) if token.kind != "comment")
        for statement in statements(text)
    ]


def _is_index(key: Key, names: set[str]) -> bool:
    if key[0] != "index":
        return False
    return index_name(key) in names


def _drift(
    cases: Sequence[_Case],
    ladders: Sequence[tuple[Replay, Ladder]],
    production: Snapshot,
    found: Diagnosis,
) -> Iterator[str]:
    """Name what production has otherwise than its history says, on nothing that is in question."""
    bases = [case.ladder.base for case in cases if case.ladder]
    bases += [ladder.base for _, ladder in ladders]
    if not bases:
        return
    attempted = frozenset().union(*(case.ladder.touched for case in cases if case.ladder))
    others = [
        each
        for each in differences(production, bases[0])
        if each.key not in found.touched | attempted
    ]
    if others:
        tables = sorted({relation_of(each.key) or each.key[1] for each in others})
        more = f" and {len(tables) - 5} more" if len(tables) > 5 else ""  # noqa: PLR2004
        yield (
            f"drift: {len(others)} differences from the migrations' own schema, on "
            f"{', '.join(tables[:5])}{more}; left as they are"
        )
