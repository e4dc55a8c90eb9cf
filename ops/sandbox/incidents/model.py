"""What an incident is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ops.errors import UsageError
from ops.sandbox.repository import HEART

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.sandbox.host import Host
    from ops.sandbox.modes import Engine, Mode
    from ops.sandbox.process import Process

RUNNING_FOR: Final = 8.0
"""Seconds for which the incident `running` keeps its deploy waiting, by default."""


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
        migration: The migration that it is about.
        needs: The engine without which it cannot happen; None where it can with both.
    """

    name: str
    happened: str
    recovery: str
    make: Callable[[Host, float], dict[str, Process]]
    copied: bool = False
    migration: str = HEART
    needs: Engine | None = None

    def check(self, mode: Mode) -> None:
        """Refuse a mode in which this cannot happen.

        Raises:
            UsageError: It cannot happen in this mode.
        """
        if self.needs not in {None, mode.engine}:
            raise UsageError(
                f"{self.name} cannot happen with --engine {mode.engine}: it needs {self.needs}",
                f"ops sandbox up --incident {self.name} --engine {self.needs}",
            )
