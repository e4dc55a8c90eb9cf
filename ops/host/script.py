"""Shell scripts for the host: built as values, quoted by type, rendered in one place.

A script is a body (a `.sh` file beside the module that uses it) and the values its variables get.
The rendered text travels on the stdin of `sh -s`, so that nothing of it, secrets least of all, is
ever in an argument list. Everything stands in one function that the last line calls: a script
that is cut on its way runs nothing.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final, Protocol

from ops.errors import Refused
from ops.secrets import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class HostPath:
    """A path on the host; `~/` at its beginning is the home directory of the user there."""

    text: str

    def __truediv__(self, more: str) -> HostPath:
        """Return the path of something inside."""
        return HostPath(f"{self.text.rstrip('/')}/{more}")

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Words:
    """A command and its first arguments. The variable becomes a shell function that runs it."""

    words: tuple[str | HostPath, ...]


Value = str | int | bool | HostPath | Secret | Words


class Renderable(Protocol):
    """A text for the stdin of a shell on the host."""

    def render(self) -> str:
        """Return the text with its secrets. Only for stdin."""

    def masked(self) -> str:
        """Return the text as people may see it."""


@dataclass(frozen=True)
class Script:
    """A shell script for the host.

    Args:
        body: Shell text, POSIX, without anything that varies.
        values: Its variables, in the order in which they are set.
        environment: Variables that are exported to what the script starts.
        path: Directories put before PATH.
        talks: Whether it reads its stdin; else that is /dev/null.
    """

    body: str
    values: Mapping[str, Value] = field(default_factory=dict)
    environment: Mapping[str, str | Secret] = field(default_factory=dict)
    path: tuple[HostPath, ...] = ()
    talks: bool = False

    def render(self) -> str:
        """Return the whole text, secrets included. Only for a host's stdin.

        Raises:
            Refused: A value holds a NUL byte.
        """
        return self._text(lambda secret: shlex.quote(secret.reveal()))

    def masked(self) -> str:
        """Return the whole text with `***` for every secret."""
        return self._text(lambda _: f"'{MASK}'")

    def _text(self, secret: Callable[[Secret], str]) -> str:
        lines = [*self._exports(secret), *self._assignments(secret), self.body.rstrip("\n")]
        call = "main" if self.talks else "main </dev/null"
        # In braces: a line cut in the middle (`main </dev`) would be another command.
        text = "main() {\n" + "\n".join(lines) + "\n}\n{ " + call + "\n}\n"
        if "\0" in text:
            raise Refused(
                "a value for the host holds a NUL byte, which no shell can take",
                "look for it in the inventory and in the database URL",
            )
        return text

    def _exports(self, secret: Callable[[Secret], str]) -> list[str]:
        # NO_COLOR and CHECKPOINT_DISABLE: Prisma prints plain text and calls nobody.
        lines = ["export LC_ALL=C NO_COLOR=1 CHECKPOINT_DISABLE=1 GIT_TERMINAL_PROMPT=0"]
        if self.path:
            lines.append("PATH=" + ":".join(_quote_path(path) for path in self.path) + ':"$PATH"')
        for name, value in self.environment.items():
            text = secret(value) if isinstance(value, Secret) else shlex.quote(value)
            lines.append(f"export {_checked(name)}={text}")
        return lines

    def _assignments(self, secret: Callable[[Secret], str]) -> list[str]:
        lines = []
        for name, value in self.values.items():
            match value:
                case Words(words):
                    quoted = " ".join(
                        _quote_path(word) if isinstance(word, HostPath) else shlex.quote(word)
                        for word in words
                    )
                    lines.append(f'{_checked(name)}() {{ {quoted} "$@"; }}')
                case Secret():
                    lines.append(f"{_checked(name)}={secret(value)}")
                case HostPath():
                    lines.append(f"{_checked(name)}={_quote_path(value)}")
                case bool():
                    lines.append(f"{_checked(name)}={'yes' if value else ''}")
                case int():
                    lines.append(f"{_checked(name)}={value}")
                case str():
                    lines.append(f"{_checked(name)}={shlex.quote(value)}")
        return lines


@cache
def shell_text(package: str, name: str) -> str:
    """Return the shell text of a `.sh` file in a package, without its comment header.

    Args:
        package: The package the file lies in, e.g. `ops.facts`.
        name: The file's name without `.sh`.
    """
    text = resources.files(package).joinpath(f"{name}.sh").read_text(encoding="utf-8")
    return re.sub(r"\A(?:#[^\n]*\n|\n)+", "", text)


def _quote_path(path: HostPath) -> str:
    if path.text == "~" or path.text.startswith("~/"):
        rest = path.text[2:]
        return '"$HOME"' + (f"/{shlex.quote(rest)}" if rest else "")
    return shlex.quote(path.text)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not the name of a shell variable: {name!r}")
    return name
