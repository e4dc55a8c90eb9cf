"""`recover`: from a failed migration back to health, or to a person who knows what stands."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ops.actions.changes import migrate, preview
from ops.errors import UsageError
from ops.plan import plan_recover

if TYPE_CHECKING:
    from ops.actions.target import Target
    from ops.report.outcome import Outcome


def recover(
    target: Target,
    *,
    yes: bool = False,
    dry_run: bool = False,
    rerun: bool = False,
    because: str = "",
) -> Outcome:
    """Recover an environment.

    Facts and verdict first, then a remedy that was just seen to work on a copy; the plan, a yes,
    and: backup, checkout, what the remedy needs, `migrate resolve`, `migrate deploy`, and a look
    at ledger and catalog.

    Args:
        target: Where.
        yes: Do not ask.
        dry_run: Show the plan and change nothing.
        rerun: Run a failed script again although it is not proved that nothing of it is in.
        because: Why, for the journal. Goes with `rerun`.
    """
    if rerun != bool(because.strip()):
        raise UsageError(
            "--rerun and --because go together",
            'recover --rerun --because "the table it creates is not there, I looked"',
        )
    decide = partial(plan_recover, because=because.strip() or None)
    if dry_run:
        return preview(target, "recover", decide)
    return migrate(target, "recover", decide, yes=yes, reason=because.strip())
