"""The one way for remote output to leave the program: cleaned of secrets, prefixed, logged.

Works block by block, in constant memory. Whole lines only are shown, so no character is ever cut
and lines of two streams do not mix. On the screen control characters become `?`, because a terminal
obeys them; the log has everything as it came.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from ops.secrets import Redactor

_VISIBLE: Final = bytes(
    byte if byte in b"\n\t" or 32 <= byte != 127 else ord("?")  # noqa: PLR2004
    for byte in range(256)
)
_C1: Final = re.compile(rb"\xc2[\x80-\x9f]")
"""The other control characters, U+0080 to U+009F, as UTF-8."""


class Output:
    """Where the output of one job goes.

    Args:
        gate: Knows the secrets.
        prefix: Put before each line on the screen, e.g. `prod | `.
        screen: Where people look, or None.
        log: The complete log, without prefixes, or None.
    """

    def __init__(
        self, gate: Redactor, prefix: str, screen: BinaryIO | None, log: BinaryIO | None = None
    ) -> None:
        self._stream = gate.stream()
        self._prefix = prefix.encode()
        self._screen = screen
        self._log = log
        self._inside_line = False

    def feed(self, block: bytes) -> None:
        """Take a block of remote output, cut anywhere."""
        self._write(self._stream.feed(block))

    def finish(self) -> None:
        """Write what is left; an unfinished last line gets its end on the screen."""
        self._write(self._stream.flush())
        if self._inside_line and self._screen:
            self._screen.write(b"\n")
            self._screen.flush()
            self._inside_line = False
        if self._log:
            self._log.flush()

    def _write(self, clean: bytes) -> None:
        if not clean:
            return
        if self._log:
            self._log.write(clean)
        if self._screen is None:
            return
        clean = _for_a_terminal(clean)
        ended = clean.endswith(b"\n")
        body = clean[:-1] if ended else clean
        start = b"" if self._inside_line else self._prefix
        lines = body.replace(b"\n", b"\n" + self._prefix)
        self._screen.write(b"".join((start, lines, b"\n" if ended else b"")))
        self._screen.flush()
        self._inside_line = not ended


def _for_a_terminal(data: bytes) -> bytes:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    data = data.translate(_VISIBLE)
    return _C1.sub(b"?", data) if b"\xc2" in data else data
