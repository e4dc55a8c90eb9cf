"""Facts, plans and refusals as lines of text. Pure, so that every line can be tested."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import humanize

from ops.facts.sessions import migrating
from ops.plan import Healthy, Plan, Refusal, Wait, manual_values
from ops.proof.verdict import (
    Conflicting,
    FullyApplied,
    NothingApplied,
    PartlyApplied,
    Undecidable,
    Undetermined,
)
from ops.report.text import counted
from ops.runbooks import fill

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ops.facts.database import LedgerRow, Session
    from ops.facts.gather import Facts
    from ops.plan import Decision
    from ops.proof.impact import Impact
    from ops.proof.remedy import Diagnosis, Remedy
    from ops.proof.statements import Rung
    from ops.proof.verdict import Verdict

_STATEMENT: Final = 60
"""Characters of a statement that are shown."""
_CAUSE_LINES: Final = 12
_COMMITS: Final = 10
_IMPACTS: Final = 8
_HINT: Final = re.compile(
    r"""DbError \{.*?, detail: Some\("(?:[^"\\]|\\.)*"\), hint: Some\("((?:[^"\\]|\\.)*)"\)""",
    re.DOTALL,
)
_QUOTES_ROWS: Final = re.compile(r"^\s*DETAIL:|\bdetail: |Failing row contains|\bKey \(")


def status_lines(facts: Facts) -> Iterator[str]:
    """Describe host, checkout, Prisma, database and ledger."""
    git, identity, machine = facts.git, facts.database.identity, facts.machine
    branch = git.branch or "detached HEAD"
    yield (
        f"checkout   {facts.environment.repo}: {branch} at {git.head.commit[:10]}, "
        f"{git.behind} behind and {git.ahead} ahead of origin/{facts.environment.branch}"
    )
    if git.changed:
        yield f"changed    {counted(len(git.changed), 'tracked file')}: {', '.join(git.changed)}"
    prisma = facts.installed.version if facts.installed else "not installed"
    node, pg_dump = machine.node.version or "not found", machine.pg_dump.version or "not found"
    yield f"prisma     {prisma}, node {node}, pg_dump {pg_dump}"
    yield (
        f"database   {facts.url.label}, schema {facts.url.schema}: oid {identity.oid}"
        f"{_system(facts)}, "
        f"PostgreSQL {identity.version}, {humanize.naturalsize(identity.size, binary=True)}"
    )
    yield f"ledger     {_ledger(facts)}"
    for row in facts.database.open_rows:
        yield f"failed     {row.migration_name}, started {_moment(row)}"
    for session in migrating(facts):
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
    # What another role does may be hidden from ours.
    user, state = session.user or "an unknown role", session.state or "in an unknown state"
    return (
        f"pid {session.pid} of {user} from {session.client}: {holds} Prisma's advisory lock, "
        f"{state} for {session.seconds:.0f} s{blocked}"
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
        f"{_system(facts)}"
    )
    for verdict in plan.verdicts:
        yield from (f"  {line}" for line in verdict_lines(verdict))
    yield from (f"  proved    {text}" for text in plan.proof)
    yield from (f"  {line}" for line in impact_lines(plan.impacts))
    if any(step.name == "checkout" for step in plan.steps):
        yield from _incoming(facts)
    yield from (f"  note      {note}" for note in plan.notes)
    for number, step in enumerate(plan.steps, 1):
        yield f"  {number}. {step.title}"
        yield from (f"       {command}" for command in step.commands)


def diagnosis_lines(found: Diagnosis) -> Iterator[str]:
    """Describe what was found out about the failed migrations, and what would mend them."""
    for verdict in found.verdicts:
        yield from verdict_lines(verdict)
        for row in verdict.rows:
            yield f"  attempt of {_moment(row)}, sha256 {row.checksum[:12]}:"
            causes = list(cause_lines(row)) or ["the ledger holds no error"]
            yield from (f"    {line}" for line in causes)
    for remedy in found.remedies:
        yield f"remedy: {remedy_line(remedy)}"
    yield from (f"  proved: {text}" for text in found.proof)
    yield from impact_lines(found.impacts)
    yield from (f"no remedy is proved: {text}" for text in found.unproved)
    yield from (f"note: {text}" for text in found.notes)


def impact_lines(impacts: Sequence[Impact]) -> Iterator[str]:
    """Say what statements keep others out of which tables; the dangerous and the largest first."""
    groups: dict[tuple[str, str, bool], list[Impact]] = {}
    for impact in sorted(impacts, key=lambda each: (not each.is_dangerous, -each.rows)):
        groups.setdefault((impact.table, impact.lock, impact.rewrites), []).append(impact)
    for (table, lock, rewrites), found in list(groups.items())[:_IMPACTS]:
        first = found[0]
        yield (
            f"{'DANGEROUS' if first.is_dangerous else 'impact   '} "
            f"{'rewrites' if rewrites else 'locks'} {table} (about "
            f"{humanize.intcomma(first.rows)} rows) under {lock}: {first.tag} in line {first.line}"
            f"{f' and {len(found) - 1} more' if len(found) > 1 else ''}, {first.migration}"
        )
    if len(groups) > _IMPACTS:
        yield f"          and {len(groups) - _IMPACTS} more on smaller tables"


def row_lines(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    """Say how many rows the tables in question had and have. Others write meanwhile.

    A table that is new and empty is what a migration makes: nothing to say.
    """
    for table in sorted({*before, *(table for table, count in after.items() if count)}):
        was, now = (
            humanize.intcomma(counts[table]) if table in counts else "no table"
            for counts in (before, after)
        )
        yield f"rows of {table}: {was} before, {now} after"


def remedy_line(remedy: Remedy) -> str:
    """Say what a remedy does, in one line."""
    dropped = f"drop the INVALID {', '.join(remedy.drop)}, then " if remedy.drop else ""
    match remedy.kind:
        case "mark applied":
            return f"record {remedy.name} as applied; nothing of it has to be run"
        case "rerun":
            return f"{dropped}record {remedy.name} as rolled back, and deploy it again"
        case "resume":
            return (
                f"{dropped}run statements {remedy.done + 1} to {len(remedy.rungs)} of "
                f"{remedy.name}, then record it as applied"
            )


def _incoming(facts: Facts) -> Iterator[str]:
    git = facts.git
    commits = counted(git.behind, "commit")
    yield f"  incoming  {commits}: {git.head.commit[:10]}..{git.main.commit[:10]}"
    yield from (
        f"            {commit.short} {commit.subject} ({commit.author})"
        for commit in git.incoming[:_COMMITS]
    )
    if git.behind > _COMMITS:
        yield f"            and {git.behind - _COMMITS} more"
    directory = facts.main.migrations_directory + "/"
    for path in sorted({*git.head.files, *git.main.files}):
        before, after = git.head.files.get(path), git.main.files.get(path)
        if path.startswith(directory) and before != after:
            change = "new" if before is None else "gone" if after is None else "changed"
            yield f"            {change:8}{path.removeprefix(directory)}"


def verdict_lines(verdict: Verdict) -> Iterator[str]:
    """Describe a verdict with its evidence."""
    yield f"{verdict.name}: {_finding(verdict)}"
    match verdict:
        case PartlyApplied(done=done, rungs=rungs):
            yield f"  in       {_span(rungs[:done])}"
            yield f"  not in   {_span(rungs[done:])}"
        case Undecidable():
            for rung in verdict.between:
                yield f"  in or not: line {rung.line}: {_shortened(rung)}"
        case Conflicting(differences=differences):
            yield from (f"  {each}" for each in differences)
        case _:
            pass
    for index in getattr(verdict, "invalid", ()):
        yield f"  INVALID  index {index}: it was left unfinished"
    yield from (f"  because {text}" for text in verdict.evidence)


def _finding(verdict: Verdict) -> str:
    match verdict:
        case NothingApplied():
            found = "nothing of it is in the database"
        case FullyApplied():
            found = "all of it is in the database"
        case PartlyApplied(done=done, rungs=rungs):
            found = f"{done} of its {counted(len(rungs), 'statement')} are in the database"
        case Undecidable(candidates=candidates, rungs=rungs):
            counts = " or ".join(map(str, candidates))
            found = f"{counts} of its {counted(len(rungs), 'statement')} are in the database"
        case Conflicting(left_nothing=True):
            found = "nothing of it is in the database, but others made what it makes or needs"
        case Conflicting():
            found = "the database is not as any number of its statements would leave it"
        case Undetermined():
            found = "what of it is in the database cannot be told"
    return found


def _span(rungs: Sequence[Rung]) -> str:
    first, last = rungs[0], rungs[-1]
    if len(rungs) == 1:
        return f"line {first.line}: {_shortened(first)}"
    return f"line {first.line}: {_shortened(first)} ... line {last.line}: {_shortened(last)}"


def _shortened(rung: Rung) -> str:
    text = " ".join(" ".join(statement.text for statement in rung.statements).split())
    return text if len(text) <= _STATEMENT else text[: _STATEMENT - 3] + "..."


def cause_lines(row: LedgerRow) -> Iterator[str]:
    """Show what the database said when the migration failed, from the ledger's `logs`.

    DETAIL quotes rows. It may go over many lines, and a value in it may look like any other line:
    so nothing after its first word is shown, but for the hint, which Prisma repeats in a form
    that can be read without doubt. What follows the error is the driver's and the engine's own.
    """
    logs = row.logs or ""
    text = logs.partition("\nDbError {")[0].partition("\n   0: ")[0]
    body = text.partition("Database error:")[2] or text
    shown = []
    for line in filter(None, map(str.rstrip, body.splitlines())):
        if _QUOTES_ROWS.search(line):
            if hint := _HINT.search(logs):
                shown.append("HINT: " + hint.group(1).replace('\\"', '"').replace("\\'", "'"))
            shown.append("(DETAIL is left out: it quotes rows; it is in the ledger's logs)")
            break
        shown.append(line)
    yield from shown if len(shown) <= _CAUSE_LINES else (*shown[:_CAUSE_LINES], "...")


def _system(facts: Facts) -> str:
    identifier = facts.database.system_identifier
    return f", system {identifier}" if identifier else ""


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
