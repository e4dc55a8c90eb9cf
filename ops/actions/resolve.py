"""`resolve`: the runbook's manual fix, with the evidence shown and a backup first."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ops.actions.changes import begun, carry_out, examined, judged, preview, settled
from ops.errors import ExitCode, UsageError, VerificationFailed
from ops.plan import Plan, plan_resolve
from ops.report.describe import decision_lines
from ops.report.outcome import Outcome, facts_data

if TYPE_CHECKING:
    from ops.actions.target import Target
    from ops.facts.gather import Facts
    from ops.steps.prisma import Direction


def resolve(
    target: Target,
    *,
    rolled_back: str = "",
    applied: str = "",
    because: str = "",
    yes: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Record a failed migration as rolled back, or as applied, by a person's decision.

    Args:
        target: Where.
        rolled_back: The migration of which nothing is in the database.
        applied: The migration of which every statement is in the database.
        because: Why it is right although the verdict speaks against it; for the journal.
        yes: Do not ask.
        dry_run: Show the plan and change nothing.
    """
    if bool(rolled_back) == bool(applied):
        raise UsageError(
            "resolve takes one of --rolled-back NAME and --applied NAME",
            "resolve --rolled-back 20260221053404_add_missing_models",
        )
    name = rolled_back or applied
    direction: Direction = "rolled-back" if rolled_back else "applied"
    reason = because.strip()
    decide = partial(plan_resolve, name=name, direction=direction, because=reason or None)
    if dry_run:
        return preview(target, "resolve", decide)
    with begun(target, "resolve", reason) as run:
        facts = settled(target, target.facts(fetch=False))
        decision = decide(facts, examined(target, facts, run.id))
        target.screen.lines(decision_lines(facts, decision, target.name, target.host.login))
        if not isinstance(decision, Plan):
            return judged(facts, decision)
        carry_out(target, run, facts, decision, yes=yes)
        after = target.facts(fetch=False)
        _verify(after, name, direction)
        message = f"{name} is recorded as {direction.replace('-', ' ')}"
        target.screen.line(message, "bold green")
        return Outcome(ExitCode.OK, message, {**facts_data(after), "run": run.id})


def _verify(after: Facts, name: str, direction: Direction) -> None:
    """Read the ledger again: `--rolled-back` can change nothing and still say that it did."""
    still_open = any(row.migration_name == name for row in after.database.open_rows)
    if still_open or (direction == "applied" and name not in after.database.applied):
        raise VerificationFailed(
            f"Prisma reported success, but the ledger does not say {direction} for {name}",
            "look at the rows of _prisma_migrations with that name",
        )
