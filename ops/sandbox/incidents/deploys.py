"""Deploys that go wrong: refused by the database, cut off with it, or left by their client."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

from ops.errors import StepFailed
from ops.sandbox import process, repository
from ops.sandbox.repository import TRANSPORT

if TYPE_CHECKING:
    from pathlib import Path

    from ops.sandbox.host import Host
    from ops.sandbox.process import Process
    from ops.sandbox.repository import Migration

REPORT: Final = "UPDATE students SET mobile = mobile WHERE id = 1"
"""What the nightly report does: while it is open, nobody alters `students`."""


def publish(host: Host, migration: Migration, version: str, message: str, date: str) -> None:
    """Push a commit with one version of a migration, and of the schema with it."""
    repository.publish(
        host.layout,
        message,
        date,
        lambda app: repository.write_migration(app, migration, version),
    )


def publish_transport(host: Host) -> None:
    """Push the first version of the migration `TRANSPORT`."""
    publish(host, TRANSPORT, "first", "Add stops of the school buses", "2026-03-05T07:15:00+00:00")


def fail(host: Host, because: str) -> None:
    """Deploy what the origin has. PostgreSQL refuses a statement.

    Args:
        host: The host.
        because: What PostgreSQL says.

    Raises:
        StepFailed: It went well, or failed for another reason.
    """
    repository.pull_on_host(host.layout)
    deploy = host.deploy()
    if deploy.exit_code == 0 or because not in deploy.output:
        raise StepFailed(f"sandbox: the deploy was to fail and did not, with: {because}")


def cut_off(host: Host, lock: str) -> None:
    """Deploy what the origin has; kill the deploy, and its backend, while it waits for a lock.

    The statement that waited is undone. The lock is gone afterwards.
    """
    holder, deploy, backend = into_lock(host, lock)
    os.kill(deploy.pid, signal.SIGKILL)
    host.database.terminate(backend)
    host.database.until_gone(backend)
    process.end(deploy, signal.SIGKILL)
    release(host, holder)


def abandon(host: Host, lock: str) -> None:
    """Deploy what the origin has; kill the deploy, and not its backend, while it waits for a lock.

    The server goes on with what it had been sent. The lock is gone afterwards.
    """
    holder, deploy, backend = into_lock(host, lock)
    process.end(deploy, signal.SIGKILL)
    release(host, holder)
    host.database.until_gone(backend)


def into_lock(
    host: Host, lock: str, *, seconds: float | None = None
) -> tuple[Process, Process, int]:
    """Start the deploy of what the origin has while another session holds a lock that it needs.

    Args:
        host: The host.
        lock: The statement that takes the lock.
        seconds: How long it is held once the deploy waits; until `release` where None.

    Returns:
        The psql that holds the lock, the Prisma CLI, and the backend that waits.
    """
    repository.pull_on_host(host.layout)
    holder = host.database.hold(lock, log=_log(host), seconds=seconds)
    deploy = host.start_deploy()
    try:
        return holder, deploy, host.database.waiting()
    except BaseException:
        process.end(deploy, signal.SIGKILL)
        release(host, holder)
        raise


def release(host: Host, holder: Process) -> None:
    """End the session that holds the lock; what it did is rolled back."""
    host.database.release()
    process.end(holder)


def _log(host: Host) -> Path:
    host.layout.logs.mkdir(exist_ok=True, mode=0o700)
    return host.layout.logs / "holder.log"
