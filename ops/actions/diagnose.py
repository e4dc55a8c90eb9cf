"""`diagnose`: how far the failed migration got, and what would mend it. Changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ops.actions.changes import examined
from ops.errors import ExitCode
from ops.facts.sessions import migrating
from ops.plan import obstacles
from ops.report.describe import diagnosis_lines, session_line
from ops.report.outcome import Outcome, diagnosis_data, facts_data
from ops.run.journal import Journal, new_run_id

if TYPE_CHECKING:
    from ops.actions.target import Target


def diagnose(target: Target) -> Outcome:
    """Find out what stands, and what was seen to mend it on a copy.

    Git fetches origin's branch; nothing else changes but scratch databases of our own, which are
    gone at the end.

    Args:
        target: Where.
    """
    run_id = new_run_id(datetime.now(UTC))
    journal = Journal.begin(target.name, run_id, target.gate)
    journal.write("began", action="diagnose", environment=target.name)
    facts = target.facts(fetch=True)
    data = facts_data(facts)
    if sessions := migrating(facts):
        message = f"a migration is still running: {session_line(sessions[0])}"
        target.screen.line(message)
        return Outcome(ExitCode.BUSY, message, data)
    problems = obstacles(facts)
    target.screen.lines(f"in the way: {problem}" for problem in problems)
    found = examined(target, facts, run_id)
    target.screen.lines(diagnosis_lines(found))
    data |= diagnosis_data(found)
    if not facts.database.open_rows and not facts.pending:
        code, message = ExitCode.OK, "healthy: no migration has failed, none is pending"
    elif found.unproved or problems:
        code, message = ExitCode.REFUSED, f"not proved: {(*found.unproved, *problems)[0]}"
    elif not found.tried:
        code, message = ExitCode.REFUSED, "nothing was tried: a first deployment is `deploy`"
    else:
        code, message = ExitCode.REFUSED, "a remedy is proved: recover carries it out"
        if not facts.database.open_rows:
            message = "what is pending was tried on a copy and ends well: deploy carries it out"
    target.screen.line(message)
    journal.write("ended", exit_code=code, message=message)
    return Outcome(code, message, data)
