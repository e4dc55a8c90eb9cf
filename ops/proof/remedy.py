"""What may mend a failed migration, and what was proved of it on a copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ops.facts.catalog import Key, Snapshot
    from ops.proof.impact import Impact
    from ops.proof.statements import Rung
    from ops.proof.verdict import Verdict

Kind = Literal["mark applied", "rerun", "resume"]


@dataclass(frozen=True)
class Remedy:
    """One way to mend one migration.

    Args:
        kind: `mark applied`: record it, run nothing. `rerun`: record it as rolled back, and let
            deploy run what main has. `resume`: run the rest of the script as it was attempted,
            then record it as applied.
        name: The migration.
        rungs: All rungs of the script as it was attempted; only with `resume`.
        done: How many of them are not run again.
        drop: INVALID indexes that are dropped first.
        twice: The rungs among them that may be in already, and were proved to be repeatable.
    """

    kind: Kind
    name: str
    rungs: tuple[Rung, ...] = ()
    done: int = 0
    drop: tuple[str, ...] = ()
    twice: tuple[Rung, ...] = ()

    @property
    def rest(self) -> tuple[Rung, ...]:
        """The rungs that `resume` runs."""
        return self.rungs[self.done :]


@dataclass(frozen=True)
class Diagnosis:
    """What was found out about the failed migrations, and what was proved.

    Args:
        verdicts: One for each migration that was tried and is not in.
        remedies: One for each of them, proved together on one copy; empty when nothing is proved.
        unproved: Why nothing is proved.
        notes: What a person should know: drift, files that differ from the ledger.
        target: The catalog to arrive at; None where it is not known.
        touched: The objects that are compared with it.
        digest: Of production's catalog, as it was judged; empty where it was not read.
        impacts: What the pending statements lock and rewrite.
        proof: How the remedies were proved.
        tried: Whether anything could be tried on a copy at all.
    """

    verdicts: tuple[Verdict, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    unproved: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    target: Snapshot | None = None
    touched: frozenset[Key] = frozenset()
    digest: str = ""
    impacts: tuple[Impact, ...] = ()
    proof: tuple[str, ...] = ()
    tried: bool = True

    @property
    def proved(self) -> bool:
        """Whether what is to be done has been done on a copy and ended in the target."""
        return not self.unproved
