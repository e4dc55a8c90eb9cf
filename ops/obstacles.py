"""What speaks against starting at all: each obstacle in one line, with its mend.

Pure, and read by `recover`, `deploy`, `resolve`, `backup` and `doctor` alike.
"""

from __future__ import annotations

import re
import shlex
from posixpath import normpath
from typing import TYPE_CHECKING, Final

from ops.facts.app import parse_version, untracked_migrations
from ops.facts.gather import locked_version
from ops.steps.backup import RESERVE
from ops.steps.checkout import changed_lock_files, needs_install
from ops.steps.prisma import deploy_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ops.facts.app import App
    from ops.facts.gather import Facts

_FIRST_WITHOUT_MIGRATE: Final = 8
"""Prisma's major version that has no `migrate deploy` and `migrate resolve` any more."""
_DEFAULT_SCHEMA: Final = "prisma/schema.prisma"
_OTHER_WORDS: Final = frozenset(
    {"reset", "dev", "push", "seed", "execute", "env-cmd", "-o", "--override"}
)
"""Words of commands that change more than the ledger says, or lead Prisma to another database."""


def obstacles(facts: Facts) -> tuple[str, ...]:
    """Return everything that speaks against a recovery or a deploy."""
    return (
        *no_writing(facts),
        *wrong_database(facts),
        *no_prisma(facts),
        *_no_checkout(facts),
        *no_migrations(facts),
        *_no_scripts(facts),
        *no_backup(facts),
    )


def no_writing(facts: Facts) -> Iterator[str]:
    """Say why this URL is no place to write to, whatever the database holds."""
    if facts.database.identity.standby:
        yield f"{facts.url.label} is a standby: name the primary"
    if facts.url.pooler and not _is_meant_to_be_direct(facts):
        key = "direct_url" if facts.environment.direct_url else "database_url"
        yield (
            f"{facts.url.label} ({key}) looks like a connection pooler ({facts.url.pooler}): "
            "migrations need a direct connection; set direct_url in the inventory"
        )


def _is_meant_to_be_direct(facts: Facts) -> bool:
    """A port alone does not make a pooler of what the inventory calls direct."""
    return facts.environment.direct_url is not None and facts.url.pooler.startswith("port ")


def wrong_database(facts: Facts) -> Iterator[str]:
    """Say what hints at another database, or another schema, than the app's."""
    identity, ledger = facts.database.identity, facts.database.ledger
    on_main = {script.name for script in facts.main.migrations}
    if not identity.schema_exists:
        yield (
            f"{facts.url.label} has no schema `{facts.url.schema}`: is this the right database? "
            "nothing is created here"
        )
    elif not ledger and identity.tables:
        what = "no ledger _prisma_migrations" if ledger is None else "an empty ledger"
        yield (
            f"{facts.url.label} has {identity.tables} tables but {what} (P3005): is this the right "
            "database and schema? if so, it needs a baseline"
        )
    elif facts.database.applied and on_main and not facts.database.applied & on_main:
        yield (
            f"none of the {len(facts.database.applied)} migrations in the ledger of "
            f"{facts.url.label} is on {facts.environment.branch}: is this the right database?"
        )


def no_prisma(facts: Facts) -> Iterator[str]:
    """Say why Prisma cannot be run on the host."""
    installed = parse_version(facts.installed.version) if facts.installed else None
    for version in dict.fromkeys((installed, locked_version(facts.git.main))):
        if version and version.major >= _FIRST_WITHOUT_MIGRATE:
            yield (
                f"Prisma {version} has no `migrate deploy` and `migrate resolve`: this tool knows "
                "Prisma up to 7"
            )
    if facts.environment.prisma_command.cli:
        return  # another Prisma than node_modules', perhaps another node
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


def no_migrations(facts: Facts) -> Iterator[str]:
    """Say why origin's branch shows no migrations: where there are none, none is pending."""
    environment, main = facts.environment, facts.main
    if not main.schema_found:
        place = normpath(f"{environment.app}/{environment.schema}")
        yield f"{environment.branch}:{place} does not exist: check `app` and `schema`"
    elif not main.migrations:
        yield f"there are no migrations in {main.migrations_directory}: check `schema`"


def _no_scripts(facts: Facts) -> Iterator[str]:
    main, applied = facts.main, facts.database.applied
    if not main.schema_found:
        return
    for script in main.migrations:
        if script.content is None and script.name not in applied:
            yield f"{main.migrations_directory}/{script.name} has no migration.sql (P3015)"
    for path in untracked_migrations(facts.git, main):
        if path.rpartition("/")[2] not in applied:
            yield f"{path} is not in git, but Prisma would run it: remove or commit it"
    for path in facts.git.directories:
        if _is_in_the_way(facts, path):
            yield (
                f"{path} lies on the host without git's knowing, and comes in with "
                f"{facts.environment.branch}: git will not overwrite it, move it away"
            )
    yield from _wrong_provider(facts)
    yield from wrong_url(facts, main)
    yield from _wrong_deploy_command(facts)


def wrong_url(facts: Facts, app: App) -> Iterator[str]:
    """Say why Prisma might work on another database than the one that was looked at."""
    if app.schema_found and not app.url_variables:
        yield (
            "neither the schema nor prisma.config says from which variable Prisma reads its URL: "
            'write url = env("DATABASE_URL")'
        )
    unknown = [name for name in app.url_variables if name not in facts.variables]
    if unknown:
        yield (
            f"Prisma reads its URL from {', '.join(unknown)}, the inventory gives "
            f"{', '.join(facts.variables)}: set `name`, or direct_url, to what the schema says"
        )


def _is_in_the_way(facts: Facts, path: str) -> bool:
    def has(files: Mapping[str, str]) -> bool:
        return any(name.startswith(path + "/") for name in files)

    return has(facts.git.main.files) and not has(facts.git.head.files)


def _wrong_provider(facts: Facts) -> Iterator[str]:
    main = facts.main
    if main.provider not in ("", "postgresql"):
        yield f"the schema's provider is {main.provider}: this tool knows PostgreSQL only"
    if main.lock_provider == "":
        yield (
            "migration_lock.toml has no line that Prisma can read (P3019): it must say "
            f'provider = "{main.provider or "postgresql"}"'
        )
    elif main.lock_provider and main.provider and main.lock_provider != main.provider:
        yield (
            f"migration_lock.toml says {main.lock_provider}, the schema {main.provider} (P3019): "
            "mend migration_lock.toml"
        )


def _wrong_deploy_command(facts: Facts) -> Iterator[str]:
    """A deploy command of the inventory must run `migrate deploy` on the inventory's schema."""
    command = facts.environment.prisma_command.deploy
    if not command:
        return
    try:
        words = deploy_words(facts)
    except ValueError as error:
        yield f"`{command}` cannot be read as a command: {error}"
        return
    if words is None:
        yield f"`{command}`: package.json has no such script"
        return
    if not _holds(words, ("migrate", "deploy")):
        yield f"`{command}` does not run `prisma migrate deploy`, but: {shlex.join(words)}"
        return
    if more := _does_more(words, facts):
        yield f"`{command}` does more than `prisma migrate deploy` ({more}): {shlex.join(words)}"
        return
    schema = _schema_of(words)
    if normpath(schema) != normpath(facts.environment.schema):
        yield f"`{command}` uses the schema {schema}, the inventory {facts.environment.schema}"


def _does_more(words: list[str], facts: Facts) -> str:
    """Return what a deploy command holds besides the deploy, or empty."""
    for word in words:
        if re.search(r"[;&|<>`$\n]", word):
            return "several commands"
        if re.match(r"[A-Za-z_]\w*=", word):
            return f"it sets {word.partition('=')[0]}"
    if found := {"reset", "dev", "push", "seed", "execute", "env-cmd", "-o", "--override"} & {
        *words
    }:
        return ", ".join(sorted(found))
    called = shlex.split(facts.environment.prisma_command.deploy or "")
    hooks = {f"{edge}{word}" for word in called for edge in ("pre", "post")} & {*facts.main.scripts}
    return ", ".join(sorted(hooks))


def _holds(words: list[str], wanted: tuple[str, ...]) -> bool:
    return any(tuple(words[at : at + len(wanted)]) == wanted for at in range(len(words)))


def _schema_of(words: list[str]) -> str:
    """Return what `--schema` says, else Prisma's default."""
    for index, word in enumerate(words):
        if word == "--schema" and index + 1 < len(words):
            return words[index + 1]
        if found := re.fullmatch(r"--schema=(.+)", word):
            return found.group(1)
    return _DEFAULT_SCHEMA


def no_backup(facts: Facts) -> Iterator[str]:
    """Say why a backup cannot be taken."""
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
