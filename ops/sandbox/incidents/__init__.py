"""What can be wrong with the host. Each incident is made by really failing, never by editing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ops.errors import UsageError
from ops.sandbox.incidents import clashes, halfway, heart
from ops.sandbox.incidents.model import RUNNING_FOR, Incident

if TYPE_CHECKING:
    from ops.sandbox.host import Host
    from ops.sandbox.process import Process

__all__ = ["INCIDENTS", "RUNNING_FOR", "Incident", "incident"]


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


def _healthy(host: Host, _seconds: float) -> dict[str, Process]:
    del host
    return {}


INCIDENTS: Final = (
    *heart.INCIDENTS,
    *halfway.INCIDENTS,
    *clashes.INCIDENTS,
    Incident("healthy", "Nothing.", "Say so, exit 0.", _healthy),
)
