"""Deploys that ended somewhere in the middle of a script, or after it and before saying so.

What stopped them lay outside the script and is gone: a lock of another session. So the ledger's row
has no error, and only the catalog, and the rows, tell how far the script came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ops.sandbox.incidents import deploys
from ops.sandbox.incidents.model import Incident
from ops.sandbox.repository import SLUGS, TRANSPORT

if TYPE_CHECKING:
    from ops.sandbox.host import Host
    from ops.sandbox.process import Process

_OTHER_INDEX: Final = "CREATE INDEX students_slug_key ON classes (name)"
_SCHOOL: Final = "UPDATE schools SET city = city WHERE id = 1"


def _half_applied(host: Host, _seconds: float) -> dict[str, Process]:
    deploys.publish_transport(host)
    # Statement 4 is the first one that alters students.
    deploys.cut_off(host, deploys.REPORT)
    return {}


def _half_applied_with_data(host: Host, _seconds: float) -> dict[str, Process]:
    message = "Give every student a slug"
    deploys.publish(host, SLUGS, "first", message, "2026-03-11T06:30:00+00:00")
    # A lock on students would stop the script at statement 1. Another session's index of the same
    # name, not committed, stops it at statement 3 and nowhere else.
    deploys.cut_off(host, _OTHER_INDEX)
    return {}


def _applied_but_unfinished(host: Host, _seconds: float) -> dict[str, Process]:
    deploys.publish_transport(host)
    # Only the last statement, the foreign key to schools, needs anything of schools.
    deploys.abandon(host, _SCHOOL)
    return {}


def _edited_after_failure(host: Host, seconds: float) -> dict[str, Process]:
    _half_applied(host, seconds)
    message = "Let fees of stops have cents"
    deploys.publish(host, TRANSPORT, "edited", message, "2026-03-05T09:40:00+00:00")
    return {}


INCIDENTS: Final = (
    Incident(
        "half-applied",
        f"The deploy of {TRANSPORT.name} was killed during statement 4 of 7, and its backend with "
        "it: the first 3 are in. What it waited for is gone; origin/main has the same script. "
        "Needs --engine per-statement.",
        "Run the other 4 statements, record the migration as applied: healthy, exit 0.",
        _half_applied,
        copied=True,
        migration=TRANSPORT.name,
        needs="per-statement",
    ),
    Incident(
        "half-applied-with-data",
        f"The same with {SLUGS.name}, of 4 statements: killed during the third. The second is an "
        "UPDATE, so the catalog looks the same before and after it. Needs --engine per-statement.",
        "Prove that the UPDATE may be repeated, go on from there, record the migration as applied: "
        "healthy, exit 0.",
        _half_applied_with_data,
        copied=True,
        migration=SLUGS.name,
        needs="per-statement",
    ),
    Incident(
        "applied-but-unfinished",
        f"The deploy of {TRANSPORT.name} was killed during the last statement; the server finished "
        "it. The whole script is in, and the ledger's row is open.",
        "Record the migration as applied: healthy, exit 0.",
        _applied_but_unfinished,
        copied=True,
        migration=TRANSPORT.name,
    ),
    Incident(
        "edited-after-failure",
        "As half-applied; and origin/main has another script of the same name since: a column of "
        "the table that is in has another type there. One query per file: nothing is in.",
        "Refuse, exit 3: the rest of the new script does not fit what is in, and it cannot be run "
        "from its beginning. One query per file: roll back, deploy the new script, exit 0.",
        _edited_after_failure,
        copied=True,
        migration=TRANSPORT.name,
    ),
)
