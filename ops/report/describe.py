"""Facts, plans and refusals as lines of text. Pure, so that every line can be tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import humanize

from ops.plan import Healthy, Plan, Refusal, Wait, manual_values
from ops.proof.verdict import NothingApplied, Verdict
from ops.runbooks import fill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.facts.database import LedgerRow, Session
    from ops.facts.gather import Facts
    from ops.plan import Decision

_CAUSE_LINES = 12


def status_lines(facts: Facts) -> Iterator[str]:
    """Describe host, checkout, Prisma, database and ledger."""
    git, identity, machine = facts.git, facts.database.identity, facts.machine
    branch = git.branch or "detached HEAD"
    changed = f", {len(git.changed)} tracked files changed" if git.changed else ""
    yield (
        f"checkout   {facts.environment.repo}: {branch} at {git.head.commit[:10]}, "
        f"{git.behind} behind and {git.ahead} ahead of origin/{facts.environment.branch}{changed}"
    )
    prisma = facts.installed.version if facts.installed else "not installed"
    node, pg_dump = machine.node.version or "not found", machine.pg_dump.version or "not found"
    yield f"prisma     {prisma}, node {node}, pg_dump {pg_dump}"
    system = (
        f", system {facts.database.system_identifier}" if facts.database.system_identifier else ""
    )
    yield (
        f"database   {facts.url.label}, schema {facts.url.schema}: oid {identity.oid}{system}, "
        f"PostgreSQL {identity.version}, {humanize.naturalsize(identity.size, binary=True)}"
    )
    yield f"ledger     {_ledger(facts)}"
    for row in facts.database.open_rows:
        yield f"failed     {row.migration_name}, started {_moment(row)}"
    for session in facts.database.sessions:
        if session.holds_lock or session.waits_for_lock:
            yield f"running    {session_line(session)}"
    if facts.last_backup:
        size = humanize.naturalsize(facts.last_backup.size, binary=True)
        yield f"backup     {facts.last_backup.file}, {facts.last_backup.finished_at}, {size}"
    else:
        yield f"backup     none in {facts.environment.backups}"
    if facts.pending:
        yield f"pending    {', '.join(facts.pending)}"


def _ledger(facts: Facts) -> str:
    if facts.database.ledger is None:
        return "there is none"
    failed = len({row.migration_name for row in facts.database.open_rows})
    counts = (f"{len(facts.database.applied)} applied", f"{failed} failed")
    return ", ".join((*counts, f"{len(facts.pending)} pending"))


def session_line(session: Session) -> str:
    """Describe a session that migrates."""
    holds = "holds" if session.holds_lock else "waits for" if session.waits_for_lock else "without"
    blocked = f", blocked by {session.blocked_by}" if session.blocked_by else ""
    return (
        f"pid {session.pid} of {session.user} from {session.client}: {holds} Prisma's advisory "
        f"lock, {session.state} for {session.seconds:.0f} s{blocked}"
    )


def decision_lines(facts: Facts, decision: Decision, environment: str, login: str) -> Iterator[str]:
    """Describe a decision: the plan with its exact commands, or why there is none."""
    match decision:
        case Plan():
            yield from plan_lines(facts, decision)
        case Healthy(notes):
            yield "healthy: every migration is applied, none has failed"
            yield from (f"note: {note}" for note in notes)
        case Wait(sessions):
            yield "a migration is still running; nothing is judged meanwhile:"
            yield from (f"  {session_line(session)}" for session in sessions)
        case Refusal():
            yield from refusal_lines(facts, decision, environment, login)


def plan_lines(facts: Facts, plan: Plan) -> Iterator[str]:
    """Describe a plan: why, which database, what comes in, which commands."""
    identity = facts.database.identity
    yield f"plan: {plan.action}"
    yield (
        f"  database  {identity.database} (oid {identity.oid}) at {facts.url.host}:{facts.url.port}"
        + (
            f", system {facts.database.system_identifier}"
            if facts.database.system_identifier
            else ""
        )
    )
    for verdict in plan.verdicts:
        yield from (f"  {line}" for line in verdict_lines(verdict))
    if any(step.name == "checkout" for step in plan.steps):
        yield from _incoming(facts)
    yield from (f"  note      {note}" for note in plan.notes)
    for number, step in enumerate(plan.steps, 1):
        yield f"  {number}. {step.title}"
        yield from (f"       {command}" for command in step.commands)


def _incoming(facts: Facts) -> Iterator[str]:
    git = facts.git
    yield f"  incoming  {git.behind} commits: {git.head.commit[:10]}..{git.main.commit[:10]}"
    yield from (
        f"            {commit.short} {commit.subject} ({commit.author})"
        for commit in git.incoming[:10]
    )
    if len(git.incoming) > 10:  # noqa: PLR2004
        yield f"            and {len(git.incoming) - 10} more"
    directory = facts.main.migrations_directory + "/"
    for path in sorted({*git.head.files, *git.main.files}):
        before, after = git.head.files.get(path), git.main.files.get(path)
        if path.startswith(directory) and before != after:
            change = "new" if before is None else "gone" if after is None else "changed"
            yield f"            {change:8}{path.removeprefix(directory)}"


def verdict_lines(verdict: Verdict) -> Iterator[str]:
    """Describe a verdict with its evidence."""
    if isinstance(verdict, NothingApplied):
        yield f"{verdict.name}: nothing of it is in the database"
        yield from (f"  because {text}" for text in verdict.evidence)
    else:
        yield f"{verdict.name}: what of it is in the database cannot be told"
        yield from (f"  because {text}" for text in verdict.because)


def cause_lines(row: LedgerRow) -> Iterator[str]:
    """Show what the database said when the migration failed, from the ledger's `logs`.

    Prisma writes the error first, then the driver's and the engine's details: those are left out,
    and so is DETAIL, which quotes rows.
    """
    text = (row.logs or "").partition("\nDbError {")[0].partition("\n   0: ")[0]
    body = text.partition("Database error:")[2] or text
    lines = [line.rstrip() for line in body.splitlines() if line.strip()]
    shown = [line for line in lines if not line.startswith("DETAIL:")]
    yield from shown[:_CAUSE_LINES]
    if len(shown) < len(lines):
        yield "(DETAIL is left out: it quotes rows; it is in the ledger's logs)"


def refusal_lines(facts: Facts, refusal: Refusal, environment: str, login: str) -> Iterator[str]:
    """Describe a refusal: reasons, causes, what is not known, the manual steps."""
    yield "refused, nothing was changed:"
    yield from (f"  {reason}" for reason in refusal.reasons)
    for verdict in refusal.verdicts:
        yield ""
        yield from verdict_lines(verdict)
        for row in verdict.rows:
            yield f"  attempt of {_moment(row)}, sha256 {row.checksum[:12]}:"
            causes = list(cause_lines(row)) or ["the ledger holds no error"]
            yield from (f"    {line}" for line in causes)
    if refusal.explained:
        for verdict in refusal.verdicts:
            yield ""
            values = manual_values(facts, environment, login, verdict.name)
            yield from fill("failed-migration", values).rstrip().splitlines()


def _moment(row: LedgerRow) -> str:
    return row.started_at.strftime("%Y-%m-%d %H:%M:%S UTC") if row.started_at else "unknown time"
