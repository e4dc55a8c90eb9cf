"""One run at a time per environment, whichever user connects.

flock(2) on a file in the repository's git directory. A run takes it alone, writes its card, and
turns it into a shared lock, which its keeper and each of its jobs hold; another run, which wants
it alone, cannot have it before all of them are gone. The kernel frees it when they die.
"""

from __future__ import annotations

import getpass
import json
import platform
import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ops.errors import Busy, ConnectionLost, StepFailed
from ops.host.script import HostPath, Script, Value, shell_text
from ops.run.journal import entry, line

if TYPE_CHECKING:
    from ops.host.base import Host, Process
    from ops.inventory import Environment

LEASE_SECONDS: Final = 600
"""How long a run that lost its connection keeps the lock: the time it may need to come back."""


def state_values(environment: Environment, name: str) -> dict[str, Value]:
    """Return the values that `state.sh` needs."""
    return {
        "repo": HostPath(environment.repo),
        "setting": HostPath(environment.state) if environment.state else "",
        "environment": name,
    }


def keeper_script(environment: Environment, name: str, run: str, action: str, mark: str) -> Script:
    """Return the script that takes and keeps the lock of a run."""
    card = {
        "run": run,  # first: the scripts look for it there
        "action": action,
        "by": getpass.getuser(),
        "from": platform.node(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    body = "".join(
        shell_text(package, text)
        for package, text in (
            ("ops.run", "state"),
            ("ops.host", "lock_functions"),
            ("ops.run", "keeper"),
        )
    )
    values: dict[str, Value] = {
        **state_values(environment, name),
        "run": run,
        "card": json.dumps(card, separators=(",", ":")),
        "lease": LEASE_SECONDS,
        "mark": mark,
        "began": line(entry(run, "began", **{key: card[key] for key in ("action", "by", "from")})),
    }
    return Script(body, values, talks=True)


@dataclass(frozen=True)
class Card:
    """Who holds the lock."""

    run: str
    action: str
    by: str
    origin: str
    since: str

    @classmethod
    def parse(cls, text: str) -> Card | None:
        """Read a card; None when there is none, or nobody can read it."""
        try:
            card = json.loads(text)
            return cls(card["run"], card["action"], card["by"], card["from"], card["since"])
        except (ValueError, KeyError, TypeError):
            return None

    def __str__(self) -> str:
        return f"{self.action} by {self.by} from {self.origin} since {self.since}, run {self.run}"


class Keeper:
    """The lock of one run, held by a script on the host. Use `with`."""

    def __init__(
        self, host: Host, environment: Environment, name: str, run: str, action: str
    ) -> None:
        self._host = host
        self._name = name
        self._mark = f"@{secrets.token_hex(8)}"
        self._script = keeper_script(environment, name, run, action, self._mark)
        self._stack = ExitStack()
        self._process: Process | None = None
        self.state = ""

    @property
    def lock(self) -> str:
        """The lock file on the host."""
        return f"{self.state}/{self._name}.lock"

    def take(self) -> None:
        """Take the lock, or take it up again after the connection was lost.

        Raises:
            Busy: Another run has it; the message says whose.
        """
        self._stack.close()
        self._stack = ExitStack()
        process = self._stack.enter_context(self._host.open(self._script))
        answer = _first_answer(process, self._mark)
        match answer.partition(" "):
            case ("held", _, state):
                self._process, self.state = process, state
            case ("busy", _, text):
                self._stack.close()
                card = Card.parse(text)
                raise Busy(
                    f"{self._name} is taken: {card or 'by a run that left no card'}",
                    f"wait for it, follow it: fab {self._name} attach"
                    + (f" --run {card.run}" if card else "")
                    + f"; if its holder is gone: fab {self._name} unlock",
                )
            case _:
                process.wait()
                self._stack.close()
                problem = process.errors().decode(errors="replace").strip().splitlines()
                raise StepFailed(
                    f"the lock cannot be taken: {problem[-1] if problem else 'no answer'}"
                )

    def ensure(self) -> None:
        """See that the keeper is still there; start it again when the connection was lost."""
        try:
            if self._process is not None:
                self._process.send(b"\n")
                return
        except ConnectionLost:
            pass
        self.take()

    def release(self, record: dict[str, Any]) -> None:
        """Give the lock back, with the journal's last line."""
        self._say(f"release {line(record)}")

    def leave(self) -> None:
        """Go away while a job of this run is at work: it holds the lock until it ends."""
        self._say("leave")

    def _say(self, words: str) -> None:
        """Tell the keeper; one that cannot be reached any more ends when its lease does."""
        if self._process is None:
            return
        try:
            self._process.send(words.encode() + b"\n")
            self._process.finish_input()
            self._process.wait()
        except ConnectionLost:
            pass
        finally:
            self._process = None
            self._stack.close()


def _first_answer(process: Process, mark: str) -> str:
    """Read the keeper's first line, and leave it running."""
    received = b""
    for block in process.blocks():
        received += block
        for found in received.decode(errors="replace").splitlines(keepends=True):
            if found.startswith(mark) and found.endswith("\n"):
                return found.removeprefix(mark).strip()
    return ""
