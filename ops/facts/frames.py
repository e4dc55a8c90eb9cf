"""The answer of a script that runs many probes: each one's output, framed.

Both outputs of the script carry the same frames, so that each probe's stdout, stderr and exit
code are known apart, byte by byte. A probe that failed stays a failure: whoever needs its value
is told that it is unknown, and never gets an empty one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.errors import StepFailed

if TYPE_CHECKING:
    from collections.abc import Mapping


class Unknown(StepFailed):
    """A probe failed, so what it would have told is not known. Nothing is concluded from it."""


@dataclass(frozen=True)
class Frame:
    """What one probe printed, and its exit code."""

    exit_code: int
    stdout: bytes
    stderr: str = ""

    @property
    def text(self) -> str:
        """Stdout as text, without the line end."""
        return self.stdout.decode(errors="replace").removesuffix("\n")

    @property
    def lines(self) -> list[str]:
        """Stdout's lines."""
        return self.text.split("\n") if self.text else []

    @property
    def problem(self) -> str:
        """Why it failed: the last line it wrote to stderr, else its exit code."""
        lines = self.stderr.strip().splitlines()
        return lines[-1].strip() if lines else f"exit code {self.exit_code}"


class Frames:
    """All probes of one script, by name."""

    def __init__(self, frames: Mapping[str, Frame]) -> None:
        self._frames = dict(frames)

    def get(self, name: str) -> Frame:
        """Return a probe's frame, failed or not. Raises Unknown where the script did not come."""
        if name not in self._frames:
            raise Unknown(f"the host did not answer the probe `{name}`", "try again")
        return self._frames[name]

    def need(self, name: str, what: str, hint: str = "") -> Frame:
        """Return the frame of a probe that must have worked. Raises Unknown with `what`."""
        frame = self.get(name)
        if frame.exit_code != 0:
            raise Unknown(f"{what}: {frame.problem}", hint)
        return frame

    def __contains__(self, name: str) -> bool:
        return name in self._frames


def parse_frames(stdout: bytes, stderr: bytes, mark: str) -> Frames:
    """Cut both outputs of a script at its marks."""
    errors = {name: text for name, _, text in _cut(stderr, mark)}
    return Frames(
        {
            name: Frame(code, text, errors.get(name, b"").decode(errors="replace"))
            for name, code, text in _cut(stdout, mark)
        }
    )


def is_complete(stdout: bytes, mark: str, name: str) -> bool:
    """Return whether the named probe has ended in what came so far."""
    return any(found == name for found, _, _ in _cut(stdout, mark))


def _cut(output: bytes, mark: str) -> list[tuple[str, int, bytes]]:
    sign = re.escape(mark.encode())
    pattern = rb"\n%b begin ([^\n]*)\n(.*?)\n%b end (\d+)\n" % (sign, sign)
    return [
        (found.group(1).decode(), int(found.group(3)), found.group(2))
        for found in re.finditer(pattern, output, re.DOTALL)
    ]
