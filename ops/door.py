"""What both doors do: reach an environment, call one action, end with its exit code."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import traceback
from contextlib import contextmanager, suppress
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names on the host may hold what this terminal's encoding has no sign for.
            stream.reconfigure(errors="backslashreplace")
    try:
        with _ending_on_signals():
            outcome = _outcome(action, inventory, environment, options, gate, as_json=as_json)
    except OpsError as error:
        return _failed(error, action, environment, gate, as_json=as_json)
    except KeyboardInterrupt:
        stopped = Interrupted("interrupted; this call left nothing at work on the host")
        return _failed(stopped, action, environment, gate, as_json=as_json)
    except BrokenPipeError:
        _forget_stdout()
        unread = Interrupted(
            "interrupted: nobody reads the output any more",
            f"a step that had begun goes on on the host: fab {environment} runs",
        )
        return _failed(unread, action, environment, gate, as_json=False)
    except Exception as problem:  # noqa: BLE001 - the last door: everything else is a bug
        _tell(gate.text("".join(traceback.format_exception(problem))))
        bug = OpsError(
            f"this is a bug in prisma-ops: {type(problem).__name__}",
            "please report it with the lines above",
        )
        return _failed(bug, action, environment, gate, as_json=as_json)
    if as_json:
        print_json(outcome, action.name, environment, gate)
    return outcome.exit_code


def say_error(error: OpsError, gate: Redactor | None = None) -> str:
    """Return an error as people see it: one line, and its hint in a second."""
    text = f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else "")
    return (gate or Redactor()).text(text)


def print_json(
    outcome: Outcome, action: str, environment: str, gate: Redactor, hint: str = ""
) -> None:
    """Print the one document that `--json` asks for, without secrets."""
    document = gate.data(json.loads(outcome.to_json(action, environment, hint)))
    try:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the action is over: its exit code still says how it ended
        _forget_stdout()


def _tell(text: str) -> None:
    with suppress(OSError):  # the terminal is gone, and with it whom to tell
        sys.stderr.write(text)
        sys.stderr.flush()


def _forget_stdout() -> None:
    """Let what is still buffered for stdout go nowhere, or Python fails when it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


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
    _tell(say_error(error, gate) + "\n")
    if as_json:
        from ops.report.outcome import Outcome  # noqa: PLC0415

        outcome = Outcome(error.exit_code, error.message)
        print_json(outcome, action.name, environment, gate, error.hint)
    return error.exit_code


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Make SIGTERM and SIGHUP end an action as cleanly as Ctrl-C does.

    A signal that is ignored stays so: that is what `nohup` asks for.
    """

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        raise Terminated(f"ended by {signal.Signals(number).name}")

    before = {
        number: signal.signal(number, end)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
