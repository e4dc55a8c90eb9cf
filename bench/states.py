"""Every state that an interrupted migration can leave, judged.

Production stands after the first k rungs of a script, for each script and each k. The verdict must
say k, or say that it does not know; anything else is wrong.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from bench.ground import SETTINGS
from ops.facts.catalog import describe, differences
from ops.proof.ladder import climb, snapshot
from ops.proof.shadow import CannotReplay, build
from ops.proof.testimony import Testimony
from ops.proof.verdict import (
    Conflicting,
    FullyApplied,
    NothingApplied,
    PartlyApplied,
    Undecidable,
    Undetermined,
    Verdict,
    judge,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from ops.facts.catalog import Snapshot
    from ops.proof.psql import Psql, SqlError
    from ops.proof.scratch import Scratch
    from ops.proof.shadow import Replay
    from ops.proof.statements import Rung

Outcome = Literal["right", "undecidable", "undetermined", "wrong", "conflicting"]
OUTCOMES: Final[tuple[Outcome, ...]] = (
    *("right", "undecidable", "undetermined"),
    *("wrong", "conflicting"),
)
WRONG: Final = frozenset[Outcome]({"wrong", "conflicting"})
CUT_OFF: Final = Testimony((), ("cut off",), all_or_nothing=False, whole_ran=False)
"""A run of single statements that was killed: the ledger tells nothing, the catalog decides."""


@dataclass(frozen=True)
class State:
    """Where production stood, and what the verdict made of it.

    Args:
        migration: Its name.
        done: How many of its rungs were in.
        count: How many it has.
        outcome: `undecidable` only where `done` is among what is said to be possible.
        why: What the verdict says, where it does not say `done`.
    """

    migration: str
    done: int
    count: int
    outcome: Outcome
    why: str = ""


@dataclass(frozen=True)
class Left:
    """A migration, or its last rungs, that could not be judged.

    Args:
        migration: Its name.
        why: What stood in the way.
    """

    migration: str
    why: str


def weighed(migration: str, done: int, verdict: Verdict, count: int) -> State:
    """Hold a verdict against what is so."""
    outcome: Outcome
    match verdict:
        case NothingApplied():
            said, outcome = "0", "right" if done == 0 else "wrong"
        case FullyApplied():
            said, outcome = str(count), "right" if done == count else "wrong"
        case PartlyApplied(done=told):
            said, outcome = str(told), "right" if done == told else "wrong"
        case Undecidable(candidates=candidates):
            said = " or ".join(map(str, candidates))
            outcome = "undecidable" if done in candidates else "wrong"
        case Undetermined():
            said, outcome = "nobody knows", "undetermined"
        case Conflicting():
            said, outcome = "; ".join(("none", *verdict.differences)), "conflicting"
    if outcome == "right":
        return State(migration, done, count, outcome)
    why = f"{type(verdict).__name__}: {said} ({'; '.join(verdict.evidence)})"
    return State(migration, done, count, outcome, why)


def run_rung(psql: Psql, rung: Rung) -> SqlError | None:
    """Run a rung as Prisma does: in the session of those before it, whose settings stay."""
    return psql.run([statement.text for statement in rung.statements])


@contextmanager
def fresh(made: Scratch, label: str, template: str = "template0") -> Iterator[str]:
    """Make a database for a while."""
    name = made.create(label, template)
    try:
        yield name
    finally:
        made.drop(name)


def states(made: Scratch, scripts: Sequence[Replay]) -> Iterator[State | Left]:
    """Judge every state of every script, each on top of those before it.

    The copy on which a ladder was climbed is the shadow of the next one: as long as nothing fails
    it need not be built anew each time.
    """
    known: list[Replay] = []
    at = 0
    while at < len(scripts):
        with fresh(made, "shadow") as shadow, fresh(made, "production") as production:
            for name in (shadow, production):
                with made.connect(name, SETTINGS) as psql:
                    build(psql, known)
            with made.connect(production) as reader:
                smooth = True
                while smooth and at < len(scripts):
                    smooth = yield from _of_script(made, shadow, production, reader, scripts[at])
                    known += [scripts[at]] if smooth or _replays(made, known, scripts[at]) else []
                    at += 1
                if smooth:
                    yield from _drifted(made, known, shadow, snapshot(reader, "production"))


def _of_script(
    made: Scratch, shadow: str, production: str, reader: Psql, script: Replay
) -> Generator[State | Left, None, bool]:
    """Judge the states of one script; return whether both databases have all of it now."""
    try:
        rungs = script.rungs()
    except CannotReplay as error:
        yield Left(script.name, error.message)
        return False
    with made.connect(shadow, SETTINGS) as psql:
        ladder = climb(psql, rungs)
    with made.connect(production, SETTINGS) as writer:
        for done in range(len(ladder.states)):
            if done and (failed := run_rung(writer, rungs[done - 1])):
                yield Left(script.name, f"statement {done} fails in production only: {failed}")
                return False
            now = snapshot(reader, "production")
            verdict = judge(script.name, (), CUT_OFF, ladder, now)
            yield weighed(script.name, done, verdict, len(rungs))
    if ladder.error:
        why = f"statement {len(ladder.steps) + 1} of {len(rungs)} fails by itself: {ladder.error}"
        yield Left(script.name, why)
    return ladder.error is None


def _replays(made: Scratch, known: Sequence[Replay], script: Replay) -> bool:
    """Whether a script can at least be replayed, so that those after it have what it makes."""
    with fresh(made, "trial") as name, made.connect(name, SETTINGS) as psql:
        try:
            build(psql, [*known, script])
        except CannotReplay:
            return False
    return True


def _drifted(
    made: Scratch, known: Sequence[Replay], shadow: str, production: Snapshot
) -> Iterator[Left]:
    """Name what scripts leave otherwise when each is one query, which is how a shadow is built."""
    with fresh(made, "built") as name, made.connect(name, SETTINGS) as psql:
        build(psql, known)
        built = snapshot(psql, "the shadow")
    with made.connect(shadow) as psql:
        climbed = snapshot(psql, "the ladder")
    for one, label in ((production, "production"), (climbed, "the ladder")):
        for each in differences(one, built):
            yield Left("all of them", describe(each, label, "the shadow"))
