"""What both doors do: reach an environment, call one action, end with its exit code."""

from __future__ import annotations

import signal
import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ops.errors import ExitCode, Interrupted, OpsError, Terminated
from ops.secrets import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

    from ops.actions.catalogue import Action
    from ops.report.outcome import Outcome


def perform(
    action: Action,
    inventory: Path | None,
    environment: str,
    options: dict[str, Any],
    *,
    as_json: bool = False,
) -> ExitCode:
    """Perform an action and return the program's exit code. Prints; never raises.

    Args:
        action: Which.
        inventory: Its file; default: found from the current directory.
        environment: Which of the inventory's.
        options: By name, as the action's function takes them.
        as_json: Whether stdout gets one JSON document, and all else goes to stderr.
    """
    gate = Redactor()
    try:
        with _ending_on_signals():
            outcome = _outcome(action, inventory, environment, options, gate, as_json=as_json)
    except OpsError as error:
        return _failed(error, action, environment, gate, as_json=as_json)
    except KeyboardInterrupt:
        stopped = Interrupted("interrupted; nothing goes on on the host")
        return _failed(stopped, action, environment, gate, as_json=as_json)
    except Exception as problem:  # noqa: BLE001 - the last door: everything else is a bug
        sys.stderr.write(gate.text("".join(traceback.format_exception(problem))))
        bug = OpsError(
            f"this is a bug in prisma-ops: {type(problem).__name__}",
            "please report it with the lines above",
        )
        return _failed(bug, action, environment, gate, as_json=as_json)
    if as_json:
        sys.stdout.write(gate.text(outcome.to_json(action.name, environment)) + "\n")
    return outcome.exit_code


def say_error(error: OpsError, gate: Redactor | None = None) -> str:
    """Return an error as people see it: one line, and its hint in a second."""
    text = f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else "")
    return (gate or Redactor()).text(text)


def _outcome(
    action: Action,
    inventory: Path | None,
    environment: str,
    options: dict[str, Any],
    gate: Redactor,
    *,
    as_json: bool,
) -> Outcome:
    from ops.actions.target import reach  # noqa: PLC0415 - paramiko: only when it is needed
    from ops.inventory import load, locate  # noqa: PLC0415

    loaded = load(inventory or locate())
    with reach(loaded, environment, gate, for_program=as_json) as target:
        return action.function()(target, **options)


def _failed(
    error: OpsError, action: Action, environment: str, gate: Redactor, *, as_json: bool
) -> ExitCode:
    sys.stderr.write(say_error(error, gate) + "\n")
    if as_json:
        from ops.report.outcome import Outcome  # noqa: PLC0415

        outcome = Outcome(error.exit_code, error.message)
        sys.stdout.write(gate.text(outcome.to_json(action.name, environment, error.hint)) + "\n")
    return error.exit_code


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Make SIGTERM and SIGHUP end an action as cleanly as Ctrl-C does."""

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        raise Terminated(f"ended by {signal.Signals(number).name}")

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
