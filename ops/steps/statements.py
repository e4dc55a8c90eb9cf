"""The step that runs statements of a migration itself: the rest of one, or a mend before it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ops.facts.psql_text import identifier, literal, queries
from ops.steps.base import Step, as_judged, step_script

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ops.facts.gather import Facts

LOCK_TIMEOUT: Final = 10
"""Seconds that a statement waits for a lock, with everybody else who wants the table behind it."""
_LONGEST: Final = 100
"""Characters of a statement that are announced."""
_TAKE_LOCK: Final = (
    "DO $$ BEGIN IF NOT pg_catalog.pg_try_advisory_lock(72707369) THEN"
    " RAISE EXCEPTION 'another session migrates'; END IF; END $$;"
)


@dataclass(frozen=True)
class Piece:
    """Statements that are sent one after the other, and commit together.

    Args:
        label: What people see before it runs.
        texts: The statements; more than one only where the script has a transaction block.
    """

    label: str
    texts: tuple[str, ...]


def run_statements(
    facts: Facts,
    name: str,
    title: str,
    pieces: Sequence[Piece],
    open_rows: Iterable[str],
    digest: str,
) -> Step:
    """Return the step that runs statements on production's database.

    Prisma's advisory lock is held meanwhile, so that no deploy comes in between, and is gone with
    the session when the step ends. The lock is only tried, never waited for.

    Args:
        facts: What is true now.
        name: The step's, `resume` or `drop-invalid`.
        title: What it does.
        pieces: What to run, in order.
        open_rows: Ids of the ledger's rows that are open just before it.
        digest: Of the catalog as it was judged.
    """
    lines = [
        "SET client_encoding = 'UTF8';",
        "SET client_min_messages = warning;",
        "SET standard_conforming_strings = on;",
        "SET statement_timeout = 0;",
        f"SET lock_timeout = '{LOCK_TIMEOUT}s';",
        f"SET search_path = {identifier(facts.url.schema)};",
        _TAKE_LOCK,
    ]
    for piece in pieces:
        lines += [f"\\echo {literal(_on_one_line(piece.label))}", queries(piece.texts)]
    lines.append(f"\\echo 'statements complete: {len(pieces)}'")
    script = step_script(
        facts,
        "statements",
        {
            "sql": "\n".join(lines),
            "open_rows": " ".join(sorted(open_rows)),
            **as_judged(digest),
        },
    )
    commands = tuple(f"psql: {piece.label}: {_shortened(piece)}" for piece in pieces)
    done = (f"statements complete: {len(pieces)}",)
    return Step(name, title, commands, script, done, writes_database=True)


def _shortened(piece: Piece) -> str:
    text = " ".join(_on_one_line("; ".join(piece.texts)).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _on_one_line(label: str) -> str:
    """Return what can stand after `echo`: a name may hold a line end, or a backslash."""
    return re.sub(r"[\x00-\x1f\\]+", " ", label)
