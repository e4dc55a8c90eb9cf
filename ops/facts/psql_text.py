"""SQL for psql's stdin, spelled so that it arrives as it is."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def literal(text: str) -> str:
    """Return a string constant; standard_conforming_strings is on."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return a quoted name."""
    return '"' + name.replace('"', '""') + '"'


def queries(texts: Sequence[str]) -> str:
    r"""Return what makes psql send texts of a migration, each as one simple query.

    Typed into psql, a script would be cut at psql's own semicolons, and the backslash commands in
    it would be obeyed. So it travels as base64, the server decodes it, and `\gexec` sends each
    text on as it is. All of them are sent, whatever becomes of the ones before (unless psql stops
    on errors); what they return is thrown away.
    """
    rows = ",\n".join(
        f"({number}, '{base64.b64encode(text.encode()).decode()}')"
        for number, text in enumerate(texts)
    )
    return (
        "\\o /dev/null\n"
        "SELECT pg_catalog.convert_from(pg_catalog.decode(text, 'base64'), 'UTF8')"
        f" FROM (VALUES {rows}) AS query (number, text) ORDER BY number \\gexec\n"
        "\\o"
    )
