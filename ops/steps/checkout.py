"""The checkout step: origin's branch, fast-forward only. And the packages that go with it."""

from __future__ import annotations

from posixpath import basename, dirname, join, normpath
from typing import TYPE_CHECKING, Final

from ops.facts.app import parse_version
from ops.host.script import HostPath, Words
from ops.steps.base import Step, step_script

if TYPE_CHECKING:
    from ops.facts.gather import Facts
    from ops.facts.git import LockFile

_COMMANDS: Final = {
    "package-lock.json": (("npm", "ci"), "--include=dev"),
    "npm-shrinkwrap.json": (("npm", "ci"), "--include=dev"),
    "pnpm-lock.yaml": (("pnpm", "install", "--frozen-lockfile"), "--prod=false"),
    "yarn.lock": (("yarn", "install", "--frozen-lockfile"), "--production=false"),
    "bun.lock": (("bun", "install", "--frozen-lockfile"), ""),
    "bun.lockb": (("bun", "install", "--frozen-lockfile"), ""),
}
"""Lock file -> the command that installs exactly it, and the word that includes development
dependencies whatever NODE_ENV says."""


def changed_lock_files(facts: Facts) -> tuple[str, ...]:
    """Return the lock files that differ from HEAD, as `npm install` on the host leaves them."""
    return tuple(path for path in facts.git.changed if basename(path) in _COMMANDS)


def checkout(facts: Facts) -> Step:
    """Return the step that moves the checkout to origin's branch."""
    environment, git = facts.environment, facts.git
    put_back = changed_lock_files(facts)
    commands = [f"git checkout -- {path}" for path in put_back]
    if git.branch != environment.branch:
        commands.append(f"git checkout {environment.branch}")
    commands.append(f"git merge --ff-only {git.main.commit[:10]}")
    script = step_script(
        facts,
        "checkout",
        {
            "branch": environment.branch,
            "head": git.head.commit,
            "target": git.main.commit,
            "put_back": "\n".join(put_back),
        },
    )
    title = f"check out {environment.branch} at {git.main.commit[:10]} in {environment.repo}"
    return Step("checkout", title, tuple(commands), script, ("checked out: ",))


def app_lock(facts: Facts) -> LockFile | None:
    """Return the lock file that the packages come from: the app's, else the repository's."""
    return facts.git.main.locks[0] if facts.git.main.locks else None


def needs_install(facts: Facts) -> str:
    """Return why packages must be installed after the checkout, or empty."""
    lock = app_lock(facts)
    if facts.environment.install == "never" or lock is None:
        return ""
    before = {old.path: old.blob for old in facts.git.head.locks}
    if before.get(lock.path) != lock.blob:
        return f"{lock.path} changes with this checkout"
    if facts.installed is None:
        return "Prisma is not installed"
    if parse_version(lock.prisma) and lock.prisma != facts.installed.version:
        return f"Prisma {facts.installed.version} is installed, {lock.path} names {lock.prisma}"
    return ""


def install(facts: Facts, reason: str) -> Step:
    """Return the step that installs the lock file's packages."""
    lock = app_lock(facts)
    assert lock is not None  # noqa: S101 - needs_install was asked
    words, with_dev = _COMMANDS[basename(lock.path)]
    if facts.main.prisma_is_dev and with_dev:
        words = (*words, with_dev)
    directory = normpath(join(facts.environment.repo, dirname(lock.path)))
    script = step_script(
        facts, "install", {"directory": HostPath(directory), "install": Words(words)}
    )
    return Step(
        "install",
        f"install packages: {reason}; this replaces the node_modules of a running app",
        (" ".join(words),),
        script,
        ("installed in ",),
    )
