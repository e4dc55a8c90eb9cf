"""`deploy`: the normal path, backup first and verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.actions.changes import migrate, preview
from ops.plan import plan_deploy

if TYPE_CHECKING:
    from ops.actions.target import Target
    from ops.report.outcome import Outcome


def deploy(target: Target, *, yes: bool = False, dry_run: bool = False) -> Outcome:
    """Check out origin's branch and run its pending migrations.

    Args:
        target: Where.
        yes: Do not ask.
        dry_run: Show the plan and change nothing.
    """
    if dry_run:
        return preview(target, "deploy", plan_deploy)
    return migrate(target, "deploy", plan_deploy, yes=yes)
