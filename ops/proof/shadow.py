"""The shadow: a database built by replaying the migrations that the ledger says are in."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from ops.facts.frames import Unknown
from ops.facts.git import spellings
from ops.facts.psql_text import queries
from ops.proof.outside import reaches_outside
from ops.proof.statements import CannotSplit, rungs, statements
from ops.proof.testimony import may_leave_traces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ops.facts.gather import Facts
    from ops.proof.psql import Psql, SqlError
    from ops.proof.statements import Rung


class CannotReplay(Unknown):
    """A script cannot be run on a copy, so nothing can be proved from there on."""


@dataclass(frozen=True)
class Replay:
    """A migration to run on a copy.

    Args:
        name: The migration's.
        text: Its script.
    """

    name: str
    text: str

    def rungs(self) -> tuple[Rung, ...]:
        """Cut it into what commits together.

        Raises:
            CannotReplay: It cannot be cut, or reaches outside of its database.
        """
        try:
            found = rungs(statements(self.text))
        except CannotSplit as error:
            raise CannotReplay(f"{self.name}: {error.message}", error.hint) from error
        if outside := reaches_outside(self.text):
            raise CannotReplay(
                f"{self.name}: line {outside[0].line}: {outside[0].what} reaches outside of the "
                "database, so it is not tried on a copy",
                "look at what it did by hand, then use resolve",
            )
        return found


@dataclass(frozen=True)
class History:
    """What the ledger says is in, in Prisma's order.

    Args:
        replays: The migrations.
        notes: Where ledger and files differ.
    """

    replays: tuple[Replay, ...]
    notes: tuple[str, ...]


def replay_of(name: str, content: bytes) -> Replay:
    """Return a script to replay. Raises CannotReplay when it is not UTF-8, as Prisma would."""
    try:
        return Replay(name, content.decode())
    except UnicodeDecodeError as error:
        raise CannotReplay(f"{name}: the script is not UTF-8: {error.reason}") from error


def history(facts: Facts) -> History:
    """Return the migrations to build the shadow from: the versions whose checksums the ledger has.

    Raises:
        CannotReplay: A migration is in the ledger and nowhere in git.
    """
    known = _by_checksum(facts)
    on_main = {script.name: script.content for script in facts.main.migrations}
    replays = []
    notes = []
    for name in sorted(facts.database.applied, key=str.encode):
        sums = [row.checksum for row in facts.database.rows(name) if row.is_applied]
        content = next((known[checksum] for checksum in sums if checksum in known), None)
        if content is None:
            content = on_main.get(name)
            if content is None:
                raise CannotReplay(
                    f"{name} is in the ledger, but its script (sha256 {sums[0][:12]}) is not "
                    "in git",
                    "put it back into the repository, then try again",
                )
            branch = facts.environment.branch
            notes.append(
                f"{name}: the script that was applied (sha256 {sums[0][:12]}) is not in git; "
                f"replayed as {branch} has it"
            )
        replays.append(replay_of(name, content))
    return History(tuple(replays), tuple(notes))


def build(psql: Psql, replays: Sequence[Replay]) -> None:
    """Run migrations on an empty database, one after the other.

    Each goes as one query first, which is how Prisma sent it up to 7.3; one that fails so is run
    statement by statement, as later versions do. Where both fail, there is no shadow.

    Raises:
        CannotReplay: One of them cannot be run.
    """
    for replay in replays:
        replay.rungs()  # refuses what must never run here, before anything does
    at = 0
    while at < len(replays):
        # What commits on its way cannot be sent twice: not as one query first.
        whole = list(takewhile(lambda each: not _commits(each), replays[at:]))
        failed = _as_queries(psql, whole) if whole else None
        at += len(whole) if failed is None else failed
        if at < len(replays):
            _stepwise(psql, replays[at])
            at += 1


def _commits(replay: Replay) -> bool:
    return bool(may_leave_traces(replay.text.encode()))


def _as_queries(psql: Psql, replays: Sequence[Replay]) -> int | None:
    """Send scripts as one query each; return which one failed first, the others were not run."""
    psql.post("\\set ops_failed false")
    posted = []
    for replay in replays:
        psql.settle()
        text = f"{queries([replay.text])}\n\\set ops_failed :ERROR"
        posted.append(psql.post(f"\\if :ops_failed\n\\else\n{text}\n\\endif"))
    errors = [psql.answer(number).error for number in posted]
    psql.settle()
    return next((at for at, error in enumerate(errors) if error), None)


def _stepwise(psql: Psql, replay: Replay) -> None:
    if error := run_stepwise(psql, replay.rungs()):
        raise CannotReplay(
            f"{replay.name} is in the ledger, but cannot be replayed on an empty database: line "
            f"{error.line}: {error.error}",
            "the history does not lead to production's schema by itself: decide by hand",
        )


@dataclass(frozen=True)
class Stop:
    """Where a script stopped.

    Args:
        index: Of the rung, from 0.
        line: Of its first statement, in the script.
        error: What the server said.
    """

    index: int
    line: int
    error: SqlError


def run_stepwise(psql: Psql, found: Sequence[Rung]) -> Stop | None:
    """Run rungs one by one, as Prisma does since 7.4; return where it stopped, or None."""
    for index, rung in enumerate(found):
        texts = [statement.text for statement in rung.statements]
        if error := psql.run(texts):
            psql.settle()
            return Stop(index, rung.statements[0].line, error)
    psql.settle()
    return None


def _by_checksum(facts: Facts) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    for content in facts.git.contents.values():
        found.update(spellings(content))
    return found
