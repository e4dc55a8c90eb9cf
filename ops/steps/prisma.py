"""The two steps that change the ledger: `prisma migrate resolve` and `prisma migrate deploy`.

Prisma exits with 0 also when its engine died without an answer (measured on 6.19 and 7.10), so a
step counts only with Prisma's own words for success, and the ledger is read again afterwards.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final, Literal

from ops.host.script import HostPath, Words
from ops.steps.base import Step, as_judged, step_script

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ops.facts.gather import Facts

_RUNNERS: Final = frozenset({"npm", "pnpm", "yarn", "bun"})

Direction = Literal["rolled-back", "applied"]


def resolve(
    facts: Facts,
    name: str,
    direction: Direction,
    open_rows: Iterable[str],
    commit: str,
    digest: str = "",
) -> Step:
    """Return the step that records a migration as rolled back, or as applied.

    Args:
        facts: What is true now.
        name: The migration's whole name.
        direction: What the ledger shall say.
        open_rows: Ids of the rows that are open just before this step.
        commit: What must be checked out then.
        digest: Of the catalog as it was judged; empty where an earlier step changes it.
    """
    arguments = ("migrate", "resolve", f"--{direction}", name, _schema(facts))
    said = "marked as rolled back." if direction == "rolled-back" else "marked as applied."
    title = f"record {name} as {direction.replace('-', ' ')}"
    words = _cli(facts, arguments)
    shown = (_shown(words),)
    return _step(
        facts, f"resolve-{direction}", title, words, shown, open_rows, commit, (said,), digest
    )


def deploy(facts: Facts, pending: Iterable[str], digest: str = "") -> Step:
    """Return the step that runs every pending migration of what is checked out.

    Args:
        facts: What is true now.
        pending: Their names.
        digest: Of the catalog as it was judged; empty where an earlier step has looked.
    """
    names = ", ".join(pending)
    command = facts.environment.prisma_command.deploy
    words = Words(("sh", "-c", command)) if command else _deploy_cli(facts)
    shown = [_shown(words)]
    if command and (resolved := deploy_words(facts)) and resolved != shlex.split(command):
        shown.append(f"# in package.json: {shlex.join(resolved)}")
    said = (
        "All migrations have been successfully applied.",
        "No pending migrations to apply.",
    )
    title = f"run the pending migrations: {names}" if names else "migrate deploy: nothing pending"
    commit = facts.git.main.commit
    return _step(facts, "deploy", title, words, tuple(shown), (), commit, said, digest)


def deploy_words(facts: Facts) -> list[str] | None:
    """Return the words that the inventory's deploy command comes to.

    A script of package.json is looked up, and gets the command's own arguments; a command that
    runs none is returned as it is. None when there is no such script.

    Raises:
        ValueError: Command or script cannot be read as words.
    """
    words = shlex.split(facts.environment.prisma_command.deploy or "")
    scripts = facts.main.scripts
    if not words or words[0] not in _RUNNERS:
        return words
    rest = words[1:]
    if rest[:1] in (["run"], ["run-script"]):
        rest = rest[1:]
    elif words[0] == "npm" or not rest or rest[0] not in scripts:
        return words
    if not rest or rest[0] not in scripts:
        return None
    return [*shlex.split(scripts[rest[0]]), *(word for word in rest[1:] if word != "--")]


def deploy_command(facts: Facts) -> str:
    """Return the deploy command as a person types it in the app's directory."""
    return facts.environment.prisma_command.deploy or _shown(_deploy_cli(facts))


def resolve_command(facts: Facts, name: str, direction: Direction) -> str:
    """Return the resolve command as a person types it in the app's directory."""
    arguments = ("migrate", "resolve", f"--{direction}", name, _schema(facts))
    return _shown(_cli(facts, arguments))


def _step(
    facts: Facts,
    name: str,
    title: str,
    words: Words,
    shown: tuple[str, ...],
    open_rows: Iterable[str],
    commit: str,
    said: tuple[str, ...],
    digest: str,
) -> Step:
    script = step_script(
        facts,
        "prisma",
        {
            "directory": HostPath(facts.directory),
            "commit": commit,
            "migrations": facts.main.migrations_directory,
            "open_rows": " ".join(sorted(open_rows)),
            "run": words,
            **as_judged(digest),
        },
        {**facts.variables, "PRISMA_HIDE_UPDATE_MESSAGE": "1"},
    )
    return Step(name, title, shown, script, said, writes_database=True)


def _deploy_cli(facts: Facts) -> Words:
    return _cli(facts, ("migrate", "deploy", _schema(facts)))


def _cli(facts: Facts, arguments: tuple[str, ...]) -> Words:
    if cli := facts.environment.prisma_command.cli:
        return Words((*cli, *arguments))
    directory = facts.installed.directory if facts.installed else facts.directory
    if directory == facts.directory:
        return Words(("node_modules/.bin/prisma", *arguments))
    return Words((HostPath(f"{directory}/node_modules/.bin/prisma"), *arguments))


def _schema(facts: Facts) -> str:
    return f"--schema={facts.environment.schema}"


def _shown(words: Words) -> str:
    if words.words[:2] == ("sh", "-c"):
        return str(words.words[2])
    return shlex.join(str(word) for word in words.words)
