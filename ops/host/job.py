"""Jobs: scripts that change something run detached on the host, and are only followed from here.

A job is a directory, 0700, that its supervisor fills: `log` (both outputs of the script), `pid`
(process id and start time, which together name a process for good), `rc` (the exit code, written
by a rename). The client chooses its name, so that starting it twice starts it once. When the link
drops, the job goes on; the client connects again and reads the log on from the byte where it was.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay
from tenacity import wait_exponential_jitter as exponential_jitter

from ops.errors import ConnectionLost, HostKeyRefused, StepFailed, Unreachable
from ops.host.script import Script, shell_text

if TYPE_CHECKING:
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
        functions = shell_text("ops.host", "lock_functions")
        supervisor = Script(functions + shell_text("ops.host", "supervisor"), own).render()
        for delimiter in ("END_OF_JOB", "END_OF_SUPERVISOR"):
            if delimiter in script:
                raise ValueError(f"a script holds the delimiter {delimiter}")
        supervisor = supervisor.replace("@script@", script)
        launcher = Script(
            shell_text("ops.host", "job"), {"job": job.directory, "before": job.before}
        ).render()
        return launcher.replace("@supervisor@", supervisor)


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
    return Script(shell_text("ops.host", "follow"), values)


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

    def to_the_end(self) -> int:
        lost_since = None
        while True:
            before = self._offset
            try:
                return self._follow()
            except ConnectionLost as error:
                if lost_since is None or self._offset > before:
                    lost_since = time.monotonic()
                self._follower.notice(f"{error.message}; the job goes on there, connecting again")
                self._reconnect(self._window - (time.monotonic() - lost_since))

    def _follow(self) -> int:
        """Follow on one connection. Starts the job first, until it is known to be started."""
        follow = follow_script(self._job, self._offset, self._mark)
        text = _Chain((self._start, follow)) if self._start else follow
        with self._host.open(text) as process:
            process.finish_input()
            for block in process.blocks():
                self._start = None  # its log exists
                self._offset += len(block)
                self._follower.output(block)
            exit_code = process.wait()
            return self._ended(exit_code, process.errors().decode(errors="replace"))

    def _ended(self, follow_exit: int, errors: str) -> int:
        ends = [line.removeprefix(self._mark) for line in errors.splitlines() if self._mark in line]
        words = ends[-1].split() if ends else []
        match words:
            case ["exit", code]:
                return int(code)
            case ["died"]:
                raise StepFailed(
                    f"{self._host.label}: the job died without an exit code",
                    f"it was killed, or the host restarted; its log: {self._job.directory}/log",
                )
        detail = errors.strip().splitlines()
        raise StepFailed(
            f"{self._host.label}: the job did not start"
            + (f": {detail[-1]}" if detail else f" (exit code {follow_exit})"),
            f"look at {self._job.directory} on the host",
        )

    def _reconnect(self, seconds: float) -> None:
        def tell(state: RetryCallState) -> None:
            if state.outcome and (error := state.outcome.exception()):
                self._follower.notice(f"{error}; trying again")

        attempts = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_delay(max(seconds, 0)),
            wait=exponential_jitter(initial=0.2, max=10),
            before_sleep=tell,
            reraise=True,
        )
        try:
            attempts(self._host.reconnect)
        except Unreachable as error:
            if not _may_pass(error):
                raise
            raise ConnectionLost(
                f"{error.message}; given up after {self._window:.0f} s, the job may go on there",
                "when the host is back: fab ENVIRONMENT runs, and attach",
            ) from error
        self._follower.notice(f"{self._host.label}: connected again")


def _may_pass(error: BaseException) -> bool:
    """Whether trying again makes sense: never against a host that is not the one we know."""
    return isinstance(error, Unreachable) and not isinstance(error, HostKeyRefused)
