"""What to do: facts and verdict in, plan out. Pure: no I/O, so that every rule is a table test."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ops.facts.app import parse_version, untracked_migrations
from ops.facts.gather import locked_version
from ops.facts.git import sha256
from ops.facts.sessions import migrating
from ops.proof.verdict import Undetermined, Verdict, verdicts
from ops.steps.backup import RESERVE, backup
from ops.steps.checkout import changed_lock_files, checkout, install, needs_install
from ops.steps.prisma import Direction, deploy, deploy_command, resolve, resolve_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.facts.database import Session
    from ops.facts.gather import Facts
    from ops.steps.base import Step

MOST_ATTEMPTS: Final = 2
"""How often the same script is run automatically, counted by its rows in the ledger, so that
restarts and other machines count too."""


@dataclass(frozen=True)
class Plan:
    """Steps that will bring the database to where it should be.

    Args:
        action: `recover`, `deploy`, `resolve` or `backup`.
        steps: In this order; the first that fails ends the run.
        verdicts: Why the failed migrations may be run again.
        notes: What else a person should know before saying yes.
    """

    action: str
    steps: tuple[Step, ...]
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()


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


def plan_recover(facts: Facts, because: str | None = None) -> Decision:
    """Decide how to recover.

    Args:
        facts: What is true now, with origin's branch fetched.
        because: A person's reason for running undetermined scripts again, or for one attempt
            more than two.
    """
    if sessions := migrating(facts):
        return Wait(sessions)
    if not facts.database.open_rows and not facts.pending and not list(_wrong_database(facts)):
        return Healthy(tuple(_notes(facts)))
    if problems := obstacles(facts):
        return Refusal(problems, verdicts(facts))
    found = verdicts(facts)
    doubtful = tuple(verdict for verdict in found if isinstance(verdict, Undetermined))
    if doubtful and because is None:
        return Refusal(tuple(_doubts(doubtful)), found, explained=True)
    if because is None and (used := tuple(_used_up(facts))):
        return Refusal(used, found, explained=True)
    return Plan("recover", tuple(_recovery(facts)), found, tuple(_notes(facts)))


def plan_deploy(facts: Facts) -> Decision:
    """Decide how to deploy what is on origin's branch. A failed migration is not passed over."""
    if sessions := migrating(facts):
        return Wait(sessions)
    if facts.database.open_rows:
        names = ", ".join(dict.fromkeys(row.migration_name for row in facts.database.open_rows))
        return Refusal((f"a migration has failed before: {names}: use recover",), verdicts(facts))
    if not facts.pending and not facts.git.behind and not list(_wrong_database(facts)):
        return Healthy(tuple(_notes(facts)))
    if problems := obstacles(facts):
        return Refusal(problems)
    return Plan("deploy", tuple(_recovery(facts)), (), tuple(_notes(facts)))


def plan_backup(facts: Facts, why: str) -> Decision:
    """Decide how to take a backup: nothing but the tools and the room is needed."""
    if problems := tuple(_no_backup(facts)):
        return Refusal(problems)
    return Plan("backup", (backup(facts, why),))


def plan_resolve(facts: Facts, name: str, direction: Direction) -> Decision:
    """Decide how to record a migration by hand, as the runbook's last resort.

    Prisma's own refusals are foreseen here (P3008, P3011, P3012, P3017), so that nothing runs
    that would only fail; and where it would change nothing and say that it did, that is said.
    """
    if sessions := migrating(facts):
        return Wait(sessions)
    refusals = (*_refused_resolve(facts, name, direction), *_no_prisma(facts), *_no_backup(facts))
    if refusals:
        return Refusal(refusals, verdicts(facts))
    open_rows = [row.id for row in facts.database.open_rows]
    steps = (
        backup(facts, f"before resolve --{direction} {name}"),
        resolve(facts, name, direction, open_rows),
    )
    found = tuple(verdict for verdict in verdicts(facts) if verdict.name == name)
    return Plan("resolve", steps, found)


def manual_values(facts: Facts, environment: str, login: str, name: str) -> dict[str, str]:
    """Return what the runbook for a failed migration is filled in with."""
    return {
        "environment": environment,
        "name": name,
        "login": login,
        "directory": facts.directory,
        "commit": facts.git.main.commit[:10],
        "path": shlex.quote(f"{facts.main.migrations_directory}/{name}/migration.sql"),
        "rolled_back": resolve_command(facts, name, "rolled-back"),
        "applied": resolve_command(facts, name, "applied"),
        "deploy": deploy_command(facts),
    }


def _recovery(facts: Facts) -> Iterator[Step]:
    """Backup, checkout, packages, one `resolve --rolled-back` per failed migration, deploy."""
    names = list(dict.fromkeys(row.migration_name for row in facts.database.open_rows))
    yield backup(facts, f"before recovering {', '.join(names)}" if names else "before a deploy")
    if facts.git.head.commit != facts.git.main.commit or facts.git.branch != (
        facts.environment.branch
    ):
        yield checkout(facts)
    if reason := needs_install(facts):
        yield install(facts, reason)
    still_open = {row.id: row.migration_name for row in facts.database.open_rows}
    for name in names:
        yield resolve(facts, name, "rolled-back", still_open)
        still_open = {row: other for row, other in still_open.items() if other != name}
    yield deploy(facts, _to_run(facts))


def _to_run(facts: Facts) -> list[str]:
    """What deploy will run once the failed migrations are recorded as rolled back."""
    kept = {row.migration_name for row in facts.database.ledger or [] if row.is_applied}
    return [script.name for script in facts.main.migrations if script.name not in kept]


def _notes(facts: Facts) -> Iterator[str]:
    on_main = {script.name for script in facts.main.migrations}
    for row in facts.database.open_rows:
        if row.migration_name not in on_main:
            branch = facts.environment.branch
            yield f"{row.migration_name} is not on {branch}: it will not run again"
    gone = sorted(facts.database.applied - on_main)
    if gone:
        yield f"in the ledger, not on {facts.environment.branch}: {', '.join(gone)}"
    for script in facts.main.migrations:
        if script.content is not None and (edited := _edited(facts, script.name, script.content)):
            yield edited
    if facts.git.behind and not facts.pending and not facts.database.open_rows:
        yield f"the checkout is {facts.git.behind} commits behind, without new migrations"


def _edited(facts: Facts, name: str, content: bytes) -> str:
    """Say when a script was changed after it was applied. Prisma does not run it again."""
    unix = content.replace(b"\r\n", b"\n")
    sums = {sha256(text) for text in (content, unix, unix.replace(b"\n", b"\r\n"))}
    rows = [
        row for row in facts.database.ledger or [] if row.migration_name == name and row.is_applied
    ]
    if rows and not any(row.checksum in sums for row in rows):
        return f"{name} was edited after it was applied: the change is not in the database"
    return ""


def _doubts(doubtful: tuple[Undetermined, ...]) -> Iterator[str]:
    for verdict in doubtful:
        yield f"{verdict.name}: it is not known what of it is in the database"


def _used_up(facts: Facts) -> Iterator[str]:
    """Scripts that were tried as often as they may be, as they stand on origin's branch."""
    for name in dict.fromkeys(row.migration_name for row in facts.database.open_rows):
        script = facts.main.script(name)
        if script is None or script.content is None:
            continue
        attempts = facts.database.attempts(name, sha256(script.content))
        if attempts >= MOST_ATTEMPTS:
            yield (
                f"{name}: this same script has failed {attempts} times; correct it on "
                f"{facts.environment.branch} and push, then recover again"
            )


def obstacles(facts: Facts) -> tuple[str, ...]:
    """Return everything that speaks against starting at all, each with its mend."""
    return (
        *_wrong_database(facts),
        *_no_prisma(facts),
        *_no_checkout(facts),
        *_no_scripts(facts),
        *_no_backup(facts),
    )


def _wrong_database(facts: Facts) -> Iterator[str]:
    identity = facts.database.identity
    if identity.standby:
        yield f"{facts.url.label} is a standby: name the primary"
    if not identity.schema_exists:
        yield (
            f"{facts.url.label} has no schema `{facts.url.schema}`: is this the right database? "
            "nothing is created here"
        )
    elif facts.database.ledger is None and identity.tables:
        yield (
            f"{facts.url.label} has {identity.tables} tables but no ledger _prisma_migrations "
            "(P3005): is this the right database and schema? if so, it needs a baseline"
        )
    if facts.url.pooler and facts.environment.direct_url is None:
        yield (
            f"{facts.url.label} looks like a connection pooler ({facts.url.pooler}): migrations "
            "need a direct connection; set direct_url in the inventory"
        )


def _no_prisma(facts: Facts) -> Iterator[str]:
    installed = parse_version(facts.installed.version) if facts.installed else None
    locked = locked_version(facts.git.main)
    for version in {installed, locked}:
        if version and version.major >= 8:  # noqa: PLR2004
            yield (
                f"Prisma {version} has no `migrate deploy` and `migrate resolve`: this tool knows "
                "Prisma up to 7"
            )
    if facts.installed is None and not needs_install(facts):
        yield "Prisma is not installed on the host (node_modules/prisma): run npm ci there"
    if not facts.machine.node.version:
        yield f"node: {facts.machine.node.problem}: name its directory in `path`"


def _no_checkout(facts: Facts) -> Iterator[str]:
    environment, git = facts.environment, facts.git
    changed = [path for path in git.changed if path not in changed_lock_files(facts)]
    if changed:
        yield (
            f"tracked files have changed in {environment.repo}: {', '.join(changed)}: commit, "
            "stash or restore them there"
        )
    if git.unpushed:
        yield (
            f"{environment.branch} on the host has {git.unpushed} commits that origin does not "
            "have: push them, or reset the branch there"
        )
    if git.branch is None and git.ahead:
        yield f"HEAD is detached with {git.ahead} commits of its own: put a branch on them first"


def _no_scripts(facts: Facts) -> Iterator[str]:
    environment, main = facts.environment, facts.main
    where = f"{environment.branch}:{environment.app}"
    if not main.schema_found:
        yield f"{where}/{environment.schema} does not exist: check `schema` in the inventory"
        return
    if not main.migrations:
        yield f"there are no migrations in {main.migrations_directory}: check `schema`"
    for script in main.migrations:
        if script.content is None:
            yield f"{main.migrations_directory}/{script.name} has no migration.sql (P3015)"
    for path in untracked_migrations(facts.git, main):
        yield f"{path} is not in git, but Prisma would run it: remove or commit it"
    if main.lock_provider and main.provider and main.lock_provider != main.provider:
        yield (
            f"migration_lock.toml says {main.lock_provider}, the schema {main.provider} (P3019): "
            "mend migration_lock.toml"
        )
    unknown = [name for name in main.url_variables if name not in facts.variables]
    if unknown:
        yield (
            f"Prisma reads its URL from {', '.join(unknown)}, the inventory gives "
            f"{', '.join(facts.variables)}: set `name` to what the schema says"
        )
    yield from _wrong_deploy_command(facts)


def _wrong_deploy_command(facts: Facts) -> Iterator[str]:
    """A deploy command of the inventory must run `migrate deploy` on the inventory's schema."""
    command = facts.environment.prisma_command.deploy
    if not command:
        return
    words = command.split()
    text = command
    if words[:2] in (["npm", "run"], ["pnpm", "run"], ["yarn", "run"], ["bun", "run"]):
        name = words[2] if len(words) > 2 else ""  # noqa: PLR2004
        text = facts.main.scripts.get(name, "")
        if not text:
            yield f"`{command}`: package.json has no script {name!r}"
            return
    if "migrate deploy" not in text:
        yield f"`{command}` does not run `prisma migrate deploy`: {text!r}"
    found = re.search(r"--schema[= ](\S+)", text)
    schema = found.group(1).strip("\"'") if found else "prisma/schema.prisma"
    if schema.removeprefix("./") != facts.environment.schema.removeprefix("./"):
        yield f"`{command}` uses the schema {schema}, the inventory {facts.environment.schema}"


def _no_backup(facts: Facts) -> Iterator[str]:
    machine, identity = facts.machine, facts.database.identity
    if not machine.pg_dump.version:
        yield f"pg_dump: {machine.pg_dump.problem}: install it, or name its directory in `path`"
    elif machine.pg_dump.major < identity.major:
        yield (
            f"pg_dump {machine.pg_dump.version} cannot dump a server of version "
            f"{identity.version}: install postgresql-client-{identity.major}, or name its "
            "directory in `path`"
        )
    if machine.free_backups < identity.size + RESERVE:
        yield (
            f"{facts.environment.backups}: {machine.free_backups >> 20} MiB free, "
            f"{(identity.size + RESERVE) >> 20} MiB wanted for the backup"
        )


def _refused_resolve(facts: Facts, name: str, direction: Direction) -> Iterator[str]:
    rows = [row for row in facts.database.ledger or [] if row.migration_name == name]
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
