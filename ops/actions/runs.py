"""`runs`, `attach` and `unlock`: what has run, following it, and freeing what died."""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import TYPE_CHECKING

from ops.errors import Busy, ExitCode, Interrupted, StepFailed, UsageError
from ops.host.job import Job, attach_job
from ops.report.outcome import Outcome
from ops.run.history import History, PastRun, read_history

if TYPE_CHECKING:
    from ops.actions.target import Target
    from ops.host.output import Output


def runs(target: Target) -> Outcome:
    """List the runs that the host knows, oldest first, and who holds the lock."""
    history = _history(target)
    for run in history.runs:
        state = run.result or ("at work" if _is_held_by(history, run) else "did not end")
        target.screen.line(f"{run.id}  {run.action:8} {state:12} by {run.by}  {run.message}")
        for job in run.jobs:
            code = "no exit code yet" if job.exit_code is None else f"exit code {job.exit_code}"
            target.screen.line(f"    {job.name}: {code}")
    if not history.runs:
        target.screen.line("no runs yet")
    if history.held:
        target.screen.line(f"the lock is held: {history.card or 'without a card'}", "yellow")
    data = {"runs": [asdict(run) for run in history.runs], "locked": history.held}
    return Outcome(ExitCode.OK, f"{len(history.runs)} runs", data)


def attach(target: Target, *, run: str = "") -> Outcome:
    """Follow the latest step of a run, from the beginning of its log.

    Args:
        target: Where.
        run: The run's id; default: the newest.
    """
    history = _history(target)
    found = [past for past in history.runs if run in ("", past.id)]
    if not found:
        raise UsageError(
            f"there is no run {run}" if run else "there are no runs", f"fab {target.name} runs"
        )
    past = found[-1]
    if not past.jobs:
        return Outcome(ExitCode.OK, f"run {past.id} has no steps: {past.message or past.result}")
    last = past.jobs[-1]
    target.screen.line(f"run {past.id}, {past.action}, step {last.name}", "bold")
    job = Job(f"{history.state}/runs/{past.id}/{last.name}", run=past.id)
    follower = _Follower(target)
    try:
        exit_code = attach_job(target.host, job, follower)
    except KeyboardInterrupt as error:
        raise Interrupted("no longer following; the step goes on on the host") from error
    finally:
        follower.screen_output.finish()
    message = f"step {last.name} of run {past.id} ended with exit code {exit_code}"
    target.screen.line(message, "green" if exit_code == 0 else "red")
    if exit_code != 0:
        raise StepFailed(message, f"see what stands: fab {target.name} status")
    return Outcome(ExitCode.OK, message, {"run": past.id, "step": last.name})


def unlock(target: Target) -> Outcome:
    """Free the lock of a run whose holder is gone. Shows its card first.

    Raises:
        Busy: The holder is there, or one of its steps is still at work.
    """
    history = _history(target)
    if history.card is None and not history.held:
        return Outcome(ExitCode.OK, "the lock is free")
    target.screen.line(f"the lock's card: {history.card or 'there is none'}")
    if history.held:
        dismissed = history.card.run if history.card else ""
        if dismissed:
            history = _history(target, dismissed)
        if history.held:
            raise Busy(
                f"{target.name} is at work: {history.card or 'a run without a card'}",
                f"follow it: fab {target.name} attach",
            )
    elif history.card:
        _history(target, history.card.run)
    return Outcome(ExitCode.OK, "the lock is free now")


class _Follower:
    """Shows a followed job's log, without writing it anywhere."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.screen_output: Output = target.screen.output(io.BytesIO())

    def output(self, block: bytes) -> None:
        self.screen_output.feed(block)

    def notice(self, text: str) -> None:
        self._target.screen.notice(text)


def _history(target: Target, dismiss: str = "") -> History:
    return read_history(target.host, target.environment, target.name, dismiss)


def _is_held_by(history: History, run: PastRun) -> bool:
    return history.held and history.card is not None and history.card.run == run.id
