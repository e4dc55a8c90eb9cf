"""Which remedies are thought of, in which order, and for which objects they answer.

Pure: verdicts and ladders in, remedies out. The first that is proved on a copy is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.facts.app import parse_version
from ops.facts.catalog import differences, relation_of
from ops.facts.gather import locked_version
from ops.facts.git import spellings
from ops.proof.attempt import SPLITS_SINCE
from ops.proof.remedy import Diagnosis, Remedy
from ops.proof.sql import tokens
from ops.proof.statements import CannotSplit, statements
from ops.proof.verdict import (
    Conflicting,
    FullyApplied,
    NothingApplied,
    PartlyApplied,
    Undecidable,
    index_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ops.facts.catalog import Key, Snapshot
    from ops.facts.gather import Facts
    from ops.proof.attempt import Attempted
    from ops.proof.ladder import Ladder, Step
    from ops.proof.shadow import Replay
    from ops.proof.verdict import Verdict


@dataclass(frozen=True)
class Case:
    """One migration that was tried.

    Args:
        attempted: The script as it was; None where it is not in git.
        ladder: The script on a copy of the shadow; None where it could not be tried.
    """

    name: str
    attempted: Attempted | None
    ladder: Ladder | None
    verdict: Verdict


def to_run(facts: Facts) -> list[str]:
    """What deploy will run once the failed migrations are recorded as rolled back."""
    return [
        script.name for script in facts.main.migrations if script.name not in facts.database.applied
    ]


def sends_one_query(facts: Facts) -> bool:
    """Whether the Prisma that will run what is pending sends a file as one query."""
    version = locked_version(facts.git.main) or (
        parse_version(facts.installed.version) if facts.installed else None
    )
    return version is not None and version < SPLITS_SINCE and not facts.main.may_use_adapter


def touched_by(cases: Sequence[Case], ladders: Sequence[tuple[Replay, Ladder]]) -> frozenset[Key]:
    """Return the objects that count: of the new scripts, and of attempts that may have stayed."""
    of_new = (ladder.touched for _, ladder in ladders)
    of_attempts = (
        case.ladder.touched for case in cases if case.ladder and not _left_nothing(case.verdict)
    )
    return frozenset().union(*of_new, *of_attempts)


def _left_nothing(verdict: Verdict) -> bool:
    return isinstance(verdict, Conflicting) and verdict.left_nothing


def choices(
    cases: Sequence[Case], ladders: Sequence[tuple[Replay, Ladder]], facts: Facts
) -> Iterator[tuple[Remedy, ...]]:
    """Yield what may mend all that failed, the best first."""
    if len(cases) == 1:
        for remedy in remedies_of(cases[0], ladders, facts):
            yield (remedy,)
        return
    first = [next(iter(remedies_of(case, ladders, facts)), None) for case in cases]
    if all(first):
        yield tuple(remedy for remedy in first if remedy)


def remedies_of(
    case: Case, ladders: Sequence[tuple[Replay, Ladder]], facts: Facts
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
    match verdict, is_on_main(case, facts):
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
        case ((FullyApplied() | PartlyApplied() | Conflicting()), _) if not writes:
            yield again
        case _:
            pass


def steps_to_run(
    remedies: Sequence[Remedy],
    cases: Sequence[Case],
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


def is_on_main(case: Case, facts: Facts) -> bool:
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


def is_index(key: Key, names: set[str]) -> bool:
    """Whether an object of the catalog is one of these indexes, given as `schema.index`."""
    if key[0] != "index":
        return False
    return index_name(key) in names


def drift(
    cases: Sequence[Case],
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
