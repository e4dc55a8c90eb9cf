"""The programs and the room that a recovery needs on the host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from ops.facts.frames import Frame, Frames


@dataclass(frozen=True)
class Tool:
    """A program on the host: its version, or why there is none."""

    version: str
    problem: str = ""

    @property
    def major(self) -> int:
        """Its major version; 0 when it is missing."""
        found = re.search(r"(\d+)", self.version)
        return int(found.group(1)) if found else 0


@dataclass(frozen=True)
class Machine:
    """The host.

    Args:
        system: `uname -s`.
        user: Who we are there.
        home: Home directory.
        clock_offset: Seconds by which its clock is ahead of ours.
        free_backups: Bytes free where backups go.
        free_repo: Bytes free where the checkout lies.
        support: Small programs that are there; `hidepid` when others cannot see our processes.
    """

    system: str
    user: str
    home: str
    clock_offset: float
    free_backups: int
    free_repo: int
    node: Tool
    pg_dump: Tool
    psql: Tool
    support: frozenset[str]


class BackupCard(msgspec.Struct, frozen=True):
    """What a backup's card says of it: a file beside it, written when it was proved whole."""

    file: str
    size: int
    sha256: str
    finished_at: str
    level: str


def parse_machine(frames: Frames, now: datetime) -> Machine:
    """Read the probes of the machine and its programs."""
    system, user, home, clock = frames.need("machine", "the host cannot be read").lines
    return Machine(
        system=system,
        user=user,
        home=home,
        clock_offset=(datetime.fromtimestamp(int(clock), UTC) - now).total_seconds(),
        free_backups=_free(frames.get("space backups")),
        free_repo=_free(frames.get("space repo")),
        node=_tool(frames.get("node")),
        pg_dump=_tool(frames.get("pg_dump")),
        psql=_tool(frames.get("psql")),
        support=frozenset(line.removeprefix("has ") for line in frames.get("support").lines),
    )


def parse_last_backup(frames: Frames) -> BackupCard | None:
    """Read the card of the newest backup; None when there is none that can be read."""
    try:
        return msgspec.json.decode(frames.get("newest backup").stdout, type=BackupCard)
    except msgspec.DecodeError:
        return None


def _tool(frame: Frame) -> Tool:
    if frame.exit_code != 0:
        return Tool("", frame.problem)
    found = re.search(r"v?(\d+(?:\.\d+)*)", frame.text)
    return Tool(found.group(1) if found else "", "" if found else f"answered {frame.text!r}")


def _free(frame: Frame) -> int:
    """Bytes available, from a line of `df -Pk`; 0 when it could not be asked."""
    words = frame.text.split()
    for index, word in enumerate(words):
        if word.endswith("%") and index >= 1 and words[index - 1].isdigit():
            return int(words[index - 1]) * 1024
    return 0
