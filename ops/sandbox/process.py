"""Programs that the sandbox starts: run to the end, or left running and ended again by name."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ops.errors import StepFailed
from ops.sandbox.ssh import started_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PROC: Final = Path("/proc")
_END_WITHIN: Final = 5.0
_TAIL_LINES: Final = 12


@dataclass(frozen=True)
class Process:
    """A program that goes on after the one that started it.

    Attributes:
        pid: Its process id; it leads a process group of the same number.
        started: When it started, as text: the same pid with another text is another process.
    """

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return started_at(self.pid) == self.started


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
    timeout: float = 600,
    what: str = "",
) -> str:
    """Run a program to its end and return what it wrote on stdout.

    Args:
        argv: The program and its arguments; never a secret among them.
        env: Its whole environment; this process's own where none is given.
        cwd: Its working directory.
        stdin: Text for its stdin.
        timeout: Seconds after which it is ended.
        what: What is being done, for the error; the program's name where nothing is given.

    Raises:
        StepFailed: It could not be started, took too long, or its exit code is not 0.
    """
    what = what or Path(argv[0]).name
    try:
        done = subprocess.run(
            [str(word) for word in argv],
            env=env,
            cwd=cwd,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise StepFailed(f"sandbox: {what}: {error.filename} is not there") from error
    except subprocess.TimeoutExpired as error:
        raise StepFailed(f"sandbox: {what}: not done after {timeout:g} s") from error
    if done.returncode != 0:
        raise StepFailed(f"sandbox: {what} failed: {_last_lines(done.stderr or done.stdout)}")
    return done.stdout


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-_TAIL_LINES:]) or "it said nothing"


def start(
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    account: int | None = None,
) -> Process:
    """Start a program that goes on by itself: its own session, no stdin, output appended to `log`.

    Args:
        argv: The program and its arguments; never a secret among them.
        log: The file for its stdout and stderr, made 0600.
        env: Its whole environment; this process's own where none is given.
        cwd: Its working directory.
        account: The user id to run as, with that user's group and no others; needs root.

    Raises:
        StepFailed: It could not be started, or had ended before it could be looked at.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        child = subprocess.Popen(
            [str(word) for word in argv],
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            user=account,
            extra_groups=[] if account is not None else None,
        )
    except OSError as error:
        raise StepFailed(f"sandbox: {argv[0]} cannot be started: {error.strerror}") from error
    finally:
        os.close(descriptor)
    _CHILDREN[child.pid] = child
    started = started_at(child.pid)
    if started is None:
        raise StepFailed(f"sandbox: {argv[0]} ended at once; its output is in {log}")
    return Process(child.pid, started)


_CHILDREN: Final[dict[int, subprocess.Popen[bytes]]] = {}
"""Our own children, so that an ended one is reaped and not taken for a running one."""


def exit_code(process: Process) -> int | None:
    """The exit code of a child of this process that has ended; None while it runs."""
    return _CHILDREN[process.pid].poll()


def end(process: Process, number: signal.Signals = signal.SIGTERM, *, alone: bool = False) -> None:
    """End a process and its group, with SIGKILL where the first signal does not do it.

    Args:
        process: It may have ended already.
        number: The first signal.
        alone: Only the process: it leads no group of its own.

    Raises:
        StepFailed: It does not even end on SIGKILL.
    """
    for attempt in (number, signal.SIGKILL):
        if not _running(process):
            return
        try:
            (os.kill if alone else os.killpg)(process.pid, attempt)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + _END_WITHIN
        while time.monotonic() < deadline:
            if not _running(process):
                return
            time.sleep(0.02)
    raise StepFailed(f"sandbox: process {process.pid} does not end")


def _running(process: Process) -> bool:
    if process.pid in _CHILDREN and _CHILDREN[process.pid].poll() is not None:
        return False
    return process.alive


def of_home(home: Path) -> list[Process]:
    """Processes whose HOME is the sandbox's: what sessions started and cut loose.

    Only where the system has /proc; elsewhere nothing is found.
    """
    wanted = f"HOME={home}".encode()
    found = []
    for entry in _PROC.iterdir() if _PROC.is_dir() else ():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or is another user's
            continue
        started = started_at(int(entry.name))
        if wanted in environment and started is not None:
            found.append(Process(int(entry.name), started))
    return found
