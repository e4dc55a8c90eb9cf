"""What can be wrong with the host. Each incident is made by really failing, never by editing."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ops.errors import StepFailed, UsageError
from ops.sandbox import process, repository
from ops.sandbox.repository import HEART

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ops.sandbox.host import Host
    from ops.sandbox.process import Process

RUNNING_FOR: Final = 8.0
"""Seconds for which the incident `running` keeps its deploy waiting, by default."""

_BY_HAND: Final = "CREATE TYPE attendance_status AS ENUM ('PRESENT', 'ABSENT', 'LATE', 'EXCUSED')"
_FIRST_TYPE: Final = "CREATE TYPE library_issue_status AS ENUM ('ISSUED')"
_REPORT: Final = "UPDATE students SET mobile = mobile WHERE id = 1"


@dataclass(frozen=True)
class Incident:
    """A named way to be broken.

    Attributes:
        name: What `--incident` takes.
        happened: What went wrong, in one line.
        recovery: What `recover` is expected to do about it, in one line.
        make: Does it, and returns what it leaves running, by name.
        copied: Whether what it leaves is kept and copied for the next sandbox: it takes long to
            make, and nothing of it goes on.
    """

    name: str
    happened: str
    recovery: str
    make: Callable[[Host, float], dict[str, Process]]
    copied: bool = False


def incident(name: str) -> Incident:
    """Find an incident.

    Raises:
        UsageError: There is none of that name.
    """
    for candidate in INCIDENTS:
        if candidate.name == name:
            return candidate
    names = ", ".join(candidate.name for candidate in INCIDENTS)
    raise UsageError(f"there is no incident {name!r}", f"ops sandbox incidents; there are: {names}")


def _publish_first(host: Host) -> None:
    repository.publish(
        host.layout,
        "Add library, gallery, circulars, chatbot, routes",
        "2026-02-21T05:34:04+00:00",
        lambda app: repository.write_heart(app, host.mode, "first"),
    )


def _publish_corrected(host: Host) -> None:
    repository.publish(
        host.layout,
        "Make add_missing_models safe for production",
        "2026-02-21T08:10:00+00:00",
        lambda app: repository.write_heart(app, host.mode, "corrected"),
    )


def _healthy(host: Host, _seconds: float) -> dict[str, Process]:
    del host
    return {}


def _pending(host: Host, _seconds: float) -> dict[str, Process]:
    _publish_first(host)
    return {}


def _still_broken(host: Host, _seconds: float) -> dict[str, Process]:
    host.database.sql(_BY_HAND, as_app=True)
    _publish_first(host)
    repository.pull_on_host(host.layout)
    deploy = host.deploy()
    if deploy.exit_code == 0 or "attendance_status" not in deploy.output:
        raise StepFailed("sandbox: the deploy was to fail on attendance_status and did not")
    return {}


def _type_exists(host: Host, seconds: float) -> dict[str, Process]:
    _still_broken(host, seconds)
    _publish_corrected(host)
    return {}


def _killed(host: Host, _seconds: float) -> dict[str, Process]:
    # Somebody makes the same type in a transaction that stays open: statement 1 waits for its end.
    holder, deploy, backend = _deploy_into_lock(host, _FIRST_TYPE)
    os.kill(deploy.pid, signal.SIGKILL)
    host.database.terminate(backend)
    host.database.until_gone(backend)
    process.end(deploy, signal.SIGKILL)
    _release(host, holder)
    return {}


def _killed_committed(host: Host, _seconds: float) -> dict[str, Process]:
    # A report has changed a student and not committed: the foreign key to students waits.
    holder, deploy, backend = _deploy_into_lock(host, _REPORT)
    process.end(deploy, signal.SIGKILL)
    _release(host, holder)
    host.database.until_gone(backend)
    return {}


def _running(host: Host, seconds: float) -> dict[str, Process]:
    holder, deploy, _ = _deploy_into_lock(host, _REPORT, seconds=seconds)
    return {"holder": holder, "deploy": deploy}


def _deploy_into_lock(
    host: Host, lock: str, *, seconds: float | None = None
) -> tuple[Process, Process, int]:
    """Start the deploy of `HEART` while another session holds a lock that it needs.

    Returns:
        The psql that holds the lock, the Prisma CLI, and the backend that waits.
    """
    _publish_first(host)
    repository.pull_on_host(host.layout)
    holder = host.database.hold(lock, log=_log(host), seconds=seconds)
    deploy = host.start_deploy()
    try:
        return holder, deploy, host.database.waiting()
    except BaseException:
        process.end(deploy, signal.SIGKILL)
        _release(host, holder)
        raise


def _release(host: Host, holder: Process) -> None:
    host.database.release()
    process.end(holder)


def _log(host: Host) -> Path:
    host.layout.logs.mkdir(exist_ok=True, mode=0o700)
    return host.layout.logs / "holder.log"


INCIDENTS: Final = (
    Incident(
        "p3018-type-exists",
        f"The type attendance_status was made by hand; {HEART} makes it too, and failed (P3018). "
        "origin/main has the corrected migration.",
        "Roll the failed migration back, deploy the corrected one: healthy, exit 0. "
        "One statement per query: refuse, exit 3.",
        _type_exists,
        copied=True,
    ),
    Incident(
        "p3018-still-broken",
        "The same, but nobody has corrected the migration.",
        "Stop after one more attempt: exit 3, with the cause. "
        "One statement per query: refuse, exit 3.",
        _still_broken,
        copied=True,
    ),
    Incident(
        "p3009-killed",
        "The deploy was killed during the first statement, and its backend with it. "
        "Nothing of the migration is in; the ledger's row has no error.",
        "Refuse, exit 3, database and ledger unchanged: the row alone does not tell.",
        _killed,
        copied=True,
    ),
    Incident(
        "p3009-killed-committed",
        "The deploy was killed, but the server went on: what it had been sent is in. "
        "The ledger's row looks the same.",
        "Refuse, exit 3, database and ledger unchanged.",
        _killed_committed,
        copied=True,
    ),
    Incident(
        "running",
        "A deploy is still at work: it waits for a lock that a report holds.",
        "Wait for its end, then: healthy, exit 0.",
        _running,
    ),
    Incident(
        "pending",
        f"origin/main has a new migration, {HEART}; the host is behind.",
        "Deploy it: healthy, exit 0.",
        _pending,
    ),
    Incident("healthy", "Nothing.", "Say so, exit 0.", _healthy),
)
