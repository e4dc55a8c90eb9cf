"""Secrets are a type, and one gate takes them out of everything that leaves the program.

A `Secret` shows itself as `***` wherever it is printed, formatted or put into an exception. Only
`reveal()` gives the value; it is called where a script for the host's stdin is rendered, and
nowhere else. A `Redactor` knows the secrets of a run in every form in which a program may print
them, and cleans text and byte streams.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK: Final = "***"

SHORTEST_BARE_SECRET: Final = 5
"""Length in characters below which a secret is masked inside URLs only.

A password such as `app` is also a word: masking it everywhere would make every path and every log
unreadable, and would not hide it.
"""

_URL_PASSWORD: Final = re.compile(rb"(://[^/\s:@'\"]*:)([^@\s'\"]+)(@)")
_LONGEST_LINE: Final = 64 * 1024
"""Bytes of one line that are held back at most, so that memory stays bounded."""


class Secret:
    """A value that must never be seen: a password, or a URL that holds one."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself. For the stdin of a script, and for comparing."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a Secret is not written anywhere")


class Redactor:
    """The gate: replaces every known secret, in all its spellings, with `***`.

    Args:
        secrets: What is known so far; `learn` adds to it. Streams that are open see additions.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._needles: list[bytes] = []
        for secret in secrets:
            self.learn(secret)

    def learn(self, secret: Secret) -> None:
        """Mask this secret from now on, also where it is URL-encoded or escaped."""
        found = set(self._needles)
        for spelling in _spellings(secret.reveal()):
            if len(spelling) >= SHORTEST_BARE_SECRET:
                found.add(spelling.encode())
        self._needles = sorted(found, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        return self.line(text.encode(errors="surrogateescape")).decode(errors="surrogateescape")

    def line(self, data: bytes) -> bytes:
        """Return whole lines without secrets; a secret cut by an end of `data` is not seen."""
        mask = MASK.encode()
        for needle in self._needles:
            if needle in data:
                data = data.replace(needle, mask)
        if b"://" in data:
            data = _URL_PASSWORD.sub(rb"\1" + mask + rb"\3", data)
        return data

    def stream(self) -> RedactedStream:
        """Return a gate for one stream that comes in blocks cut anywhere."""
        return RedactedStream(self)

    @property
    def longest(self) -> int:
        """Length in bytes of the longest spelling known."""
        return len(self._needles[0]) if self._needles else 0


class RedactedStream:
    """Cleans a stream block by block; what it holds back is less than a line, at most 64 KiB."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._carry = b""

    def feed(self, block: bytes) -> bytes:
        """Take a block, return what is safe to show: whole lines, cleaned."""
        data = self._carry + block
        end = data.rfind(b"\n") + 1
        if end == 0 and len(data) > _LONGEST_LINE:
            return self._split_long_line(data)
        self._carry = data[end:]
        return self._redactor.line(data[:end]) if end else b""

    def flush(self) -> bytes:
        """Return what is left at the end of the stream, cleaned."""
        data, self._carry = self._carry, b""
        return self._redactor.line(data)

    def _split_long_line(self, data: bytes) -> bytes:
        """Let a line without end through, but for a tail in which a secret may begin."""
        cleaned = self._redactor.line(data)
        keep = max(self._redactor.longest, 1024)
        self._carry = cleaned[-keep:]
        return cleaned[:-keep]


def _spellings(value: str) -> Iterable[str]:
    """Every form in which programs print a value: raw, percent-encoded, escaped in quotes."""
    if not value:
        return
    yield value
    for safe in ("", "/"):
        encoded = quote(value, safe=safe)
        yield encoded
        yield re.sub(r"%[0-9A-F]{2}", lambda hit: hit.group().lower(), encoded)
    yield quote_plus(value)
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield value.replace("'", "''")
    yield value.replace("'", "'\"'\"'")
    yield value.replace("\\", "\\\\").replace("'", "\\'")
