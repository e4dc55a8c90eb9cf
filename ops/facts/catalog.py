"""A database's catalog, object by object: what is there, what changed, what differs from another.

`catalog.sql` gives rows (kind, id, property, value). An object is known by its kind and id, which
are made of names only, so that the objects of two databases can be compared. Every object has at
least one property; a property that is not there is as the server would have it by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Final

import msgspec

from ops.facts.frames import Unknown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

Key = tuple[str, str]
"""What an object is known by: its kind and its id, in words of `catalog.sql`."""

Row = tuple[str, str, str, str]
"""Kind, id, property, value."""

SETTINGS: Final = {
    "search_path": "pg_catalog",
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "xmlbinary": "base64",
    "quote_all_identifiers": "off",
    # To compile this query takes ten times as long as to run it.
    "jit": "off",
}
"""What a session sets before it runs the query: the server prints names and constants by it."""

AS_IT_READS: Final = "".join(f"SET LOCAL {name} = {value!r};\n" for name, value in SETTINGS.items())
"""The settings by which a server prints names and constants; the script's own are kept."""
DIGEST: Final = (
    "pg_catalog.md5(pg_catalog.string_agg(pg_catalog.json_build_array(kind, id, property, value)"
    """::text, E'\\n' ORDER BY kind COLLATE "C", id COLLATE "C", property COLLATE "C"))"""
)
"""SQL: one value for a whole catalog, from its rows."""

EXISTS: Final = "exists"
"""The property of a difference that is the whole object: there on one side only."""

_ON_RELATION: Final = frozenset(
    {"column", "constraint", "index", "trigger", "rule", "policy", "attribute"}
)
_RELATIONS: Final = frozenset(
    {"table", "foreign table", "view", "materialized view", "sequence", "composite type"}
)
_ON_OBJECT: Final = frozenset({"comment", "grant", "security label"})
_PUBLISHED: Final = "publication table"
_IDENTIFIER: Final = r'(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)'
_RELATION: Final = re.compile(rf"{_IDENTIFIER}\.{_IDENTIFIER}")
_PUBLISHED_RELATION: Final = re.compile(rf"{_IDENTIFIER}\.({_IDENTIFIER}\.{_IDENTIFIER})")
_OBJECT: Final = re.compile(
    # The kind is all words before the first part of the id, the longest that fits first.
    "("
    + "|".join(sorted(_ON_RELATION | _RELATIONS, key=len, reverse=True))
    + rf") ({_IDENTIFIER}\.{_IDENTIFIER})"
)

_BY_ITSELF: Final = {
    "not null": "no",
    "valid": "yes",
    "enabled": "yes",
    "permissive": "yes",
    "populated": "yes",
    "deterministic": "yes",
    "row security": "off",
    "forced row security": "off",
    "clustered": "no",
    "cycle": "no",
    "persistence": "permanent",
    "replica identity": "default",
    "increment": "1",
    "cache": "1",
}
"""What a property is that is not there, where that has a word."""

_FUNCTIONS: Final = frozenset({"function", "procedure", "window function"})
_BODY: Final = re.compile(r"(?m)^AS [$']")
_VIEWS: Final = frozenset({"view", "materialized view"})
_EXPRESSIONS: Final = frozenset(
    {"definition", "default", "generated", "using", "check", "where", "bound", "partitioned by"}
)
_DOUBTFUL: Final = re.compile(r"\(\(.* (?:AND|OR) |^ (?:SELECT|WITH) ", re.DOTALL)
"""Whether a text may need another form at all: most do not, and this is quick."""

_WORD: Final = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\w+|\s+|.""", re.DOTALL)
"""What the server prints: a quote within a string is doubled, never escaped otherwise."""

_NAME: Final = re.compile(r'[a-z_][a-z0-9_]*|"(?:[^"]|"")+"')
"""A name, as opposed to a key word: those are printed in capitals."""

_BOOLEAN: Final = frozenset({"AND", "OR"})
_QUERIES: Final = frozenset({"SELECT", "WITH", "VALUES"})
_SEVERAL: Final = frozenset({"JOIN", "UNION", "INTERSECT", "EXCEPT"})
_CLAUSES: Final = frozenset(
    {"FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR", ";"}
)

_LONGEST: Final = 120
_CONTEXT: Final = 40


@dataclass(frozen=True)
class Snapshot:
    """What the catalog held at one moment. Two are equal when every object is.

    Args:
        objects: The properties of each object.
    """

    objects: Mapping[Key, Mapping[str, str]]

    def at(self, key: Key) -> Mapping[str, str] | None:
        """Return the properties of an object; None when it is not there."""
        return self.objects.get(key)

    def only(self, keys: Collection[Key]) -> Snapshot:
        """Return the part that these objects are."""
        return Snapshot({key: self.objects[key] for key in keys if key in self.objects})

    def changed(self, removed: Iterable[Row], added: Iterable[Row]) -> Snapshot:
        """Return what it is after rows went and rows came, as the server told the difference."""
        objects: dict[Key, Mapping[str, str]] = dict(self.objects)
        touched: dict[Key, dict[str, str]] = {}

        def properties(kind: str, id_: str) -> dict[str, str]:
            key = (kind, id_)
            if key not in touched:
                touched[key] = dict(objects.get(key, {}))
            return touched[key]

        for kind, id_, name, _ in removed:
            properties(kind, id_).pop(name, None)
        for kind, id_, name, value in added:
            properties(kind, id_)[name] = _plain(kind, name, value)
        for key, values in touched.items():
            if values:
                objects[key] = values
            else:
                objects.pop(key, None)
        return Snapshot(objects)


@dataclass(frozen=True, order=True)
class Difference:
    """One property of one object that is not the same on two sides.

    Args:
        property: `exists` when the whole object is on one side only.
        left: None when it is not there; with the property `exists` otherwise `yes`.
        right: Likewise.
    """

    key: Key
    property: str
    left: str | None
    right: str | None


def catalog_query() -> str:
    """Return the query: one SELECT of the columns kind, id, property and value."""
    return _query()


@cache
def _query() -> str:
    return resources.files("ops.facts").joinpath("catalog.sql").read_text(encoding="utf-8")


def parse_snapshot(lines: Iterable[str]) -> Snapshot:
    """Read what the query gave, each row a JSON array [kind, id, property, value].

    Raises:
        Unknown: A line is not such an array, or two say different things.
    """
    objects: dict[Key, dict[str, str]] = {}
    decoder = msgspec.json.Decoder(Row)
    for line in lines:
        try:
            kind, id_, name, value = decoder.decode(line)
        except msgspec.MsgspecError as error:
            raise Unknown(f"the catalog cannot be read: {error}") from error
        plain = _plain(kind, name, value)
        if objects.setdefault((kind, id_), {}).setdefault(name, plain) != plain:
            raise Unknown(f"the catalog has two objects that are known as {kind} {id_}")
    return Snapshot(objects)


def differences(
    left: Snapshot, right: Snapshot, keys: Collection[Key] | None = None
) -> tuple[Difference, ...]:
    """Return what differs, sorted: a line per property, or one per object that one side lacks.

    Args:
        left: One side.
        right: The other.
        keys: Look at these objects only.
    """
    if keys is None:
        keys = left.objects.keys() | right.objects.keys()
    return tuple(sorted(_each(left, right, keys), key=_order))


def _each(left: Snapshot, right: Snapshot, keys: Iterable[Key]) -> Iterator[Difference]:
    for key in set(keys):
        ours, theirs = left.at(key), right.at(key)
        if ours == theirs:
            continue
        if ours is None or theirs is None:
            there = [None if side is None else "yes" for side in (ours, theirs)]
            yield Difference(key, EXISTS, *there)
            continue
        for name in ours.keys() | theirs.keys():
            if ours.get(name) != theirs.get(name):
                yield Difference(key, name, ours.get(name), theirs.get(name))


def _order(difference: Difference) -> tuple[Key, str]:
    return difference.key, difference.property


def changed_keys(before: Snapshot, after: Snapshot) -> frozenset[Key]:
    """Return the objects that came, went, or are another way."""
    return frozenset(
        key
        for key in before.objects.keys() | after.objects.keys()
        if before.at(key) != after.at(key)
    )


def relation_of(key: Key) -> str | None:
    """Return the id of the relation that an object is or hangs on; None when there is none.

    Tables, views, sequences and composite types share their names, so the id says which one it is
    without the kind. A comment or grant hangs on what its object hangs on.
    """
    kind, id_ = key
    if kind in _ON_OBJECT:
        found = _OBJECT.match(id_)
        return found.group(2) if found else None
    if kind == _PUBLISHED:
        published = _PUBLISHED_RELATION.match(id_)
        return published.group(1) if published else None
    if kind in _ON_RELATION or kind in _RELATIONS:
        relation = _RELATION.match(id_)
        return relation.group() if relation else None
    return None


def describe(difference: Difference, left: str, right: str) -> str:
    """Return one line for people.

    Args:
        difference: Whatever `differences` gave.
        left: What the left side is called, after "in".
        right: Likewise.
    """
    kind, id_ = difference.key
    name = difference.property
    one, other = difference.left, difference.right
    if name == EXISTS:
        there, lacking = (left, right) if other is None else (right, left)
        return f"{kind} {id_}: is in {there}, not in {lacking}"
    words = _apart(_words(name, one), _words(name, other))
    return f"{kind} {id_}: {name} is {words[0]} in {left}, {words[1]} in {right}"


def _words(name: str, value: str | None) -> str:
    if value is None:
        return _BY_ITSELF.get(name, "not set")
    return " ".join(value.split()) or "empty"


def _apart(one: str, other: str) -> tuple[str, str]:
    """Cut two long texts down to where they part, so that both fit on a line."""
    if one == other:
        return "spaced one way", "another way"
    if max(len(one), len(other)) <= _LONGEST:
        return one, other
    same = next(
        (place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )
    start = max(0, same - _CONTEXT)
    return _cut(one, start), _cut(other, start)


def _cut(text: str, start: int) -> str:
    end = start + _LONGEST
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def _plain(kind: str, name: str, value: str) -> str:
    """Return a value as every version of the server prints it, also after a dump and restore."""
    if kind in _FUNCTIONS and _BODY.search(value):
        return value  # a string of somebody's own, not printed from a parse tree
    if name not in _EXPRESSIONS or not _DOUBTFUL.search(value):
        return value
    return _canonical(value, is_query=kind in _VIEWS and name == "definition")


@lru_cache(maxsize=4096)
def _canonical(text: str, *, is_query: bool) -> str:
    words = _WORD.findall(text)
    return "".join(_flat(_unqualified(words) if is_query else words))


def _flat(words: list[str]) -> list[str]:
    """Take ((a AND b) AND c) for (a AND b AND c).

    The parser makes the second of the first when it reads a dump; BETWEEN is what makes the first.
    """
    dropped: set[int] = set()
    groups: list[tuple[int, bool, set[str]]] = []
    for place, word in enumerate(words):
        if word == "(":
            groups.append((place, _before(words, place) == "(", set()))
        elif word == ")" and groups:
            start, is_first, inner = groups.pop()
            if is_first and _after(words, place) in inner:
                dropped |= {start, place}
        elif word in _BOOLEAN and groups:
            groups[-1][2].add(word)
    return _without(words, dropped)


def _unqualified(words: list[str]) -> list[str]:
    """Take the table's name from the columns of a query of one table: 15 prints it, 16 does not.

    Subqueries are left alone: both print it there.
    """
    outer, clause = _outer(words)
    source = [words[place] for place in clause]
    if "TABLESAMPLE" in source:
        source = source[: source.index("TABLESAMPLE")]
    names = [word for word in source if _NAME.fullmatch(word)]
    if not names or "," in source or _SEVERAL & {words[place] for place in outer}:
        return words
    dropped: set[int] = set()
    for one, two, three in zip(outer, outer[1:], outer[2:], strict=False):
        if (words[one], words[two]) == (names[-1], ".") and _NAME.fullmatch(words[three]):
            is_column = _before(words, one) not in {".", ":"} and _after(words, three) != "("
            if is_column and one not in clause:
                dropped |= {one, two}
    return _without(words, dropped)


def _outer(words: list[str]) -> tuple[list[int], list[int]]:
    """Return what stands in no subquery, and the FROM clause's part that is in no parentheses."""
    outer: list[int] = []
    clause: list[int] = []
    subqueries: list[bool] = []
    reading = False
    for place, word in enumerate(words):
        if word == "(":
            subqueries.append(_after(words, place) in _QUERIES)
        if not word.isspace() and True not in subqueries:
            outer.append(place)
            if not subqueries:
                reading = word == "FROM" if word in _CLAUSES else reading
                if reading:
                    clause.append(place)
        if word == ")" and subqueries:
            subqueries.pop()
    return outer, clause


def _before(words: list[str], place: int) -> str:
    """Return the last word before a place; white space is one word."""
    return next((word for word in words[max(0, place - 2) : place][::-1] if not word.isspace()), "")


def _after(words: list[str], place: int) -> str:
    return next((word for word in words[place + 1 : place + 3] if not word.isspace()), "")


def _without(words: list[str], dropped: set[int]) -> list[str]:
    return [word for place, word in enumerate(words) if place not in dropped]
