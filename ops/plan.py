"""What to do: facts and verdict in, plan out. Pure: no I/O, so that every rule is a table test."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ops.facts.git import spellings
from ops.facts.sessions import migrating
from ops.obstacles import (
    no_backup,
    no_migrations,
    no_prisma,
    no_writing,
    obstacles,
    wrong_database,
    wrong_url,
)
from ops.proof.verdict import Verdict, contradiction
from ops.steps.backup import backup
from ops.steps.checkout import checkout, install, needs_install
from ops.steps.prisma import Direction, deploy, deploy_command, resolve, resolve_command
from ops.steps.statements import Piece, run_statements

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ops.facts.database import Session
    from ops.facts.gather import Facts
    from ops.proof.impact import Impact
    from ops.proof.remedy import Diagnosis, Remedy
    from ops.steps.base import Step

__all__ = [
    "MOST_ATTEMPTS",
    "Decision",
    "Healthy",
    "Plan",
    "Refusal",
    "Wait",
    "decidable",
    "manual_values",
    "obstacles",
    "plan_backup",
    "plan_deploy",
    "plan_recover",
    "plan_resolve",
]

MOST_ATTEMPTS: Final = 2
"""How often the same script is run automatically, counted by its rows in the ledger, so that
restarts and other machines count too."""


@dataclass(frozen=True)
class Plan:
    """Steps that will bring the database to where it should be.

    Args:
        action: `recover`, `deploy`, `resolve` or `backup`.
        steps: In this order; the first that fails ends the run.
        verdicts: What stands of the failed migrations.
        notes: What else a person should know before saying yes.
        proof: How it was proved on a copy that these steps end well.
        impacts: What the statements lock and rewrite.
    """

    action: str
    steps: tuple[Step, ...]
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    proof: tuple[str, ...] = ()
    impacts: tuple[Impact, ...] = ()

    @property
    def is_dangerous(self) -> bool:
        """Whether a statement keeps others out of a large table for long."""
        return any(impact.is_dangerous for impact in self.impacts)


@dataclass(frozen=True)
class Healthy:
    """There is nothing to do."""

    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wait:
    """A migration is still at work: nothing can be judged meanwhile."""

    sessions: tuple[Session, ...]


@dataclass(frozen=True)
class Refusal:
    """Nothing will be done, because a person must look.

    Args:
        reasons: Each with what to do about it, in one line.
        verdicts: What is known of the failed migrations.
        explained: Whether the manual procedure for a failed migration is to be shown.
    """

    reasons: tuple[str, ...]
    verdicts: tuple[Verdict, ...] = ()
    explained: bool = False


Decision = Plan | Healthy | Wait | Refusal


def decidable(facts: Facts) -> bool:
    """Whether it is worth a look at copies: something is to run, and nothing stands in the way."""
    return not (
        migrating(facts)
        or _nothing_to_run(facts)
        or any(_never_deployed(facts))
        or obstacles(facts)
    )


def plan_recover(facts: Facts, found: Diagnosis, because: str | None = None) -> Decision:
    """Decide how to recover.

    Args:
        facts: What is true now, with origin's branch fetched.
        found: The verdicts, and what was proved on a copy.
        because: A person's reason for running scripts again of which that is not proved, or for
            one attempt more than two.
    """
    if sessions := migrating(facts):
        return Wait(sessions)
    if _nothing_to_run(facts):
        return Healthy(tuple(_notes(facts)))
    if problems := (*_never_deployed(facts), *obstacles(facts)):
        return Refusal(problems, found.verdicts)
    if because is None and found.unproved:
        return Refusal(found.unproved, found.verdicts, explained=bool(found.verdicts))
    if because is None and (used := tuple(_used_up(facts, found))):
        return Refusal(used, found.verdicts, explained=True)
    return _planned("recover", facts, found)


def plan_deploy(facts: Facts, found: Diagnosis) -> Decision:
    """Decide how to deploy what is on origin's branch. A failed migration is not passed over."""
    if sessions := migrating(facts):
        return Wait(sessions)
    if facts.database.open_rows:
        names = ", ".join(dict.fromkeys(row.migration_name for row in facts.database.open_rows))
        return Refusal((f"a migration has failed before: {names}: use recover",), found.verdicts)
    if not facts.git.behind and _nothing_to_run(facts):
        return Healthy(tuple(_notes(facts)))
    if problems := (*obstacles(facts), *_used_up(facts, found)):
        return Refusal(problems, found.verdicts)
    if found.unproved and found.tried:
        return Refusal(found.unproved, found.verdicts)
    return _planned("deploy", facts, found)


def _planned(action: str, facts: Facts, found: Diagnosis) -> Plan:
    steps = tuple(_recovery(facts, found))
    notes = (*_notes(facts), *found.notes)
    if found.unproved:
        notes = (*notes, *(f"NOT PROVED: {reason}" for reason in found.unproved))
    return Plan(action, steps, found.verdicts, notes, found.proof, found.impacts)


def plan_backup(facts: Facts, why: str) -> Decision:
    """Decide how to take a backup: nothing but the tools and the room is needed."""
    if problems := tuple(no_backup(facts)):
        return Refusal(problems)
    return Plan("backup", (backup(facts, why),))


def plan_resolve(
    facts: Facts, found: Diagnosis, name: str, direction: Direction, because: str | None = None
) -> Decision:
    """Decide how to record a migration by hand, as the runbook's last resort.

    Prisma's own refusals are foreseen here (P3008, P3011, P3012, P3017), so that nothing runs
    that would only fail; and where it would change nothing and say that it did, that is said.

    Args:
        facts: What is true now.
        found: The verdicts.
        name: The migration.
        direction: What the ledger shall say.
        because: A person's reason for saying the contrary of the verdict.
    """
    if sessions := migrating(facts):
        return Wait(sessions)
    verdicts = tuple(verdict for verdict in found.verdicts if verdict.name == name)
    refusals = (
        *_refused_resolve(facts, name, direction),
        *no_writing(facts),
        *no_prisma(facts),
        *wrong_url(facts, facts.head),
        *no_backup(facts),
    )
    if refusals:
        return Refusal(refusals, found.verdicts)
    texts = [contradiction(verdict, direction) for verdict in verdicts]
    if direction == "applied" and verdicts:
        texts.append(_another_script(facts, name))
    against = tuple(
        f'{name}: {text}; if you know better: --because "..."' for text in texts if text
    )
    if against and because is None:
        return Refusal(against, verdicts)
    open_rows = [row.id for row in facts.database.open_rows]
    steps = (
        backup(facts, f"before resolve --{direction} {name}"),
        resolve(facts, name, direction, open_rows, facts.git.head.commit, found.digest),
    )
    return Plan("resolve", steps, verdicts)


def _another_script(facts: Facts, name: str) -> str:
    """Say that the checkout has another script than was attempted: Prisma would record that one."""
    script = facts.head.script(name)
    sums = spellings(script.content) if script and script.content is not None else {}
    if facts.database.rows(name)[-1].checksum in sums:
        return ""
    return "the checkout's script is not the one that was attempted, and would be recorded"


def manual_values(facts: Facts, environment: str, login: str, name: str) -> dict[str, str]:
    """Return what the runbook for a failed migration is filled in with."""
    return {
        "environment": environment,
        "name": name,
        # Always in quotes: a name may hold spaces, and the reader will type another one here.
        "quoted_name": "'" + name.replace("'", "'\"'\"'") + "'",
        "login": login,
        "directory": shlex.quote(facts.directory),
        "show": _show_command(facts, name),
        "rolled_back": resolve_command(facts, name, "rolled-back"),
        "applied": resolve_command(facts, name, "applied"),
        "deploy": deploy_command(facts),
    }


def _show_command(facts: Facts, name: str) -> str:
    """Return the command that shows a script: as on main, else as checked out, else as it was."""
    path = f"{facts.main.migrations_directory}/{name}/migration.sql"
    for app, tree in ((facts.main, facts.git.main), (facts.head, facts.git.head)):
        if app.script(name):
            at = f"{tree.commit[:10]}:{app.migrations_directory}/{name}/migration.sql"
            return f"git show {shlex.quote(at)}"
    return f"git log --all -p -- {shlex.quote(':/' + path)}"


def _recovery(facts: Facts, found: Diagnosis) -> Iterator[Step]:
    """Backup, checkout, packages, then what was proved: statements, the ledger, the deploy.

    The first step that changes the database looks whether the catalog is still the one judged.
    """
    names = list(dict.fromkeys(row.migration_name for row in facts.database.open_rows))
    yield backup(facts, f"before recovering {', '.join(names)}" if names else "before a deploy")
    if facts.git.head.commit != facts.git.main.commit or facts.git.branch != (
        facts.environment.branch
    ):
        yield checkout(facts)
    if reason := needs_install(facts):
        yield install(facts, reason)
    yield from _changes(facts, found, names)


def _changes(facts: Facts, found: Diagnosis, names: Sequence[str]) -> Iterator[Step]:
    still_open = {row.id: row.migration_name for row in facts.database.open_rows}
    remedies = {remedy.name: remedy for remedy in found.remedies}
    digest = found.digest
    for remedy in found.remedies:
        if pieces := _pieces(remedy):
            kind = "resume" if remedy.kind == "resume" else "drop-invalid"
            yield run_statements(facts, kind, _title(remedy), pieces, still_open, digest)
            digest = ""
    ended = []
    for name in dict.fromkeys((*names, *remedies)):
        is_in = name in remedies and remedies[name].kind != "rerun"
        ended += [name] if is_in else []
        if is_in or name in names:
            direction: Direction = "applied" if is_in else "rolled-back"
            yield resolve(facts, name, direction, still_open, facts.git.main.commit, digest)
            digest = ""
        still_open = {row: other for row, other in still_open.items() if other != name}
    to_run = [name for name in _to_run(facts) if name not in ended]
    if to_run or not ended:
        yield deploy(facts, to_run, digest)


def _pieces(remedy: Remedy) -> list[Piece]:
    """Return the statements that we run ourselves."""
    dropped = [f"DROP INDEX CONCURRENTLY {index}" for index in remedy.drop]
    pieces = [Piece("INVALID index", (text,)) for text in dropped]
    if remedy.kind == "resume":
        count = len(remedy.rungs)
        for number, rung in enumerate(remedy.rest, remedy.done + 1):
            tags = ", ".join(dict.fromkeys(statement.tag for statement in rung.statements))
            label = f"statement {number} of {count}, line {rung.line}: {tags}"
            pieces.append(Piece(label, tuple(statement.text for statement in rung.statements)))
    return pieces


def _title(remedy: Remedy) -> str:
    if remedy.kind != "resume":
        return f"drop the INVALID indexes that {remedy.name} left"
    return (
        f"run the rest of {remedy.name}: statements {remedy.done + 1} to {len(remedy.rungs)} "
        f"of {len(remedy.rungs)}"
    )


def _to_run(facts: Facts) -> list[str]:
    """What deploy will run once the failed migrations are recorded as rolled back."""
    kept = {row.migration_name for row in facts.database.ledger or [] if row.is_applied}
    return [script.name for script in facts.main.migrations if script.name not in kept]


def _nothing_to_run(facts: Facts) -> bool:
    """Nothing failed or pending, and that can be told: the migrations and the ledger are there."""
    return not (
        facts.database.open_rows
        or facts.pending
        or any(wrong_database(facts))
        or any(no_migrations(facts))
    )


def _never_deployed(facts: Facts) -> Iterator[str]:
    """A recovery never begins a history: an empty database is a new one, or the wrong one."""
    if not facts.database.ledger and not facts.database.identity.tables:
        yield (
            f"{facts.url.label} is empty, there is nothing to recover: is this the right database? "
            "a first deployment is `deploy`"
        )


def _notes(facts: Facts) -> Iterator[str]:
    if not facts.database.ledger and facts.pending:
        yield f"the database is empty: all {len(facts.pending)} migrations will run"
    for name in facts.pending:
        if rows := facts.database.rows(name):
            yield f"{name} was tried before and recorded as rolled back ({len(rows)} times)"
    yield from _ledger_against_files(facts)
    if facts.git.behind and not facts.pending and not facts.database.open_rows:
        yield f"the checkout is {facts.git.behind} commits behind, without new migrations"


def _ledger_against_files(facts: Facts) -> Iterator[str]:
    """Say where the ledger and the migrations on origin's branch do not tell the same."""
    branch, applied = facts.environment.branch, facts.database.applied
    on_main = {script.name for script in facts.main.migrations}
    for row in facts.database.open_rows:
        if row.migration_name not in on_main:
            yield f"{row.migration_name} is not on {branch}: it will not run again"
    newest = max(applied & on_main, default="", key=str.encode)
    for name in facts.pending:
        if name.encode() < newest.encode():
            yield f"{name} comes before {newest}, which is applied: it will run after it"
    for name in sorted(applied):
        if (count := sum(row.is_applied for row in facts.database.rows(name))) > 1:
            yield f"{name} is recorded as applied {count} times"
    if gone := sorted(applied - on_main):
        yield f"in the ledger, not on {branch}: {', '.join(gone)}"
    for script in facts.main.migrations:
        if script.content is not None and (edited := _edited(facts, script.name, script.content)):
            yield edited


def _edited(facts: Facts, name: str, content: bytes) -> str:
    """Say when a script was changed after it was applied. Prisma does not run it again."""
    checksums = spellings(content)
    rows = [row for row in facts.database.rows(name) if row.is_applied]
    if rows and not any(row.checksum in checksums for row in rows):
        return f"{name} was edited after it was applied: the change is not in the database"
    return ""


def _used_up(facts: Facts, found: Diagnosis) -> Iterator[str]:
    """Scripts that were tried as often as they may be, as they stand on origin's branch.

    Those too whose rows are all rolled back: that is what a restart loop leaves. Those not of
    which the rest is run, or nothing: that is no attempt at the script.
    """
    ended = {remedy.name for remedy in found.remedies if remedy.kind != "rerun"}
    will_run = set(_to_run(facts)) - ended
    for script in facts.main.migrations:
        if script.content is None or script.name not in will_run:
            continue
        attempts = facts.database.attempts(script.name, script.content)
        if attempts >= MOST_ATTEMPTS:
            yield (
                f"{script.name}: this same script has failed {attempts} times; correct it on "
                f"{facts.environment.branch} and push, or recover --rerun --because"
            )


def _refused_resolve(facts: Facts, name: str, direction: Direction) -> Iterator[str]:
    rows = facts.database.rows(name)
    known = ", ".join(dict.fromkeys(row.migration_name for row in facts.database.open_rows))
    failed = f"; failed: {known}" if known else "; none has failed"
    if facts.database.ledger is None:
        yield f"{facts.url.label} has no ledger: is this the right database?"
    elif not rows:
        yield f"the ledger has no migration {name!r} (P3011): give the whole name{failed}"
    elif direction == "applied" and any(row.is_applied for row in rows):
        yield f"{name} is recorded as applied already (P3008){failed}"
    elif not any(row.is_open for row in rows):
        state = "applied" if any(row.is_applied for row in rows) else "rolled back"
        yield f"{name} is not in a failed state (P3012): it is recorded as {state}{failed}"
    if direction == "applied" and not any(
        script.name == name and script.content is not None for script in facts.head.migrations
    ):
        yield f"{name} is not in the checkout (P3017): check out the branch that has it"
