"""The journal: JSON lines, here and on the host, written before and after each step.

On the host the lines travel with the scripts themselves (a job's first act is its own line), so
they are true whatever becomes of this machine. Here they lie below $XDG_STATE_HOME (default
~/.local/state) in `prisma-ops/ENVIRONMENT/RUN/`, with the logs; 0600 in 0700.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ops.errors import StepFailed, UsageError

if TYPE_CHECKING:
    from ops.secrets import Redactor


def new_run_id(now: datetime) -> str:
    """Return a name for a run: its time in UTC, and four letters against two in one second."""
    return f"{now.strftime('%Y%m%dT%H%M%SZ')}-{secrets.token_hex(2)}"


def local_state() -> Path:
    """Return the directory in which this machine keeps its journals."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "prisma-ops"


def entry(run: str, event: str, **details: Any) -> dict[str, Any]:
    """Return one line of a journal: the run, the time in UTC, what happened."""
    return {"run": run, "at": _now(), "event": event, **details}


def line(record: dict[str, Any]) -> str:
    """Return a record as one line of JSON."""
    return json.dumps(record)


def redacted(record: dict[str, Any], gate: Redactor) -> dict[str, Any]:
    """Return a record without secrets. Value by value: a password may be a number or a key."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: clean(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [clean(each) for each in value]
        return value if isinstance(value, int | float | None) else gate.text(str(value))

    return {key: clean(value) for key, value in record.items()}


@dataclass(frozen=True)
class Journal:
    """This machine's record of one run.

    Args:
        directory: The run's own, made with mode 0700.
        run: Its id.
        gate: Takes secrets out of every line.
    """

    directory: Path
    run: str
    gate: Redactor

    @classmethod
    def begin(cls, environment: str, run: str, gate: Redactor) -> Journal:
        """Make the run's directory.

        Raises:
            UsageError: This machine has no place for it.
        """
        directory = local_state() / environment / run
        try:
            directory.mkdir(parents=True, mode=0o700)
        except OSError as error:
            raise UsageError(
                f"{directory}: the journal cannot be kept there: {error.strerror}",
                "XDG_STATE_HOME names another directory",
            ) from error
        return cls(directory, run, gate)

    def write(self, event: str, **details: Any) -> None:
        """Add a line, and see that it is on the disk before going on.

        Raises:
            StepFailed: It cannot be written, so nothing more is begun.
        """
        text = line(redacted(entry(self.run, event, **details), self.gate)) + "\n"
        path = self.directory / "journal.jsonl"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StepFailed(
                f"{path}: the journal cannot be written: {error.strerror}",
                "nothing more was begun; make room there, then look at `status`",
            ) from error

    def open_log(self, name: str) -> BinaryIO:
        """Open the log of one step for writing."""
        descriptor = os.open(self.directory / f"{name}.log", os.O_WRONLY | os.O_CREAT, 0o600)
        return os.fdopen(descriptor, "wb")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
