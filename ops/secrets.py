"""Secrets are a type, and one gate takes them out of everything that leaves the program.

A `Secret` shows itself as `***` wherever it is printed, formatted or put into an exception. Only
`reveal()` gives the value; it is called where a script for the host's stdin is rendered, and
nowhere else. A `Redactor` knows the secrets of a run in every form in which a program may print
them, and cleans text and byte streams.
"""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK: Final = "***"
_MASKED: Final = MASK.encode()

SHORTEST_BARE_SECRET: Final = 5
"""Length in characters below which a secret is masked inside URLs only.

A password such as `app` is also a word: masking it everywhere would make every path and every log
unreadable, and would not hide it.
"""

_URL_PASSWORD: Final = re.compile(rb"(://[^/\s:@'\"]*+:)([^@\s'\"]++)(@?)")
"""A login in a URL. The @ is optional so that a run without one is passed over once and for all:
looking for it again from each `://` inside would take a time that grows with the square."""
_LONGEST_LINE: Final = 64 * 1024
"""Bytes of one line that are held back at most, so that memory stays bounded."""
_LONGEST_URL: Final = 4 * 1024
"""Bytes of a URL of which nothing is known that are looked at together, in such a long line."""
_NOT_IN_USERINFO: Final = ' "#<>?`{}/:;=@[\\]^|'
"""What the URL standard (WHATWG) percent-encodes in a password: node and Prisma leave the rest."""
_NOT_ENCODED: Final = (
    "",
    "/",
    "!'()*",
    "!'()*;,/?:@&=+$#",
    "".join(chr(code) for code in range(33, 127) if chr(code) not in _NOT_IN_USERINFO),
)
"""The sets of characters that common encoders leave alone: strict, paths, JavaScript's
`encodeURIComponent` and `encodeURI`, and the URL standard."""


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


class _Needle(NamedTuple):
    """One spelling of a secret, what it becomes, and the part of it that no spelling changes.

    Text is searched for the few cores first: nearly all of it holds none, and is done with.
    """

    core: bytes
    text: bytes
    mask: bytes


class Redactor:
    """The gate: replaces every known secret, in all its spellings, with `***`.

    Args:
        secrets: What is known so far; `learn` adds to it. Streams that are open see additions.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._needles: list[_Needle] = []
        self._cores: set[bytes] = set()
        for secret in secrets:
            self.learn(secret)

    def learn(self, secret: Secret) -> None:
        """Mask this secret from now on, also where it is URL-encoded or escaped."""
        found = set(self._needles)
        for core, spelling in _spellings(secret.reveal()):
            needle = spelling.encode(errors="surrogatepass")
            if len(spelling) >= SHORTEST_BARE_SECRET:
                found.add(_Needle(core, needle, _MASKED))
            else:
                found.add(_Needle(core, b":" + needle + b"@", b":" + _MASKED + b"@"))
        self._needles = sorted(found, key=lambda needle: len(needle.text), reverse=True)
        self._cores = {needle.core for needle in found}

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        # Surrogates stand for bytes of the host that are not UTF-8: they must not stop us here.
        cleaned = self.line(text.encode(errors="surrogatepass"))
        return cleaned.decode(errors="surrogatepass")

    def data(self, value: Any) -> Any:
        """Return what JSON can hold, with every text in it cleaned, keys too.

        Cleaning the JSON text instead could hit its quotes and commas.
        """
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.data(key): self.data(inner) for key, inner in value.items()}
            case list():
                return [self.data(inner) for inner in value]
        return value

    def line(self, data: bytes) -> bytes:
        """Return whole lines without secrets; a secret cut by an end of `data` is not seen."""
        there = {core for core in self._cores if core in data}
        if there:
            for core, needle, mask in self._needles:
                if core in there:
                    data = data.replace(needle, mask)
        if b"://" in data:
            data = _URL_PASSWORD.sub(_without_password, data)
        return data

    def stream(self) -> RedactedStream:
        """Return a gate for one stream that comes in blocks cut anywhere."""
        return RedactedStream(self)

    @property
    def longest(self) -> int:
        """Length in bytes of the longest spelling known."""
        return len(self._needles[0].text) if self._needles else 0


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
        keep = max(self._redactor.longest, _LONGEST_URL)
        self._carry = cleaned[-keep:]
        return cleaned[:-keep]


def _without_password(found: re.Match[bytes]) -> bytes:
    login, _, at = found.groups()
    return login + _MASKED + at if at else found.group()


def _spellings(value: str) -> Iterable[tuple[bytes, str]]:
    """Every form in which programs print a value, each with its core."""
    # The password of a URL, as it is written there: programs change what stands around it.
    _, _, rest = value.partition("://")
    written = rest.rpartition("@")[0].partition(":")[2]
    for text in filter(None, (value, written)):
        core = max(re.findall(r"[A-Za-z0-9]*", text), key=len).encode()
        yield from ((core, spelling) for spelling in _spelled(text))


def _spelled(text: str) -> Iterable[str]:
    """A text as it is, percent-encoded, and escaped in all kinds of quotes."""
    yield text
    for safe in _NOT_ENCODED:
        encoded = quote(text, safe=safe, errors="surrogatepass")
        yield encoded
        yield re.sub(r"%[0-9A-F]{2}", lambda hit: hit.group().lower(), encoded)
    yield quote_plus(text, errors="surrogatepass")
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield html.escape(text)
    doubled = text.replace("\\", "\\\\")
    yield doubled
    yield doubled.replace("'", "\\'")
    yield doubled.replace("'", "''")
    yield doubled.replace(":", "\\:")
    yield text.replace("'", "''")
    yield text.replace("'", "'\"'\"'")
    yield text.replace("'", "'\\''")
    yield re.sub(r'(["$`\\])', r"\\\1", text)
    yield re.sub(r"([^\w@%+=:,./-])", r"\\\1", text)
