"""A migration script as single statements, cut as psql and PostgreSQL's grammar cut it.

A semicolon ends a statement unless it stands in quotes, in a comment, in parentheses (CREATE RULE
... DO (a; b)) or in a routine's body that is written out (BEGIN ATOMIC ... END). Rules:
postgresql/src/fe_utils/psqlscan.l. In two places this is nearer to the server than psql: only
BEGIN with ATOMIC after it opens a body, and neither `AS end` nor `new.end` closes one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from ops.errors import Refused
from ops.proof.sql import Token, line_numbers, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_ROUTINES: Final = {"FUNCTION", "PROCEDURE"}
_COMMAND: Final = re.compile(r"\\(?:[A-Za-z]\w*[+]?|\S?)")
"""A command of psql; its arguments are left out, they may hold a password."""

_MODIFIERS: Final = {
    *("OR", "REPLACE", "GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED", "UNIQUE", "RECURSIVE"),
    *("TRUSTED", "PROCEDURAL", "CONSTRAINT"),
}
"""What may stand between CREATE and the kind of object."""
_LONG_TAGS: Final = (
    ("START", "TRANSACTION"),
    ("PREPARE", "TRANSACTION"),
    ("COMMIT", "PREPARED"),
    ("ROLLBACK", "PREPARED"),
    ("REFRESH", "MATERIALIZED", "VIEW"),
    ("IMPORT", "FOREIGN", "SCHEMA"),
    ("REASSIGN", "OWNED"),
    ("SECURITY", "LABEL"),
    ("DISCARD", "ALL"),
)
_LONG_OBJECTS: Final = (
    ("FOREIGN", "DATA", "WRAPPER"),
    ("TEXT", "SEARCH", "CONFIGURATION"),
    ("TEXT", "SEARCH", "DICTIONARY"),
    ("TEXT", "SEARCH", "PARSER"),
    ("TEXT", "SEARCH", "TEMPLATE"),
    ("ACCESS", "METHOD"),
    ("DEFAULT", "CONVERSION"),
    ("DEFAULT", "PRIVILEGES"),
    ("EVENT", "TRIGGER"),
    ("FOREIGN", "TABLE"),
    ("LARGE", "OBJECT"),
    ("MATERIALIZED", "VIEW"),
    ("OPERATOR", "CLASS"),
    ("OPERATOR", "FAMILY"),
    ("USER", "MAPPING"),
)
_OPENS: Final = {"BEGIN", "START TRANSACTION"}
_CLOSES: Final = {"COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE TRANSACTION"}


@dataclass(frozen=True)
class Statement:
    """One statement of a script.

    Args:
        text: As in the script, from its first token to its last: with the comments between them,
            without those around, and without the semicolon that ends it.
        line: Of its first token, from 1.
        tag: What it is, as the server names it: `CREATE INDEX` for CREATE UNIQUE INDEX; the first
            word where there is no more to say, and empty where there is none.
    """

    text: str
    line: int
    tag: str


@dataclass(frozen=True)
class Rung:
    """Statements that only ever commit together, when each is sent by itself.

    One statement, or a transaction with its BEGIN and its COMMIT. After COMMIT AND CHAIN the next
    rung has no BEGIN: it starts in a transaction that is open.
    """

    statements: tuple[Statement, ...]

    @property
    def line(self) -> int:
        """The line of the first statement."""
        return self.statements[0].line


class CannotSplit(Refused):
    """The script is not SQL alone: psql would have to read it, or send data after a statement."""


def statements(script: str) -> tuple[Statement, ...]:
    """Cut a script into its statements.

    What is only white space or comments between two semicolons is no statement. A quote that is
    not closed goes to the end: the server will say what is wrong. A byte order mark belongs to the
    first statement, for the server gets it too.

    Raises:
        CannotSplit: The script holds a command of psql, or COPY ... FROM STDIN.
    """
    line = line_numbers(script)
    return tuple(_statement(script, found, line) for found in cut(script))


def rungs(found: Sequence[Statement]) -> tuple[Rung, ...]:
    """Group statements by the transactions that the script itself begins and ends.

    A transaction that the script never ends goes to its end.
    """
    made: list[Rung] = []
    together: list[Statement] = []
    is_open = False
    for statement in found:
        together.append(statement)
        opens, ends = statement.tag in _OPENS, _ends_transaction(statement)
        is_open = (is_open and _is_chained(statement)) if ends else (is_open or opens)
        if ends or not is_open:
            made.append(Rung(tuple(together)))
            together = []
    return (*made, Rung(tuple(together))) if together else tuple(made)


def cut(script: str) -> Iterator[tuple[Token, ...]]:
    """Yield the tokens of each statement, without comments and without its last semicolon.

    Nothing is refused here: a command of psql is part of the statement around it.
    """
    found: list[Token] = []
    nesting = _Nesting()
    for token in tokens(script):
        if token.kind == "comment":
            continue
        if token.text == ";" and not nesting.is_open:
            if found:
                yield tuple(found)
            found, nesting = [], _Nesting()
        else:
            found.append(token)
            nesting.add(token)
    if found:
        yield tuple(found)


def first_words(found: Sequence[Token]) -> tuple[str, ...]:
    """Return the words at the start of a statement, in upper case, up to anything else."""
    words: list[str] = []
    for token in found:
        if token.kind == "word":
            # A byte order mark may stand alone.
            words += [token.keyword] if token.keyword else []
        elif words or token.text != "(":
            break
    return tuple(words)


def tag_of(found: Sequence[Token]) -> str:
    """Return what a statement is, as `Statement.tag` has it."""
    words = first_words(found)
    if words[:1] in {("CREATE",), ("ALTER",), ("DROP",)}:
        verb, *rest = words
        while rest and rest[0] in _MODIFIERS:
            del rest[0]
        return " ".join((verb, *_longest(tuple(rest), _LONG_OBJECTS)))
    return " ".join(_longest(words, _LONG_TAGS))


@dataclass
class _Nesting:
    """What is open around the next token of a statement.

    Args:
        parentheses: How many.
        ends: How many END are still to come, for BEGIN ATOMIC and for each CASE in it.
        words: The first words of the statement.
        before: The token before, in upper case when it is a word.
    """

    parentheses: int = 0
    ends: int = 0
    words: list[str] = field(default_factory=list)
    before: str = ""

    @property
    def is_open(self) -> bool:
        return self.parentheses > 0 or self.ends > 0

    def add(self, token: Token) -> None:
        """Take the next token."""
        word = token.keyword
        if token.text == "(":
            self.parentheses += 1
        elif token.text == ")":
            self.parentheses = max(0, self.parentheses - 1)
        elif word:
            if len(self.words) < 4:  # noqa: PLR2004 - CREATE OR REPLACE FUNCTION
                self.words.append(word)
            if self.parentheses == 0 and self._creates_routine():
                self.ends += self._change(word)
        self.before = word or token.text

    def _change(self, word: str) -> int:
        """Return by how much a word of a routine changes how many END are to come."""
        if self.ends == 0:
            return int((self.before, word) == ("BEGIN", "ATOMIC"))
        if self.before in {"AS", "."}:
            return 0
        return {"CASE": 1, "END": -1}.get(word, 0)

    def _creates_routine(self) -> bool:
        match self.words:
            case ["CREATE", "OR", "REPLACE", kind] | ["CREATE", kind, *_]:
                return kind in _ROUTINES
        return False


def psql_command(script: str, token: Token) -> str:
    """Return psql's command that begins at a backslash, without its arguments."""
    found = _COMMAND.match(script, token.start)
    return found.group() if found else token.text


def _statement(script: str, found: tuple[Token, ...], line: Callable[[int], int]) -> Statement:
    for token in found:
        if token.text == "\\":
            raise CannotSplit(
                f"line {line(token.start)} of the script: {psql_command(script, token)} is for "
                "psql, which Prisma does not use",
                "write the migration in SQL alone",
            )
    start = found[0].start
    tag = tag_of(found)
    if tag == "COPY" and copies_from_client(found):
        raise CannotSplit(
            f"line {line(start)} of the script: COPY ... FROM STDIN waits for data that Prisma "
            "cannot send",
            "write the rows as INSERT",
        )
    return Statement(script[start : found[-1].end], line(start), tag)


def outside_parentheses(found: Sequence[Token]) -> tuple[Token, ...]:
    """Return the tokens of a statement that stand in no parentheses."""
    nesting = _Nesting()
    kept = []
    for token in found:
        nesting.add(token)
        if nesting.parentheses == 0 and token.text != ")":
            kept.append(token)
    return tuple(kept)


def copy_direction(found: Sequence[Token]) -> tuple[str, str]:
    """Return FROM or TO, and what follows it in upper case, of a COPY statement."""
    flat = outside_parentheses(found)
    for token, after in pairwise(flat):
        if token.keyword in {"FROM", "TO"}:
            return token.keyword, after.keyword or after.text
    return "", ""


def copies_from_client(found: Sequence[Token]) -> bool:
    """Say whether a COPY waits for data. The grammar takes STDOUT for STDIN here."""
    return copy_direction(found) in {("FROM", "STDIN"), ("FROM", "STDOUT")}


def _longest(words: tuple[str, ...], known: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Return the words of the phrase that begins here, or the first word."""
    return next((phrase for phrase in known if words[: len(phrase)] == phrase), words[:1])


def _ends_transaction(statement: Statement) -> bool:
    """ROLLBACK TO goes back in a transaction, and COMMIT PREPARED ends another one."""
    if statement.tag not in _CLOSES:
        return False
    return "TO" not in first_words(tuple(tokens(statement.text)))[1:3]


def _is_chained(statement: Statement) -> bool:
    words = [token.keyword for token in tokens(statement.text) if token.keyword]
    return words[-2:] == ["AND", "CHAIN"]
