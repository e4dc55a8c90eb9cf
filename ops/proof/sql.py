"""SQL text as PostgreSQL's lexer cuts it, as far as comments and quotes go.

Rules: postgresql/src/backend/parser/scan.l, with standard_conforming_strings on. Comments nest; a
backslash escapes only in E'...'; a string goes on after a line end; dollar quotes have tags and
never begin inside a word; nothing inside a quote is a comment.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Kind = Literal["word", "name", "text", "comment", "sign"]

_LETTER: Final = r"A-Za-z_\x80-\U0010ffff"
"""Every character beyond ASCII may stand in a name, whatever it is elsewhere."""
_GOES_ON: Final = r"(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'"
"""Between two pieces of one string: white space with a line end in it, comments too."""

_TOKEN: Final = re.compile(
    rf"""
      (?P<line>--[^\n\r]*)
    | (?P<block>/\*)
    | (?P<escape>[eE]'(?:[^'\\]++|\\.|''|'{_GOES_ON})*(?:'|\Z))
    | (?P<string>'(?:[^']++|'')*(?:'|\Z))
    | (?P<name>"(?:[^"]++|"")*(?:"|\Z))
    | (?P<dollar>\$(?P<tag>(?:[{_LETTER}][{_LETTER}0-9]*)?)\$.*?(?:\$(?P=tag)\$|\Z))
    | (?P<word>[{_LETTER}][{_LETTER}0-9$]*)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK_EDGE: Final = re.compile(r"/\*|\*/")
_SIGN: Final = re.compile(r"[0-9]+|[^ \t\n\r\f\v]")
_LINE_END: Final = re.compile(r"\r\n?|\n")
_KINDS: Final[dict[str, Kind]] = {
    "line": "comment",
    "block": "comment",
    "escape": "text",
    "string": "text",
    "dollar": "text",
    "name": "name",
    "word": "word",
}


@dataclass(frozen=True, slots=True)
class Token:
    """The least that SQL is cut into. White space between tokens is none.

    Args:
        kind: `word` is a keyword or a name without quotes, `name` one in double quotes, `text` a
            constant in single or dollar quotes; `sign` is a number, or one character of the rest.
        text: As in the script, with its quotes.
        start: Where it stands in the script.
    """

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        """Where the next one may start."""
        return self.start + len(self.text)

    @property
    def keyword(self) -> str:
        """A word in upper case, as keywords compare; empty for anything else.

        PostgreSQL folds ASCII only. A byte order mark, which it takes for a letter, is left out:
        what a script is about does not depend on it.
        """
        if self.kind != "word":
            return ""
        word = self.text.lstrip("\ufeff")
        return word.upper() if word.isascii() else word


def tokens(script: str) -> Iterator[Token]:
    """Cut a script into its tokens, comments included."""
    position = 0
    for kind, text in _pieces(script):
        if kind == "code":
            for sign in _SIGN.finditer(text):
                yield Token("sign", sign.group(), position + sign.start())
        else:
            yield Token(kind, text, position)
        position += len(text)


def line_numbers(script: str) -> Callable[[int], int]:
    """Return what tells the line, from 1, of a position in a script."""
    starts = [found.end() for found in _LINE_END.finditer(script)]
    return lambda position: bisect_right(starts, position) + 1


def without_comments(script: str) -> str:
    """Return the script with each comment replaced by a space; all that is quoted stays."""
    return "".join(text if kind != "comment" else " " for kind, text in _pieces(script))


def top_level(script: str) -> str:
    """Return the script with a space for each comment and for all that is quoted."""
    return "".join(text if kind in {"code", "word"} else " " for kind, text in _pieces(script))


def _pieces(script: str) -> Iterator[tuple[Kind | Literal["code"], str]]:
    """Cut a script into tokens, and `code` for what lies between those that have a shape."""
    position = 0
    while found := _TOKEN.search(script, position):
        yield "code", script[position : found.start()]
        position = _end_of_block(script, found.end()) if found["block"] else found.end()
        yield _KINDS[found.lastgroup or ""], script[found.start() : position]
    yield "code", script[position:]


def _end_of_block(script: str, position: int) -> int:
    """Return where a block comment ends; one that is not closed goes to the end."""
    depth = 1
    while depth:
        edge = _BLOCK_EDGE.search(script, position)
        if edge is None:
            return len(script)
        depth += 1 if edge.group() == "/*" else -1
        position = edge.end()
    return position
