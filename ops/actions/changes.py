"""What all actions that change something have in common: lock, facts, plan, yes, steps, proof."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ops.errors import Busy, ExitCode, StepFailed, VerificationFailed
from ops.facts.gather import read_url
from ops.facts.past import with_past
from ops.facts.sessions import migrating
from ops.plan import Healthy, Plan, Refusal, Wait, decidable, plan_recover
from ops.proof.diagnosis import diagnose, row_counts, strayed
from ops.proof.remedy import Diagnosis
from ops.proof.verdict import by_testimony, tried
from ops.report.describe import decision_lines, row_lines, session_line
from ops.report.outcome import Outcome, facts_data, plan_data
from ops.run.execute import Run
from ops.run.journal import Journal, new_run_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ops.actions.target import Target
    from ops.facts.gather import Facts
    from ops.plan import Decision

    Decide = Callable[[Facts, Diagnosis], Decision]
    """What to do, from what is true and what was proved."""

WAIT_SECONDS: Final = 600.0
"""How long a migration that is still running is waited for."""
_POLL_SECONDS: Final = 2.0


@contextmanager
def begun(target: Target, action: str, reason: str = "") -> Iterator[Run]:
    """Begin a run of an action, with the lock held; `reason` is a person's, for the journal."""
    run = Run.begin(
        target.host,
        target.environment,
        target.name,
        action,
        target.gate,
        target.screen,
        datetime.now(UTC),
        reason,
    )
    with run:
        yield run


def preview(
    target: Target, action: str, decide: Decide, *, fetch: bool = True, look: bool = True
) -> Outcome:
    """Show what an action would do, and do nothing; the journal here records that it was asked.

    Args:
        target: Where.
        action: Its name.
        decide: What would be done.
        fetch: Whether git first asks origin.
        look: Whether copies are looked at for it.
    """
    run_id = new_run_id(datetime.now(UTC))
    journal = Journal.begin(target.name, run_id, target.gate)
    journal.write("began", action=action, environment=target.name, dry_run=True)
    facts = target.facts(fetch=fetch)
    decision = decide(facts, examined(target, facts, run_id) if look else Diagnosis())
    target.screen.lines(decision_lines(facts, decision, target.name, target.host.login))
    outcome = judged(facts, decision)
    if isinstance(decision, Plan):
        outcome = replace(outcome, message="dry run: nothing was changed")
    journal.write("ended", result="dry run", exit_code=outcome.exit_code, message=outcome.message)
    return outcome


def examined(target: Target, facts: Facts, run_id: str) -> Diagnosis:
    """Judge what failed, on copies; where other things stand in the way, by the ledger alone."""
    if not decidable(facts):
        judged_so_far = tuple(by_testimony(facts, name) for name in tried(facts))
        return Diagnosis(judged_so_far, tried=False)
    target.screen.notice("looking at copies of the database what stands and what mends it")
    source = target.environment.scratch.url
    other = None
    if source is not None:
        other = read_url(target.host, target.environment, source, target.gate)
    return diagnose(with_past(facts, target.host), target.host, run_id, other)


def settled(target: Target, facts: Facts) -> Facts:
    """Return the facts once nothing runs any more: waits for a migration that is still at work.

    Raises:
        Busy: It did not end within ten minutes.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    shown: set[int] = set()
    while sessions := migrating(facts):
        text = "; ".join(session_line(session) for session in sessions)
        if shown != {session.pid for session in sessions}:
            target.screen.notice(f"a migration is still running, waiting for it: {text}")
            shown = {session.pid for session in sessions}
        if time.monotonic() > deadline:
            raise Busy(
                f"a migration is still running after {WAIT_SECONDS:.0f} s: {text}",
                "nothing was judged or changed; look at that session, or wait and try again",
            )
        time.sleep(_POLL_SECONDS)
        facts = target.facts(fetch=False)
    return facts


def judged(facts: Facts, decision: Decision) -> Outcome:
    """Return the outcome of a decision that leads to no steps (or of a plan not carried out)."""
    data = facts_data(facts)
    match decision:
        case Plan():
            return Outcome(ExitCode.OK, f"plan: {decision.action}", {**data, **plan_data(decision)})
        case Healthy():
            return Outcome(ExitCode.OK, "healthy, nothing to do", data)
        case Wait():
            return Outcome(ExitCode.BUSY, "a migration is still running", data)
        case Refusal():
            return Outcome(
                ExitCode.REFUSED,
                f"refused: {decision.reasons[0]}",
                {**data, "reasons": list(decision.reasons)},
            )


def carry_out(target: Target, run: Run, facts: Facts, plan: Plan, *, yes: bool) -> None:
    """Ask for a yes where the inventory wants one, or danger does, then carry the plan out."""
    if (target.environment.confirm or plan.is_dangerous) and not yes:
        target.screen.confirm(target.name)
    rows = [msgspec.to_builtins(row) for row in facts.database.open_rows]
    run.journal.write("plan", **plan_data(plan), open_rows=rows)
    run.carry_out(plan.steps, rows)


def migrate(
    target: Target,
    action: str,
    decide: Decide,
    *,
    yes: bool,
    reason: str = "",
) -> Outcome:
    """The way of `recover` and `deploy`: diagnose, decide, confirm, carry out, verify."""
    with begun(target, action, reason) as run:
        facts = settled(target, target.facts(fetch=True))
        found = examined(target, facts, run.id)
        decision = decide(facts, found)
        target.screen.lines(decision_lines(facts, decision, target.name, target.host.login))
        if not isinstance(decision, Plan):
            outcome = judged(facts, decision)
            run.journal.write("decided", exit_code=outcome.exit_code, message=outcome.message)
            return outcome
        before = row_counts(facts, target.host, found)
        try:
            carry_out(target, run, facts, decision, yes=yes)
        except StepFailed as error:
            return _failed(target, run, decision, error)
        after = target.facts(fetch=False)
        verify(facts, after, strayed(after, target.host, found))
        rows = {"before": before, "after": row_counts(after, target.host, found)}
        target.screen.lines(row_lines(**rows))
        run.journal.write("rows", **rows)
        message = f"{action} done: every migration is applied"
        target.screen.line(message, "bold green")
        data = {**facts_data(after), **_run_data(run), "rows": rows}
        return Outcome(ExitCode.OK, message, data)


def verify(before: Facts, after: Facts, differences: Sequence[str] = ()) -> None:
    """Check from the ledger, and from the catalog, that what was announced is so.

    Args:
        before: The facts that the plan was made from.
        after: The facts now.
        differences: Where the catalog is not what was proved on the copy.

    Raises:
        VerificationFailed: It is not so, whatever Prisma said.
    """
    problems = []
    if after.database.fingerprint != before.database.fingerprint:
        problems.append("this is another database than before")
    if after.database.open_rows:
        names = dict.fromkeys(row.migration_name for row in after.database.open_rows)
        problems.append(f"failed in the ledger: {', '.join(names)}")
    missing = [
        script.name for script in after.main.migrations if script.name not in after.database.applied
    ]
    if missing:
        problems.append(f"not recorded as applied: {', '.join(missing)}")
    if after.git.head.commit != before.git.main.commit:
        problems.append(f"the checkout is at {after.git.head.commit[:10]}")
    problems += differences
    if problems:
        raise VerificationFailed(
            f"Prisma reported success, but: {'; '.join(problems)}",
            "the backup of this run is named above; look at the ledger before anything else",
        )


def backup_line(run: Run) -> str:
    """Return the path of the backup that this run took, or empty."""
    for result in run.results:
        for line in result.log.splitlines():
            if line.startswith("backup complete: "):
                return line.removeprefix("backup complete: ")
    return ""


def _failed(target: Target, run: Run, plan: Plan, error: StepFailed) -> Outcome:
    """After a failed step: say what stands in the ledger now, and what a person can do.

    Raises:
        StepFailed: No migration failed; it was the step itself.
    """
    if plan.steps[len(run.results)].name not in {"deploy", "resume"}:
        if backup := backup_line(run):
            target.screen.line(f"the backup of this run: {backup}")
        raise error
    target.screen.line(error.message, "red")
    after = settled(target, target.facts(fetch=False))
    if not after.database.open_rows:
        raise error
    found = examined(target, after, f"{run.id}-after")
    decision = plan_recover(after, found)
    names = dict.fromkeys(row.migration_name for row in after.database.open_rows)
    reasons = tuple(f"{name} has failed; correct it, push, and recover again" for name in names)
    if isinstance(decision, Refusal):
        reasons = decision.reasons
    elif isinstance(decision, Plan) and found.remedies:
        reasons = ("what stands now was judged, and a remedy is proved: recover once more",)
    refusal = Refusal(reasons, found.verdicts, explained=True)
    lines = decision_lines(after, refusal, target.name, target.host.login)
    target.screen.lines(line for line in lines if not line.startswith("refused"))
    if backup := backup_line(run):
        target.screen.line(f"the backup of this run: {backup}")
    run.journal.write("failed again", reasons=reasons)
    message = f"the migration failed: {reasons[0]}"
    return Outcome(ExitCode.REFUSED, message, {**facts_data(after), **_run_data(run)})


def _run_data(run: Run) -> dict[str, Any]:
    return {
        "run": run.id,
        "backup": backup_line(run) or None,
        "steps": [{"step": result.name, "seconds": result.seconds} for result in run.results],
    }
