"""What every host can do, whether it is reached by SSH or is this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ops.errors import StepFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from ops.host.script import Renderable


@dataclass(frozen=True)
class Completed:
    """How a script ended: its exit code and both of its outputs, whole."""

    exit_code: int
    stdout: bytes
    stderr: bytes

    def checked(self, doing: str) -> bytes:
        """Return stdout of a script that ended well.

        Raises:
            StepFailed: It did not; the message holds the last line it printed.
        """
        if self.exit_code != 0:
            lines = (self.stderr or self.stdout).decode(errors="replace").strip().splitlines()
            raise StepFailed(f"{doing}: exit code {self.exit_code}: {lines[-1] if lines else ''}")
        return self.stdout


class Process(Protocol):
    """A script that runs on the host. Its stdout must be read; stderr is kept aside."""

    def blocks(self) -> Iterator[bytes]:
        """Yield stdout as it comes, cut anywhere. `wait` tells why it ended."""

    def send(self, data: bytes) -> None:
        """Write to the script's stdin, which is open until `finish_input`."""

    def finish_input(self) -> None:
        """Close the script's stdin."""

    def wait(self) -> int:
        """Return the exit code, below 0 after a signal. Raises ConnectionLost."""

    def errors(self) -> bytes:
        """Return what stderr held; call it after `wait`."""

    def close(self) -> None:
        """Let go of the script: its pipes are closed. One that only waits may be ended."""


class Host(Protocol):
    """A machine on which scripts run, each in a shell of its own."""

    @property
    def label(self) -> str:
        """What people call it, e.g. `deploy@app.example.com`."""

    @property
    def login(self) -> str:
        """How a person gets a shell there, e.g. `ssh -p 2222 deploy@app.example.com`."""

    def open(self, script: Renderable) -> AbstractContextManager[Process]:
        """Start a script. Its text has been sent; stdin stays open for a dialogue.

        The script speaks first in a dialogue: a shell reads its text in blocks, and what follows
        too early would be lost with the rest of one.

        Raises:
            Unreachable: There is no connection, and none can be made.
        """

    def run(self, script: Renderable) -> Completed:
        """Run a script that only reads, to its end, and return what it printed."""

    def reconnect(self) -> None:
        """Make the connection again after it was lost. Raises Unreachable."""

    def close(self) -> None:
        """End the connection."""


def collect(process: Process) -> Completed:
    """Read a process to its end."""
    process.finish_input()
    stdout = b"".join(process.blocks())
    exit_code = process.wait()
    return Completed(exit_code, stdout, process.errors())
