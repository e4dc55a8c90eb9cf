"""Jobs: scripts that change something run detached on the host, and are only followed from here.

A job is a directory, 0700, that its supervisor fills: `log` (both outputs of the script), `pid`
and `script` (process id and start time of the supervisor and of the script, which together name a
process for good), `rc` (the exit code, written by a rename). The client chooses its name, so that
starting it twice starts it once. When the link drops, the job goes on; the client connects again
and reads the log on from the byte where it was.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_random_exponential,
)

from ops.errors import ConnectionLost, HostKeyRefused, Refused, StepFailed, Unreachable
from ops.host.script import Script, shell_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ops.host.base import Host
    from ops.host.script import Renderable, Value

RECONNECT_SECONDS: Final = 600.0
"""How long a lost connection is tried again."""


class Follower(Protocol):
    """Who watches a job."""

    def output(self, block: bytes) -> None:
        """Take a piece of the log, cut anywhere."""

    def notice(self, text: str) -> None:
        """Take a line about the connection."""


@dataclass(frozen=True)
class Job:
    """A job's place and its entries in the journal.

    Args:
        directory: On the host; its parent is the run's directory, which holds the journal.
        lock: The lock file whose holder is this run; empty for a job without a lock.
        run: The run's id, as on the lock's card.
        before: One line of JSON for the journal, written before the job starts.
        end: The beginning of the line written after it, up to the exit code.
    """

    directory: str
    lock: str = ""
    run: str = ""
    before: str = "{}"
    end: str = '{"rc":'


@dataclass(frozen=True)
class _Start:
    """The text that starts a job, and everything it is wrapped in."""

    job: Job
    script: Renderable

    def render(self) -> str:
        return self._text(self.script.render())

    def masked(self) -> str:
        return self._text(self.script.masked())

    def _text(self, script: str) -> str:
        job = self.job
        own: dict[str, Value] = {
            "job": job.directory,
            "lock": job.lock,
            "run": job.run,
            "end": job.end,
        }
        supervisor = Script(_texts("process", "lock_functions", "supervisor"), own).render()
        launcher = Script(_texts("job"), {"job": job.directory, "before": job.before}).render()
        whole = _filled(supervisor, "@script@", script, "END_OF_JOB")
        return _filled(launcher, "@supervisor@", whole, "END_OF_SUPERVISOR")


def _texts(*names: str) -> str:
    return "".join(shell_text("ops.host", name) for name in names)


def _filled(text: str, place: str, inner: str, delimiter: str) -> str:
    """Put a text where a line holds its place, unless it would end there before its end.

    Raises:
        Refused: A line of it is the delimiter.
    """
    if delimiter in inner.splitlines():
        raise Refused(
            f"a script for the host holds the line {delimiter}, at which it would be cut",
            "look for that line in the inventory and in the database URL",
        )
    before, _, after = text.partition(f"\n{place}\n")
    return f"{before}\n{inner.rstrip(chr(10))}\n{after}"


@dataclass(frozen=True)
class _Chain:
    """Several texts for one shell, one after the other."""

    parts: tuple[Renderable, ...]

    def render(self) -> str:
        return "".join(part.render() for part in self.parts)

    def masked(self) -> str:
        return "".join(part.masked() for part in self.parts)


def start_script(job: Job, script: Renderable) -> Renderable:
    """Return the text that starts a job, unless it was started before."""
    return _Start(job, script)


def follow_script(job: Job, offset: int, mark: str) -> Script:
    """Return the script that prints the job's log from a byte on, until the job ends."""
    values: dict[str, Value] = {"job": job.directory, "offset": offset, "mark": mark}
    return Script(_texts("process", "follow"), values)


def run_job(
    host: Host, job: Job, script: Renderable, follower: Follower, reconnect: float | None = None
) -> int:
    """Start a job and follow it to its end, over as many connections as that takes.

    Args:
        host: Where it runs.
        job: Its name and place.
        script: What it does.
        follower: Gets the log, every byte once, and notices about the connection.
        reconnect: Seconds for which a lost connection is tried again; default ten minutes.

    Returns:
        The script's exit code.

    Raises:
        ConnectionLost: The host did not come back in time. The job may go on there.
        StepFailed: The job died without an exit code, or never started.
    """
    return _Following(host, job, follower, script, reconnect or RECONNECT_SECONDS).to_the_end()


def attach_job(host: Host, job: Job, follower: Follower, reconnect: float | None = None) -> int:
    """Follow a job that was started before, from the first byte of its log. As `run_job`."""
    return _Following(host, job, follower, None, reconnect or RECONNECT_SECONDS).to_the_end()


class _Following:
    """The state of following one job: how much of its log is here."""

    def __init__(
        self, host: Host, job: Job, follower: Follower, script: Renderable | None, window: float
    ) -> None:
        self._host = host
        self._job = job
        self._follower = follower
        self._start = start_script(job, script) if script else None
        self._window = window
        self._offset = 0
        self._mark = f"@{secrets.token_hex(8)}"
        self._reached = False

    def to_the_end(self) -> int:
        lost_at = time.monotonic()
        while True:
            self._reached = False
            try:
                return self._follow()
            except Unreachable as error:
                if not may_pass(error):
                    raise
                if self._reached:
                    lost_at = time.monotonic()
                self._follower.notice(f"{error.message}; the job goes on there, connecting again")
                self._reconnect(self._window - (time.monotonic() - lost_at))

    def _follow(self) -> int:
        """Follow on one connection. Starts the job first, until it is known to be started."""
        follow = follow_script(self._job, self._offset, self._mark)
        text = _Chain((self._start, follow)) if self._start else follow
        with self._host.open(text) as process:
            process.finish_input()
            for block in self._log(process.blocks()):
                self._offset += len(block)
                self._follower.output(block)
            exit_code = process.wait()
            return self._ended(exit_code, process.errors().decode(errors="replace"))

    def _log(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Leave out what comes before the log."""
        head = f"{self._mark} log\n".encode()
        received = b""
        for block in blocks:
            received += block
            _, found, log = received.partition(head)
            if found:
                self._reached = True
                self._start = None  # the job is there
                if log:
                    yield log
                break
        yield from blocks

    def _ended(self, follow_exit: int, errors: str) -> int:
        told = [line for line in errors.splitlines() if not line.startswith(self._mark)]
        ends = [line for line in errors.splitlines() if line.startswith(self._mark)]
        words = ends[-1].split()[1:] if ends else []
        where = f"{self._host.label}: the job"
        log = f"its log: {self._job.directory}/log"
        match words:
            case ["exit", code] if code.isdigit():
                return int(code)
            case ["at", "work", pid]:
                raise StepFailed(
                    f"{where}'s supervisor was killed, but its script (pid {pid}) is still at work",
                    f"wait until it has ended, then see what stands; {log}",
                )
            case ["died"]:
                raise StepFailed(
                    f"{where} died without an exit code",
                    f"it was killed, its disk is full, or the host restarted; {log}",
                )
        why = told[-1] if told else f"no sign of it, exit code {follow_exit}"
        raise StepFailed(
            f"{where} did not start, or cannot be followed: {why}",
            f"look at {self._job.directory} on the host",
        )

    def _reconnect(self, seconds: float) -> None:
        try:
            reconnect(self._host, seconds, self._follower.notice)
        except ConnectionLost as error:
            raise ConnectionLost(f"{error.message}; the job may go on there", error.hint) from error


def reconnect(host: Host, seconds: float, notice: Callable[[str], None]) -> None:
    """Connect again after a connection was lost; tries at least once.

    Args:
        host: Which.
        seconds: For how long.
        notice: Is told of each attempt that failed, and of the end.

    Raises:
        HostKeyRefused: Another host answers.
        ConnectionLost: None does.
    """

    def tell(state: RetryCallState) -> None:
        if state.outcome and (error := state.outcome.exception()):
            notice(f"{error}; trying again")

    attempts = Retrying(
        retry=retry_if_exception(may_pass),
        stop=stop_after_delay(max(seconds, 0)),
        wait=wait_random_exponential(multiplier=0.4, max=10),
        before_sleep=tell,
        reraise=True,
    )
    try:
        attempts(host.reconnect)
    except Unreachable as error:
        if not may_pass(error):
            raise
        raise ConnectionLost(
            f"{error.message}; given up after {max(seconds, 0):.0f} s",
            "when the host is back: fab ENVIRONMENT runs, and attach",
        ) from error
    notice(f"{host.label}: connected again")


def may_pass(error: BaseException) -> bool:
    """Whether trying again makes sense: never against a host that is not the one we know."""
    return isinstance(error, Unreachable) and not isinstance(error, HostKeyRefused)
