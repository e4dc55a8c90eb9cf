"""The verdict on one failed migration: how much of it is in the database, and how that is known.

The catalog decides, rung by rung (ladder.py). What the ledger tells of the attempts (testimony.py)
only ever removes rungs; where it leaves none, the verdict is conflicting. Statements that leave no
trace in the catalog, nearly always those that change rows, can leave several rungs standing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from ops.facts.catalog import Snapshot, describe, differences
from ops.proof.testimony import testimony

if TYPE_CHECKING:
    from ops.facts.catalog import Key
    from ops.facts.database import LedgerRow
    from ops.facts.gather import Facts
    from ops.proof.ladder import Ladder
    from ops.proof.statements import Rung
    from ops.proof.testimony import Testimony

_PART: Final = re.compile(r'"(?:[^"]|"")+"|[^."]+')
_MOST_DIFFERENCES: Final = 40
"""How many differences a conflicting verdict lists; the closest rung counts."""


@dataclass(frozen=True)
class _Judged:
    """What all verdicts have.

    Args:
        name: The migration.
        rows: Its open rows in the ledger.
        evidence: How it is known, or what is missing.
    """

    name: str
    rows: tuple[LedgerRow, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class NothingApplied(_Judged):
    """Nothing of the migration is in the database.

    Args:
        invalid: Indexes that it left INVALID, which is as good as nothing, but in the way.
    """

    invalid: tuple[str, ...] = ()


@dataclass(frozen=True)
class FullyApplied(_Judged):
    """Every statement of the migration is in the database."""


@dataclass(frozen=True)
class PartlyApplied(_Judged):
    """The first statements are in, the others are not.

    Args:
        done: How many rungs are in.
        rungs: All rungs of the script as it was attempted.
        invalid: Indexes that it left INVALID.
    """

    done: int
    rungs: tuple[Rung, ...]
    invalid: tuple[str, ...] = ()


@dataclass(frozen=True)
class Undecidable(_Judged):
    """The catalog is the same after several rungs.

    Args:
        candidates: After how many rungs it may have stopped, in order.
        rungs: All rungs of the script as it was attempted.
        invalid: Indexes that it left INVALID.
    """

    candidates: tuple[int, ...]
    rungs: tuple[Rung, ...]
    invalid: tuple[str, ...] = ()

    @property
    def between(self) -> tuple[Rung, ...]:
        """The rungs that may be in, or not."""
        return self.rungs[self.candidates[0] : self.candidates[-1]]


@dataclass(frozen=True)
class Conflicting(_Judged):
    """No rung is what production has.

    Args:
        differences: Each object that is otherwise, compared with the rung that comes closest.
        left_nothing: Whether it is proved all the same that no attempt left anything, so that
            what is there was made by somebody else.
    """

    differences: tuple[str, ...]
    left_nothing: bool = False


@dataclass(frozen=True)
class Undetermined(_Judged):
    """It is not known what is in the database; the evidence says which probe is missing."""


Verdict = NothingApplied | FullyApplied | PartlyApplied | Undecidable | Conflicting | Undetermined


def tried(facts: Facts) -> tuple[str, ...]:
    """Return every migration that was tried and will run again.

    First the failed ones, in the order of their attempts; then those that somebody recorded as
    rolled back, which is a word and no proof.
    """
    failed = (row.migration_name for row in facts.database.open_rows)
    again = (name for name in facts.pending if facts.database.rows(name))
    return tuple(dict.fromkeys((*failed, *again)))


def open_rows(facts: Facts, name: str) -> tuple[LedgerRow, ...]:
    """Return the rows of a migration that Prisma takes for failed."""
    return tuple(row for row in facts.database.rows(name) if row.is_open)


def contradiction(verdict: Verdict, direction: Literal["rolled-back", "applied"]) -> str:
    """Return why a verdict speaks against recording a migration so; empty if it does not."""
    match direction, verdict:
        case "applied", NothingApplied():
            return "nothing of it is in the database"
        case "applied", Conflicting(left_nothing=True):
            return "nothing of it is in the database, others made what is there"
        case "applied", Conflicting():
            return "the database is not as it would be after any of its statements"
        case "rolled-back", FullyApplied():
            return "all of it is in the database"
        case _, PartlyApplied(done=done, rungs=rungs):
            return f"{done} of its {len(rungs)} statements are in the database, the others are not"
    return ""


def by_testimony(facts: Facts, name: str, missing: str = "") -> Verdict:
    """Judge without a copy: only that nothing was left can be known so.

    Args:
        facts: What is true now.
        name: The migration.
        missing: Why there is no copy, where one was wanted.
    """
    told = testimony(facts, name)
    rows = open_rows(facts, name)
    if told.nothing:
        return NothingApplied(name, rows, told.evidence)
    return Undetermined(name, rows, ((missing,) if missing else ()) + told.doubts)


def judge(
    name: str,
    rows: tuple[LedgerRow, ...],
    told: Testimony,
    ladder: Ladder,
    production: Snapshot,
) -> Verdict:
    """Say how far a script got.

    Args:
        name: The migration.
        rows: Its open rows.
        told: What the attempts tell.
        ladder: The script as it was attempted, on a copy of the shadow.
        production: The catalog now.
    """
    touched = ladder.touched
    invalid = _invalid_indexes(ladder, production)
    seen = production.only(production.objects.keys() - invalid)
    matches = ladder.matches(seen)
    names = tuple(sorted(map(index_name, invalid)))
    if not matches:
        return _conflicting(name, rows, told, ladder, seen, touched)
    candidates, evidence = _narrowed(told, ladder, matches)
    if not candidates:
        return Conflicting(name, rows, evidence, (), left_nothing=told.nothing)
    reached = len(ladder.steps)
    if (
        ladder.error
        and reached in candidates
        and not (told.nothing or told.failed_with(ladder.error))
    ):
        doubt = (
            f"on the copy, statement {reached + 1} of {len(ladder.rungs)} fails by itself: "
            f"{ladder.error}; so what comes after it cannot be told"
        )
        return Undetermined(name, rows, (*evidence, doubt))
    hidden = [at for at in range(candidates[-1]) if not ladder.tells_all(at)]
    if told.several and hidden and not (told.nothing or told.whole_ran):
        doubt = (
            "an earlier attempt ran another script, and may have left what the catalog shows; so "
            f"whether line {ladder.rungs[hidden[0]].line} was run cannot be told"
        )
        return Undetermined(name, rows, (*evidence, doubt))
    if inferred := [at for at in range(candidates[0]) if not ladder.leaves_trace(at)]:
        lines = ", ".join(str(ladder.rungs[at].line) for at in inferred)
        evidence = (*evidence, f"only inferred, for later statements are in: line {lines}")
    match candidates:
        case (0,):
            verdict: Verdict = NothingApplied(name, rows, evidence, names)
        case (done,) if done == len(ladder.rungs):
            verdict = FullyApplied(name, rows, evidence)
        case (done,):
            verdict = PartlyApplied(name, rows, evidence, done, ladder.rungs, names)
        case _:
            verdict = Undecidable(name, rows, evidence, candidates, ladder.rungs, names)
    return verdict


def _narrowed(
    told: Testimony, ladder: Ladder, matches: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the rungs that remain, and why."""
    count = len(ladder.rungs)
    on_touched = f"of {len(ladder.touched)} objects that its statements touch"
    catalog = (
        f"production's catalog equals the copy after {_counts(matches)} of {count} statements, "
        f"in each {on_touched}"
    )
    allowed: tuple[int, ...] = matches
    because: tuple[str, ...] = ()
    if told.whole_ran:
        allowed, because = (count,), ("the ledger says that the whole script had run",)
    elif told.nothing:
        allowed, because = (0,), told.evidence
    elif told.all_or_nothing:
        allowed, because = (0, count), told.evidence
    left = tuple(match for match in matches if match in allowed)
    if left:
        return left, (catalog, *because)
    # Where the attempt itself may have made all of it, what it did later may be undone again.
    shown = max(matches) if told.nothing else len(ladder.rungs)
    if shown <= len(ladder.steps) and all(map(ladder.tells_all, range(shown))):
        # Somebody else made it, but every statement up to there shows, so nothing is missing.
        return matches, (catalog, "not made by the failed attempt: " + "; ".join(because))
    return (), (catalog, "but that cannot come from the attempt: " + "; ".join(because))


def _counts(matches: tuple[int, ...]) -> str:
    *before, last = map(str, matches)
    return f"{', '.join(before)} and {last}" if before else last


def _invalid_indexes(ladder: Ladder, production: Snapshot) -> frozenset[Key]:
    """Return the indexes that the script makes, and that are INVALID in production alone.

    ON ONLY a partitioned table, an index is left so by the script itself.
    """
    made = (key for key in ladder.touched if key[0] == "index" and ladder.base.at(key) is None)
    return frozenset(
        key
        for key in made
        if _is_invalid(production, key)
        and not any(_is_invalid(state, key) for state in ladder.states)
    )


def _is_invalid(catalog: Snapshot, key: Key) -> bool:
    found = catalog.at(key)
    return found is not None and found.get("valid") == "no"


def index_name(key: Key) -> str:
    """Return an index's name with its schema, from `schema.table.index`."""
    parts = _PART.findall(key[1])
    return f"{parts[0]}.{parts[-1]}"


def _conflicting(
    name: str,
    rows: tuple[LedgerRow, ...],
    told: Testimony,
    ladder: Ladder,
    production: Snapshot,
    touched: frozenset[Key],
) -> Verdict:
    lines = _other_shapes(ladder, production, touched) or _closest(ladder, production, touched)
    evidence = ["production's catalog equals the copy after none of the statements"]
    if ladder.error:
        stopped = len(ladder.steps) + 1
        evidence.append(f"on the copy, statement {stopped} fails by itself: {ladder.error}")
    evidence += told.evidence if told.nothing else ()
    shown = tuple(lines[:_MOST_DIFFERENCES])
    return Conflicting(name, rows, tuple(evidence), shown, left_nothing=told.nothing)


def _other_shapes(ladder: Ladder, production: Snapshot, touched: frozenset[Key]) -> list[str]:
    """Name the objects that production has as no rung has them, and how they should be."""
    states = ladder.states
    odd = {key for key in touched if all(production.at(key) != state.at(key) for state in states)}
    should_be = Snapshot(
        {key: found for state in states for key in odd if (found := state.at(key)) is not None}
    )
    return [
        describe(each, "production", "the copy") for each in differences(production, should_be, odd)
    ]


def _closest(ladder: Ladder, production: Snapshot, touched: frozenset[Key]) -> list[str]:
    """Name what differs from the rung that comes closest: each object is as some rung has it."""
    compared = [differences(production, state, touched) for state in ladder.states]
    closest = min(range(len(compared)), key=lambda count: len(compared[count]))
    copy = f"the copy after {closest} of {len(ladder.rungs)} statements"
    return [describe(each, "production", copy) for each in compared[closest]]
