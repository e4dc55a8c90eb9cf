"""Carry out a plan: each step a job on the host, announced before and judged after."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from ops.errors import Interrupted, OpsError, Refused, StepFailed, Terminated
from ops.host.job import Job, run_job
from ops.run.journal import Journal, entry, line, new_run_id, redacted
from ops.run.lock import Keeper
from ops.steps.base import NOT_AS_PLANNED
from ops.steps.codes import telling

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from types import TracebackType

    from ops.host.base import Host
    from ops.host.output import Output
    from ops.inventory import Environment
    from ops.secrets import Redactor
    from ops.steps.base import Step

_TAIL: Final = 256 * 1024
"""Bytes of a step's log that are kept in memory, for its success text and for messages."""


_SIGNALLED: Final = 128
"""A shell adds this to the number of the signal that ended a command."""


class Observer(Protocol):
    """Who shows people what happens."""

    def step_started(self, number: int, step: Step) -> None:
        """A step begins."""

    def step_ended(self, number: int, step: Step, seconds: float) -> None:
        """A step ended well."""

    def output(self, journal_log: Any) -> Output:
        """Return where the output of the next step goes."""

    def notice(self, text: str) -> None:
        """A line about the connection or the run."""


@dataclass(frozen=True)
class StepResult:
    """A step that ended well."""

    name: str
    seconds: float
    log: str


@dataclass
class Run:
    """One run of one action. Use `with`: it holds the lock and closes the journal."""

    host: Host
    environment: Environment
    name: str
    action: str
    gate: Redactor
    observer: Observer
    id: str
    journal: Journal
    because: dict[str, str] = field(default_factory=dict)
    results: list[StepResult] = field(default_factory=list)
    _job_goes_on: bool = False

    @classmethod
    def begin(
        cls,
        host: Host,
        environment: Environment,
        name: str,
        action: str,
        gate: Redactor,
        observer: Observer,
        now: datetime,
        reason: str = "",
    ) -> Run:
        """Return a run with its journal begun on this machine; the lock is taken by `with`.

        `reason` is a person's, for going on where the tool would not; every step's line in both
        journals holds it.
        """
        run_id = new_run_id(now)
        journal = Journal.begin(name, run_id, gate)
        because = {"because": reason} if reason else {}
        journal.write("began", action=action, environment=name, host=host.label, **because)
        return cls(host, environment, name, action, gate, observer, run_id, journal, because)

    def __post_init__(self) -> None:
        """Prepare the keeper; nothing is on the host yet."""
        self._keeper = Keeper(
            self.host, self.environment, self.name, self.id, self.action, self.observer.notice
        )

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            Busy: Another run has it.
        """
        try:
            self._keeper.take()
        except OpsError as error:
            self.journal.write("refused", exit_code=error.exit_code, message=error.message)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back, unless a job goes on under it."""
        details: dict[str, Any] = {"result": "done"}
        if isinstance(error, OpsError):
            details = {"result": type(error).__name__, "message": error.message}
        elif isinstance(error, KeyboardInterrupt):
            details = {"result": Interrupted.__name__, "message": "nothing goes on on the host"}
        elif error is not None:
            details = {"result": "bug", "message": repr(error)}
        try:
            self.journal.write("ended", **details)
        finally:
            if self._job_goes_on:
                self._keeper.leave()
            else:
                self._keeper.release(redacted(entry(self.id, "ended", **details), self.gate))

    @property
    def directory(self) -> str:
        """The run's directory on the host."""
        return f"{self._keeper.state}/runs/{self.id}"

    def carry_out(self, steps: Iterable[Step], ledger: list[dict[str, Any]]) -> None:
        """Carry out steps, one after the other.

        Args:
            steps: What to do.
            ledger: The ledger's open rows, which go into the journal before anything changes.

        Raises:
            Refused: A step found things other than planned, and did nothing.
            StepFailed: A step failed. The ones after it were not started.
            ConnectionLost: The host did not come back; the step may go on there.
            Interrupted: Ctrl-C or SIGTERM; the step goes on.
        """
        for step in steps:
            self._carry_out(step, ledger)

    def _carry_out(self, step: Step, ledger: list[dict[str, Any]]) -> None:
        number = len(self.results) + 1
        self._keeper.ensure()
        details: dict[str, Any] = {
            "step": step.name,
            "number": number,
            "commands": step.commands,
            **self.because,
        }
        if step.writes_database:
            details["open_rows"] = ledger
        before = line(redacted(entry(self.id, "step begins", **details), self.gate))
        after = line({"run": self.id, "event": "step ended", "step": step.name, "number": number})
        job = Job(
            directory=f"{self.directory}/{number:02}-{step.name}",
            lock=self._keeper.lock,
            run=self.id,
            before=before,
            end=after[:-1] + ',"rc":',
        )
        self.journal.write("step begins", **details)
        self.observer.step_started(number, step)
        began = time.monotonic()
        exit_code, log = self._follow(job, step, number)
        seconds = time.monotonic() - began
        self.journal.write("step ended", step=step.name, number=number, rc=exit_code)
        _judge(step, exit_code, log, job)
        self.results.append(StepResult(step.name, seconds, log))
        self.observer.step_ended(number, step, seconds)

    def _follow(self, job: Job, step: Step, number: int) -> tuple[int, str]:
        """Follow a step to its end. A log that cannot be written here ends only the following."""
        try:
            return self._followed(job, step, number)
        except BrokenPipeError:
            raise  # nobody reads stdout any more
        except OSError as error:
            goes_on = f"; the step goes on on {self.host.label}" if self._job_goes_on else ""
            raise StepFailed(
                f"{self.journal.directory}: the log cannot be written: {error.strerror}{goes_on}",
                f"make room there, then: fab {self.name} attach --run {self.id}",
            ) from error

    def _followed(self, job: Job, step: Step, number: int) -> tuple[int, str]:
        with self.journal.open_log(f"{number:02}-{step.name}") as log:
            follower = _Follower(self.observer, self.observer.output(log))
            self._job_goes_on = True
            try:
                exit_code = run_job(self.host, job, step.script, follower)
            except (KeyboardInterrupt, Terminated) as error:
                kind = Terminated if isinstance(error, Terminated) else Interrupted
                raise kind(
                    f"interrupted; the step `{step.name}` goes on on {self.host.label}",
                    f"follow it: fab {self.name} attach --run {self.id}",
                ) from error
            except StepFailed:
                self._job_goes_on = False
                raise
            finally:
                follower.finish()
            self._job_goes_on = False
            return exit_code, self.gate.text(follower.tail)


class _Follower:
    """Passes a job's log on, and keeps its end."""

    def __init__(self, observer: Observer, output: Output) -> None:
        self._observer = observer
        self._output = output
        self._blocks: deque[bytes] = deque()
        self._size = 0

    def output(self, block: bytes) -> None:
        self._output.feed(block)
        self._blocks.append(block)
        self._size += len(block)
        while self._size - len(self._blocks[0]) > _TAIL:
            self._size -= len(self._blocks.popleft())

    def notice(self, text: str) -> None:
        self._observer.notice(text)

    def finish(self) -> None:
        self._output.finish()

    @property
    def tail(self) -> str:
        return b"".join(self._blocks).decode(errors="replace")


def _judge(step: Step, exit_code: int, log: str, job: Job) -> None:
    """Decide whether a step did what it announced."""
    lines = [text for text in log.splitlines() if text.strip()]
    last = lines[-1].strip() if lines else "it printed nothing"
    if exit_code == NOT_AS_PLANNED:
        raise Refused(f"{step.name}: {last}", "look at what has changed, then start again")
    if exit_code != 0:
        line, hint = telling(log)
        how = f"failed with exit code {exit_code}"
        if exit_code > _SIGNALLED:
            how = f"was ended by signal {exit_code - _SIGNALLED}"
        raise StepFailed(
            f"{step.name} {how}: {line}",
            f"{hint}{'; ' if hint else ''}its whole log on the host: {job.directory}/log",
        )
    if step.success and not any(text in log for text in step.success):
        raise StepFailed(
            f"{step.name} ended with exit code 0, but without saying {step.success[0]!r}",
            "Prisma does that when its engine dies; look at the log and the ledger",
        )
