"""The runs that the host knows, and the lock as it stands."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ops.host.script import Script, shell_text
from ops.run.lock import Card, state_values

if TYPE_CHECKING:
    from ops.host.base import Host
    from ops.inventory import Environment


@dataclass(frozen=True)
class PastJob:
    """One step of a run: its directory's name, and its exit code, None while it has none."""

    name: str
    exit_code: int | None


@dataclass(frozen=True)
class PastRun:
    """A run as its journal on the host tells it.

    Args:
        result: `done`, the kind of error, or empty for a run that did not end.
    """

    id: str
    environment: str
    action: str
    by: str
    at: str
    result: str
    message: str
    jobs: tuple[PastJob, ...]


@dataclass(frozen=True)
class History:
    """Everything the host knows of an environment's runs, oldest first.

    Args:
        state: The directory that holds it.
        held: Whether the lock is held now.
        card: Who has it, or, when it is free, who had it and died.
    """

    state: str
    held: bool
    card: Card | None
    runs: tuple[PastRun, ...]


def history_script(environment: Environment, name: str, mark: str, dismiss: str = "") -> Script:
    """Return the script that lists runs; with `dismiss`, it first frees a dead run's lock."""
    body = "".join(
        shell_text(package, text)
        for package, text in (
            ("ops.run", "state"),
            ("ops.host", "lock_functions"),
            ("ops.run", "history"),
        )
    )
    return Script(body, {**state_values(environment, name), "mark": mark, "dismiss": dismiss})


def read_history(host: Host, environment: Environment, name: str, dismiss: str = "") -> History:
    """Ask the host for its runs.

    Raises:
        StepFailed: The host has no place for them.
    """
    mark = f"@{secrets.token_hex(8)}"
    output = host.run(history_script(environment, name, mark, dismiss)).checked("listing runs")
    history = parse_history(output.decode(errors="replace"), mark)
    # Several environments may share a checkout, and so the place of their runs.
    ours = tuple(run for run in history.runs if run.environment == name)
    return replace(history, runs=ours)


def parse_history(text: str, mark: str) -> History:
    """Read the script's answer."""
    state, held, card = "", False, None
    runs: list[PastRun] = []
    for part in re.split(rf"(?m)^{re.escape(mark)} ", text)[1:]:
        word, _, rest = part.partition(" ")
        first, _, more = rest.partition("\n")
        match word:
            case "state":
                state = first
            case "held" | "free":
                held, card = word == "held", Card.parse(first)
            case "run":
                runs.append(_run(first, more.splitlines()))
            case "job":
                name, _, code = first.partition(" ")
                job = PastJob(name, int(code) if code.isdigit() else None)
                runs[-1] = replace(runs[-1], jobs=(*runs[-1].jobs, job))
    return History(state, held, card, tuple(runs))


def _run(run: str, lines: list[str]) -> PastRun:
    began, ended = (_record(lines[index] if lines else "") for index in (0, -1))
    over = ended.get("event") == "ended"
    return PastRun(
        id=run,
        environment=str(began.get("environment", "")),
        action=str(began.get("action", "?")),
        by=f"{began.get('by', '?')}@{began.get('from', '?')}",
        at=str(began.get("at", "")),
        result=str(ended.get("result", "")) if over else "",
        message=str(ended.get("message", "")) if over else "",
        jobs=(),
    )


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
