"""`backup`: a dump that is proved whole before it gets its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.actions.changes import backup_line, begun, judged, preview
from ops.errors import ExitCode
from ops.plan import Plan, plan_backup
from ops.report.describe import decision_lines
from ops.report.outcome import Outcome, facts_data

if TYPE_CHECKING:
    from ops.actions.target import Target


def backup(target: Target, *, dry_run: bool = False) -> Outcome:
    """Take a backup with the host's own pg_dump, into the inventory's directory.

    Args:
        target: Where.
        dry_run: Show the command and change nothing.
    """
    if dry_run:
        return preview(
            target,
            "backup",
            lambda facts, _: plan_backup(facts, "asked for"),
            fetch=False,
            look=False,
        )
    with begun(target, "backup") as run:
        facts = target.facts(fetch=False)
        decision = plan_backup(facts, "asked for")
        if not isinstance(decision, Plan):
            target.screen.lines(decision_lines(facts, decision, target.name, target.host.login))
            return judged(facts, decision)
        run.carry_out(decision.steps, [])
        file = backup_line(run)
        return Outcome(
            ExitCode.OK, f"backup: {file}", {**facts_data(facts), "run": run.id, "backup": file}
        )
