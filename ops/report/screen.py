"""The screen: our own lines, and the host's output with a prefix.

For a program that asked for JSON, everything for people goes to stderr, and stdout holds the one
JSON document.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, BinaryIO

from rich.console import Console

from ops.errors import Refused
from ops.host.output import Output
from ops.report.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ops.secrets import Redactor
    from ops.steps.base import Step


class Screen:
    """Where people look.

    Args:
        name: The environment, put before each line of the host.
        gate: Takes secrets out of everything.
        for_program: Whether stdout is kept free for JSON.
    """

    def __init__(self, name: str, gate: Redactor, *, for_program: bool = False) -> None:
        self._file = sys.stderr if for_program else sys.stdout
        self._console = Console(
            file=self._file, highlight=False, markup=False, emoji=False, soft_wrap=True
        )
        self._name = name
        self._gate = gate

    def lines(self, lines: Iterable[str], style: str = "") -> None:
        """Show lines."""
        for text in lines:
            self.line(text, style)

    def line(self, text: str, style: str = "") -> None:
        """Show one line, without secrets and with nothing in it that a terminal would obey."""
        self._console.print(visible(self._gate.text(text)), style=style or None)
        self._file.flush()

    def step_started(self, number: int, step: Step) -> None:
        """Announce a step with its commands."""
        self.line(f"[{number}] {step.title}", "bold")
        self.lines((f"    $ {command}" for command in step.commands), "dim")

    def step_ended(self, number: int, step: Step, seconds: float) -> None:
        """Say that a step ended well."""
        self.line(f"[{number}] {step.name} done in {seconds:.1f} s", "green")

    def notice(self, text: str) -> None:
        """Show something about the connection or the run."""
        self.line(text, "yellow")

    def output(self, journal_log: BinaryIO) -> Output:
        """Return where a step's output goes: here with a prefix, and to its log."""
        return Output(self._gate, f"{self._name} | ", self._file.buffer, journal_log)

    def confirm(self, word: str) -> None:
        """Ask for a word. Raises Refused when something else is typed, or nobody can be asked."""
        if not sys.stdin.isatty():
            raise Refused(
                "not confirmed: there is no terminal to ask on",
                "add --yes when the plan is what you want (--dry-run shows it)",
            )
        self._console.print(f"type {word} to go on: ", end="")
        self._file.flush()
        if sys.stdin.readline().strip() != word:
            raise Refused("not confirmed, nothing was changed")
