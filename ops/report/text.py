"""Text for a terminal: what came from a host must not be able to drive it."""

from __future__ import annotations

import re
from typing import Final

_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters but the tab, what turns the direction of writing, and what is no character."""


def visible(text: str) -> str:
    r"""Return one line in which everything can be seen: an escape character becomes `\x1b`.

    Names of migrations, subjects of commits and texts of errors are written by many people, and a
    terminal obeys the sequences in them: it can be made to hide lines, or to show others.
    """
    return _UNSEEN.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def counted(number: int, noun: str) -> str:
    """Return `1 commit`, `2 commits`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
