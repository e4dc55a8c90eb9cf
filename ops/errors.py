"""Every way an action can end, as exit codes, and the errors that lead there.

An error says one thing in one line, and its hint names what to do next. The doors print both and
end with the error's exit code; nobody below a door prints or exits.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final

_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that break a line, move the cursor, or turn the reading direction."""


class ExitCode(IntEnum):
    """What the exit code of `fab` and `ops` means. Never the remote command's own code."""

    OK = 0
    """Done, or healthy."""
    BUG = 1
    """A bug in this tool: please report it."""
    USAGE = 2
    """The command line or the inventory is wrong. Nothing was touched."""
    REFUSED = 3
    """A person must decide: not proved, not confirmed, attempts used up, or not healthy."""
    UNREACHABLE = 4
    """The host cannot be reached, or its key or our login is not accepted."""
    BUSY = 5
    """Another run, or another migration, is at work."""
    STEP_FAILED = 6
    """A step on the host failed."""
    VERIFICATION_FAILED = 7
    """The change was made, but the result is not what it must be."""
    INTERRUPTED = 130
    """Ctrl-C (SIGINT)."""
    TERMINATED = 143
    """SIGTERM."""


class OpsError(Exception):
    """An end that was foreseen: one line, a hint, an exit code.

    Args:
        message: What is wrong, in one line, with its place where there is one.
        hint: What to do next; names a command where one helps.

    Both may quote what a file or a host said: control characters are shown as escapes, so that an
    error is always one line and nothing in it moves the cursor.
    """

    exit_code = ExitCode.BUG

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = _visible(message)
        self.hint = _visible(hint)
        super().__init__(self.message)


class UsageError(OpsError):
    """The command line is wrong."""

    exit_code = ExitCode.USAGE


class InventoryError(UsageError):
    """inventory.yaml is missing or wrong; the message starts with the place in it."""


class Refused(OpsError):  # noqa: N818 - an answer, not a fault
    """Nothing was changed, because a person must decide first."""

    exit_code = ExitCode.REFUSED


class Unreachable(OpsError):  # noqa: N818
    """No connection to the host: network, port, login."""

    exit_code = ExitCode.UNREACHABLE


class HostKeyRefused(Unreachable):
    """The host's key is unknown, has changed, or is not the pinned one."""


class ConnectionLost(Unreachable):
    """The connection was there and is gone. What runs on the host goes on."""


class Busy(OpsError):  # noqa: N818
    """Somebody else is at work on this environment or this database."""

    exit_code = ExitCode.BUSY


class StepFailed(OpsError):  # noqa: N818
    """A step on the host ended with an error."""

    exit_code = ExitCode.STEP_FAILED


class VerificationFailed(OpsError):  # noqa: N818
    """The change was made, but what is there now is not what was announced."""

    exit_code = ExitCode.VERIFICATION_FAILED


class Interrupted(OpsError):  # noqa: N818
    """Ctrl-C: says whether something goes on on the host."""

    exit_code = ExitCode.INTERRUPTED


class Terminated(Interrupted):
    """SIGTERM: the same, asked for by a program."""

    exit_code = ExitCode.TERMINATED


def _visible(text: str) -> str:
    return _UNSEEN.sub(lambda found: ascii(found.group())[1:-1], text)
