"""What can go wrong with the app's largest migration, `HEART`, and with its types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ops.sandbox import repository
from ops.sandbox.incidents import deploys
from ops.sandbox.incidents.model import Incident
from ops.sandbox.repository import HEART

if TYPE_CHECKING:
    from ops.sandbox.host import Host
    from ops.sandbox.process import Process

_BY_HAND: Final = "CREATE TYPE attendance_status AS ENUM ('PRESENT', 'ABSENT', 'LATE', 'EXCUSED')"
_FIRST_TYPE: Final = "CREATE TYPE library_issue_status AS ENUM ('ISSUED')"


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


def _pending(host: Host, _seconds: float) -> dict[str, Process]:
    _publish_first(host)
    return {}


def _still_broken(host: Host, _seconds: float) -> dict[str, Process]:
    host.database.sql(_BY_HAND, as_app=True)
    _publish_first(host)
    deploys.fail(host, "attendance_status")
    return {}


def _type_exists(host: Host, seconds: float) -> dict[str, Process]:
    _still_broken(host, seconds)
    _publish_corrected(host)
    return {}


def _killed(host: Host, _seconds: float) -> dict[str, Process]:
    _publish_first(host)
    # Somebody makes the same type in a transaction that stays open: statement 1 waits for its end.
    deploys.cut_off(host, _FIRST_TYPE)
    return {}


def _killed_committed(host: Host, _seconds: float) -> dict[str, Process]:
    _publish_first(host)
    # A report has changed a student and not committed: the foreign key to students waits.
    deploys.abandon(host, deploys.REPORT)
    return {}


def _running(host: Host, seconds: float) -> dict[str, Process]:
    _publish_first(host)
    holder, deploy, _ = deploys.into_lock(host, deploys.REPORT, seconds=seconds)
    return {"holder": holder, "deploy": deploy}


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
        "Refuse before production is touched: it fails on the copy, exit 3. "
        "One statement per query: run the rest, exit 0.",
        _still_broken,
        copied=True,
    ),
    Incident(
        "p3009-killed",
        "The deploy was killed during the first statement, and its backend with it. "
        "Nothing of the migration is in; the ledger's row has no error.",
        "Roll it back and deploy it again, exit 0: the catalog shows that nothing is in.",
        _killed,
        copied=True,
    ),
    Incident(
        "p3009-killed-committed",
        "The deploy was killed, but the server went on: what it had been sent is in. "
        "The ledger's row looks the same.",
        "Record it as applied, exit 0. One statement per query: run the rest first.",
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
)
