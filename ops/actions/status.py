"""`status`: what is true now. Changes nothing, not even git's copy of the remote branch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.errors import ExitCode
from ops.facts.sessions import migrating
from ops.obstacles import no_migrations, wrong_database
from ops.report.describe import cause_lines, status_lines
from ops.report.outcome import Outcome, facts_data

if TYPE_CHECKING:
    from ops.actions.target import Target
    from ops.facts.gather import Facts


def status(target: Target) -> Outcome:
    """Show the state of an environment; exit 0 only when it is healthy, else 3."""
    facts = target.facts(fetch=False)
    target.screen.lines(status_lines(facts))
    for row in facts.database.open_rows:
        target.screen.lines(f"           {line}" for line in cause_lines(row))
    problem = _problem(facts)
    target.screen.line(problem or "healthy", "red" if problem else "green")
    code = ExitCode.REFUSED if problem else ExitCode.OK
    return Outcome(code, problem or "healthy", facts_data(facts))


def _problem(facts: Facts) -> str:
    if facts.database.ledger is None:
        return "there is no ledger in this database and schema"
    if migrating(facts):
        return "a migration is running"
    if failed := list(dict.fromkeys(row.migration_name for row in facts.database.open_rows)):
        return f"failed: {', '.join(failed)}"
    if facts.pending:
        return f"pending: {', '.join(facts.pending)}"
    return next(iter((*wrong_database(facts), *no_migrations(facts), "")))
