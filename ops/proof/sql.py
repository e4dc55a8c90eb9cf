"""SQL text as PostgreSQL's lexer cuts it, as far as comments and quotes go.

Rules: postgresql/src/backend/parser/scan.l, with standard_conforming_strings on. Comments nest; a
backslash escapes only in E'...'; a string goes on after a line end; dollar quotes have tags and
never begin inside a word; nothing inside a quote is a comment.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_LETTER: Final = r"A-Za-z_\x80-\U0010ffff"
"""Every character beyond ASCII may stand in a name, whatever it is elsewhere."""
_GOES_ON: Final = r"(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'"
"""Between two pieces of one string: white space with a line end in it, comments too."""

_TOKEN: Final = re.compile(
    rf"""
      (?P<line>--[^\n\r]*)
    | (?P<block>/\*)
    | (?P<escape>[eE]'(?:[^'\\]|\\.|''|'{_GOES_ON})*(?:'|\Z))
    | (?P<string>'(?:[^']|'')*(?:'|\Z))
    | (?P<name>"(?:[^"]|"")*(?:"|\Z))
    | (?P<dollar>\$(?P<tag>(?:[{_LETTER}][{_LETTER}0-9]*)?)\$.*?(?:\$(?P=tag)\$|\Z))
    | (?P<word>[{_LETTER}][{_LETTER}0-9$]*)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK_EDGE: Final = re.compile(r"/\*|\*/")


def without_comments(script: str) -> str:
    """Return the script with each comment replaced by a space; all that is quoted stays."""
    return "".join(text if kind != "comment" else " " for kind, text in _pieces(script))


def top_level(script: str) -> str:
    """Return the script with a space for each comment and for all that is quoted."""
    return "".join(text if kind == "code" else " " for kind, text in _pieces(script))


def _pieces(script: str) -> Iterator[tuple[str, str]]:
    """Cut a script into pieces, each `code`, `comment` or `quoted`."""
    position = 0
    while found := _TOKEN.search(script, position):
        yield "code", script[position : found.start()]
        position = _end_of_block(script, found.end()) if found["block"] else found.end()
        kind = "comment" if found["block"] or found["line"] else "quoted"
        yield "code" if found["word"] else kind, script[found.start() : position]
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
