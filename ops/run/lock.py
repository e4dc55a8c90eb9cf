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
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ops.errors import Busy, ConnectionLost, OpsError, StepFailed, Unreachable
from ops.host.job import RECONNECT_SECONDS, may_pass, reconnect
from ops.host.script import HostPath, Script, Value, shell_text
from ops.run.journal import entry, line

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.host.base import Host, Process
    from ops.inventory import Environment

LEASE_SECONDS: Final = 600
"""How long a run that lost its connection keeps the lock: the time it may need to come back."""
PING_SECONDS: Final = 5
"""How often a run tells its keeper that it is there. After three times as long a person may free
the lock: the keeper of a laptop that was closed sees no end of its connection for hours."""


def state_values(environment: Environment, name: str) -> dict[str, Value]:
    """Return the values that `state.sh` needs."""
    return {
        "repo": HostPath(environment.repo),
        "setting": HostPath(environment.state) if environment.state else "",
        "environment": name,
    }


def keeper_script(
    environment: Environment, name: str, run: str, action: str, mark: str, *, again: bool = False
) -> Script:
    """Return the script that takes and keeps the lock of a run.

    Args:
        environment: Whose lock.
        name: The environment's name.
        run: The run's id.
        action: What the run does.
        mark: Stands before the script's answer.
        again: Whether the run had the lock before and only lost its connection.
    """
    origin = platform.node()
    card = {
        "run": run,  # first: the scripts look for it there
        "action": action,
        "by": getpass.getuser(),
        "from": origin,
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
        "again": again,
        "lease": LEASE_SECONDS,
        "silence": 3 * PING_SECONDS,
        "mark": mark,
        "began": line(
            entry(run, "began", environment=name, action=action, by=card["by"], **{"from": origin})
        ),
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
    """The lock of one run, held by a script on the host.

    Args:
        host: Where.
        environment: Whose lock.
        name: The environment's name.
        run: The run's id.
        action: What the run does.
        notice: Is told about lost connections.
    """

    def __init__(
        self,
        host: Host,
        environment: Environment,
        name: str,
        run: str,
        action: str,
        notice: Callable[[str], None],
    ) -> None:
        self._host = host
        self._environment = environment
        self._name = name
        self._run = run
        self._action = action
        self._notice = notice
        self._mark = f"@{secrets.token_hex(8)}"
        self._stack = ExitStack()
        self._process: Process | None = None
        self._talking = threading.Lock()
        self.state = ""

    @property
    def lock(self) -> str:
        """The lock file on the host."""
        return f"{self.state}/{self._name}.lock"

    def take(self) -> None:
        """Take the lock, or take it up again after the connection was lost.

        Raises:
            Busy: Another run has it; the message says whose.
            StepFailed: There is no place for it on the host.
            Unreachable: There is no connection.
        """
        self._let_go()
        script = keeper_script(
            self._environment,
            self._name,
            self._run,
            self._action,
            self._mark,
            again=bool(self.state),
        )
        with ExitStack() as stack:
            process = stack.enter_context(self._host.open(script))
            try:
                self.state = self._held(process)
            except BaseException:
                # Ctrl-C, perhaps: better no lock than one that nobody knows of.
                with suppress(OpsError):
                    self._tell(process, "leave")
                raise
            gone = threading.Event()
            stack.callback(gone.set)
            threading.Thread(
                target=self._ping, args=(process, gone), name="keeper-ping", daemon=True
            ).start()
            self._stack = stack.pop_all()
            self._process = process

    def _held(self, process: Process) -> str:
        """Return the state's directory once the lock is held."""
        answer = _first_answer(process, self._mark)
        match answer.partition(" "):
            case ("held", _, state):
                return state
            case ("busy", _, text):
                card = Card.parse(text)
                raise Busy(
                    f"{self._name} is taken: {card or 'by a run that left no card'}",
                    f"wait for it, follow it: fab {self._name} attach"
                    + (f" --run {card.run}" if card else "")
                    + f"; if its holder is gone: fab {self._name} unlock",
                )
            case ("gone", _, text):
                card = Card.parse(text)
                raise Busy(
                    f"{self._name}: the lock was lost with the connection, and others have been "
                    f"there since{f': {card}' if card else ''}",
                    f"look at what stands, then start again: fab {self._name} status",
                )
        process.wait()
        problem = process.errors().decode(errors="replace").strip().splitlines()
        raise StepFailed(f"the lock cannot be taken: {problem[-1] if problem else 'no answer'}")

    def ensure(self) -> None:
        """See that the keeper is still there; connect and start it again when it is not.

        Raises:
            Busy: Others have been there meanwhile.
            ConnectionLost: The host did not come back within ten minutes.
        """
        if self._process is not None:
            try:
                self._process.send(b"\n")
            except ConnectionLost as error:
                self._notice(f"{error.message}; connecting again")
            else:
                return
        lost_at = time.monotonic()
        while True:
            try:
                self.take()
            except Unreachable as error:
                if not may_pass(error):
                    raise
                left = RECONNECT_SECONDS - (time.monotonic() - lost_at)
                reconnect(self._host, left, self._notice)
            else:
                return

    def release(self, record: dict[str, Any]) -> None:
        """Give the lock back, with the journal's last line.

        Where the connection is gone, one more is made for it. Without that, too, the keeper ends
        when its lease does.
        """
        try:
            self._say(f"release {line(record)}")
        except ConnectionLost:
            with suppress(OpsError):
                self._host.reconnect()
                self.take()
                self._say(f"release {line(record)}")

    def leave(self) -> None:
        """Go away while a job of this run is at work: it holds the lock until it ends."""
        with suppress(ConnectionLost):
            self._say("leave")

    def _say(self, words: str) -> None:
        process, self._process = self._process, None
        try:
            if process is not None:
                self._tell(process, words)
                process.wait()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        """Close what is open towards the keeper."""
        self._process = None
        stack, self._stack = self._stack, ExitStack()
        stack.close()

    def _tell(self, process: Process, words: str) -> None:
        with self._talking:
            process.send(words.encode() + b"\n")
            process.finish_input()

    def _ping(self, process: Process, gone: threading.Event) -> None:
        while not gone.wait(PING_SECONDS):
            with self._talking:
                if gone.is_set():
                    return
                try:
                    process.send(b"\n")
                except ConnectionLost:
                    return  # whoever needs the keeper next sees it, too


def _first_answer(process: Process, mark: str) -> str:
    """Read the keeper's first line, and leave it running. Empty when there is none."""
    received = b""
    for block in process.blocks():
        received += block
        # A login shell's greeting may stand before it.
        _, found, answer = received.partition(f"{mark} ".encode())
        if found and b"\n" in answer:
            return answer.partition(b"\n")[0].decode(errors="replace")
    return ""
