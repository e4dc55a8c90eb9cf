"""The rows of a scratch database: which are needed, and whether a statement may be run twice."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Final

import msgspec

from ops.facts.psql_text import literal
from ops.proof.sql import tokens, top_level

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from ops.proof.ladder import Step
    from ops.proof.psql import Psql
    from ops.proof.sql import Token
    from ops.proof.statements import Rung, Statement

_CHANCE: Final = re.compile(
    r"\b(?:now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|random\w*"
    r"|nextval|setval|gen_random_\w+|uuid_generate\w*|uuidv?\d*|txid_current|pg_current_xact_id"
    r"|setseed|pg_backend_pid)\s*\(|\bCURRENT_(?:TIMESTAMP|DATE|TIME)\b|\bLOCALTIME(?:STAMP)?\b"
    r"|'\s*(?:now|today|tomorrow|yesterday)\s*'",
    re.IGNORECASE,
)
"""Clocks, sequences and chance: what such a statement writes is another thing each time."""
_DATA: Final = frozenset({"INSERT", "UPDATE", "DELETE"})


class Needed(msgspec.Struct, frozen=True):
    """The tables whose rows a rehearsal needs.

    Args:
        tables: Quoted names with their schemas, partitions too.
        bytes: Their size without indexes.
        others: All other tables and sequences, as patterns for pg_dump.
    """

    tables: list[str]
    bytes: int
    others: list[str]


def needed(production: Psql, tables: Collection[str]) -> Needed:
    """Ask production which tables' rows must be there so that these tables' rows can be.

    Raises:
        Unknown: It could not be asked.
    """
    query = resources.files("ops.proof").joinpath("rows.sql").read_text(encoding="utf-8")
    names = json.dumps(sorted(tables)).replace("'", "''").replace("\\", "\\\\")
    (line,) = production.ask(f"\\set tables '{names}'\n{query}", "asking which rows are needed")
    return msgspec.json.decode(line, type=Needed)


def tables_of(steps: Iterable[Step]) -> frozenset[str]:
    """Return the tables that statements write to, read, or check rows of.

    Where no lock was seen (CREATE INDEX CONCURRENTLY), what they changed says it.
    """
    return frozenset(
        table for step in steps for table in (*step.changed, *(name for name, _ in step.locks))
    )


def content(psql: Psql) -> str:
    """Return a digest of all rows and sequences of a scratch database.

    Raises:
        Unknown: They could not be read.
    """
    lines = psql.ask(_CONTENT, "reading the rows of a scratch database")
    return "\n".join(lines)


_DIGEST_OF_ROWS: Final = (
    "SELECT %L, count(*), sum(pg_catalog.hashtextextended(t::text, 0)) FROM ONLY %I.%I t"
)
_STATE_OF_SEQUENCE: Final = "SELECT %L, last_value, is_called FROM %I.%I"
_CONTENT: Final = rf"""
SELECT pg_catalog.format(CASE c.relkind WHEN 'r' THEN {literal(_DIGEST_OF_ROWS)}
                                        ELSE {literal(_STATE_OF_SEQUENCE)} END,
                         c.oid::regclass::text, n.nspname, c.relname)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 ORDER BY 1 \gexec
"""


def never_twice(rungs: Sequence[Rung]) -> str:
    """Say why statements may not be run a second time, by what they are; empty if they may.

    Whether they really leave the same rows is then tried on a copy (`ops.proof.rehearsal`). That
    alone would not do: `SET v = v + 1 WHERE v < 2` comes to rest too, one step further.
    """
    for statement in (each for rung in rungs for each in rung.statements):
        if statement.tag in {"BEGIN", "START TRANSACTION", "COMMIT", "END"}:
            continue
        if why := _never_twice(statement):
            return f"line {statement.line}: {statement.tag} {why}"
    return _feed_each_other([each for rung in rungs for each in rung.statements])


def is_plain_data(rungs: Sequence[Rung]) -> bool:
    """Whether all statements are INSERT, UPDATE or DELETE; others must change nothing at all."""
    tags = {statement.tag for rung in rungs for statement in rung.statements}
    return tags <= _DATA | {"BEGIN", "START TRANSACTION", "COMMIT", "END"}


def _never_twice(statement: Statement) -> str:
    if found := _CHANCE.search(statement.text):
        return f"holds {found.group().strip('( ')}, which is another thing each time"
    updates = statement.tag == "UPDATE" or (
        statement.tag == "INSERT" and {"conflict", "update"} <= _names(statement.text)
    )
    if updates and (column := _feeds_itself(statement.text)):
        return f"sets {column} from itself"
    if statement.tag == "UPDATE" and _looks_at_itself(statement.text):
        return "chooses its rows by a query of the same table"
    if statement.tag == "DELETE" and re.search(
        r"\bSELECT\b", top_level(statement.text), re.IGNORECASE
    ):
        return "chooses its rows by a query"
    return ""


def _feed_each_other(statements: Sequence[Statement]) -> str:
    """Say which statement reads what another one writes, or empty.

    `SET name = email` and then `SET email = ''`: both once more, and the names are gone too.
    """
    for writer in statements:
        if writer.tag not in _DATA:
            continue
        table, columns = _target(writer.text), set(_set_columns(writer.text))
        for reader in statements:
            names = _names(reader.text)
            if reader is writer or table not in names:
                continue
            if writer.tag == "UPDATE":
                read = bool(columns & names) or not columns
            else:  # rows that are only inserted do not look at each other
                read = not ({writer.tag, reader.tag} == {"INSERT"} and "select" not in names)
            if read:
                return f"line {reader.line}: {reader.tag} reads what line {writer.line} writes"
    return ""


def _target(text: str) -> str:
    """Return the name of the table that an INSERT, UPDATE or DELETE writes to."""
    name = ""
    found = [each for each in tokens(text) if each.kind != "comment"][1:]
    for token, after in zip(found, [*found[1:], None], strict=False):
        if token.keyword in {"INTO", "FROM", "ONLY"} or token.text == ".":
            continue
        name = _folded(token)
        if after is None or after.text != ".":
            break
    return name


def _set_columns(text: str) -> Iterator[str]:
    for target, _ in _assignments(text):
        yield from target


def _names(text: str) -> set[str]:
    return {_folded(token) for token in tokens(text) if token.kind in {"word", "name"}}


def _feeds_itself(text: str) -> str:
    """Return a column that an UPDATE computes from a column that it sets, or empty."""
    assignments = list(_assignments(text))
    targets = {name for target, _ in assignments for name in target}
    sources = {
        name
        for _, value in assignments
        for before, name in zip(["", *value], value, strict=False)
        if before != "excluded"  # the row that was to be inserted
    }
    if not targets:
        return "something that cannot be read"
    return next(iter(sorted(targets & sources)), "")


def _looks_at_itself(text: str) -> bool:
    """Say whether which rows are set depends on the column in other rows: `the next one`."""
    start = next(
        (each.end for each in tokens(text) if each.keyword in {"FROM", "WHERE"}), len(text)
    )
    names = _names(text[start:])
    columns = set(_set_columns(text))
    return "select" in names and _target(text) in names and bool(columns & names)


def _assignments(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the names on both sides of each assignment of an UPDATE."""
    depth = 0
    sides: tuple[list[str], list[str]] = ([], [])
    side = -1  # before SET
    before = ""
    for token in tokens(text):
        distinct, before = before == "DISTINCT", token.keyword or token.text
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        at_top = depth == 0
        if at_top and side < 0:
            side = 0 if token.keyword == "SET" else -1
        elif at_top and token.keyword in {"FROM", "WHERE", "RETURNING"} and not distinct:
            break
        elif at_top and token.text == "," and side == 1:
            yield sides
            sides, side = ([], []), 0
        elif at_top and token.text == "=" and side == 0:
            side = 1
        elif side >= 0 and token.kind in {"word", "name"}:
            sides[side].append(_folded(token))
    if side == 1:
        yield sides


def _folded(token: Token) -> str:
    """Return a name as the server knows it."""
    if token.kind == "name":
        return token.text.strip('"').replace('""', '"')
    return token.text.lower()
