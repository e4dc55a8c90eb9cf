"""What a script reaches outside the database it runs in: roles, other databases, files, sessions.

Such a script may never be replayed on a production server, not in a scratch database either. So in
doubt a thing is named. Function bodies and strings that look like SQL are read too, as far as that
goes: what a string becomes while it runs, nobody knows before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from ops.proof.sql import Token, line_numbers, tokens
from ops.proof.statements import (
    copy_direction,
    cut,
    first_words,
    outside_parentheses,
    psql_command,
    tag_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_OF_THE_CLUSTER: Final = ("ROLE", "USER", "GROUP", "DATABASE", "TABLESPACE", "SUBSCRIPTION")
_TAGS: Final = {
    *(f"{verb} {kind}" for verb in ("CREATE", "ALTER", "DROP") for kind in _OF_THE_CLUSTER),
    *("ALTER SYSTEM", "DISCARD ALL", "DROP OWNED", "REASSIGN OWNED"),
    # What is written into a foreign table goes elsewhere.
    *("CREATE SERVER", "ALTER SERVER", "CREATE FOREIGN TABLE", "IMPORT FOREIGN SCHEMA"),
}
_SHARED_CATALOGS: Final = {
    *("pg_auth_members", "pg_authid", "pg_database", "pg_db_role_setting", "pg_parameter_acl"),
    *("pg_replication_origin", "pg_shdepend", "pg_shdescription", "pg_shseclabel"),
    *("pg_subscription", "pg_tablespace"),
}
_SETTINGS: Final = {"role": "SET ROLE", "session_authorization": "SET SESSION AUTHORIZATION"}
"""They could leave the role that a replay is confined to."""
_UNTRUSTED: Final = re.compile(
    r"c|internal|javau|plr|plsh|plpython\w*|pl\w+u", re.ASCII | re.IGNORECASE
)
"""Languages whose functions may do what the server's account may do."""

_FUNCTIONS: Final = (
    r"dblink\w*|postgres_fdw\w*|lo_(?:import|export)"
    r"|pg_(?:cancel|terminate)_backend|pg_reload_conf|pg_rotate_logfile\w*|pg_promote"
    r"|pg_switch_(?:wal|xlog)|pg_wal_replay_(?:pause|resume)|pg_create_restore_point"
    r"|pg_(?:start|stop)_backup|pg_backup_(?:start|stop)"
    r"|pg_(?:create|copy|drop)_\w*replication_slot|pg_replication_slot_advance"
    r"|pg_sync_replication_slots|pg_logical_\w+|pg_replication_origin_\w+"
    r"|pg_read_(?:binary_)?file\w*|pg_write_\w+|pg_file_\w+|pg_ls_\w*dir\w*|pg_stat_file"
    r"|pg_stat_reset_(?:shared|slru|replication_slot|subscription_stats)"
    r"|pg_stat_statements_reset|pg_background_\w+|run_command_on_\w+"
)
_REACHING: Final = re.compile(_FUNCTIONS, re.ASCII)
_WHEN_CALLED: Final = re.compile(
    rf"http_(?:get|post|put|patch|delete|head)\w*|{_FUNCTIONS}", re.ASCII
)
"""Names that could well be a column's too."""
_IN_SCHEMA: Final = re.compile(
    r"cron\.(?:schedule\w*|unschedule|alter_job|job)|aws_lambda\.invoke\w*|aws_s3\.\w+", re.ASCII
)
_CALL_IN_TEXT: Final = re.compile(
    rf"(?<![\w$])({_WHEN_CALLED.pattern}|{_IN_SCHEMA.pattern})\"?\s*\(", re.ASCII | re.IGNORECASE
)
_STATEMENT_IN_TEXT: Final = re.compile(
    rf"(?<![\w$])({'|'.join(sorted(_TAGS))}|SET ROLE|LOAD '|CHECKPOINT;)".replace(" ", r"\s+"),
    re.ASCII | re.IGNORECASE,
)

_HTTP: Final = ("http", "(", "(")
"""The function that takes a whole request, as a row."""

_ROUTINES: Final = {"CREATE FUNCTION", "CREATE PROCEDURE", "DO"}
_ALTERED_ROUTINES: Final = {"ALTER FUNCTION", "ALTER PROCEDURE", "ALTER ROUTINE"}
_HOLD_DATA: Final = {
    *("ALTER", "ASSERT", "COMMENT", "COPY", "CREATE", "DELETE", "INSERT", "MERGE", "NOTIFY"),
    *("RAISE", "SECURITY", "UPDATE", "VALUES"),
}
"""Statements whose strings are words for people, and not SQL that is run."""
_READ_AS_SQL: Final = {"SQL", "PLPGSQL"}
_BEGINS_STATEMENT: Final = {"ATOMIC", "BEGIN", "ELSE", "LOOP", "THEN"}
_DEEPEST: Final = 20
"""Beyond this many quotes in each other, a text is only searched for calls."""
_DOLLARS: Final = re.compile(r"\$[^$]*\$")
_ESCAPE: Final = re.compile(r"\\(.)|''", re.DOTALL)

_Found = tuple[int, str]
"""A position in the script, and what is there."""


@dataclass(frozen=True)
class Outside:
    r"""Something of a script that reaches outside its database.

    Args:
        what: The statement (`CREATE ROLE`, `GRANT ON DATABASE`, `COPY TO PROGRAM`), the function
            in lower case (`dblink_exec`, `cron.schedule`), or psql's command (`\connect`).
        line: In the script, from 1.
    """

    what: str
    line: int


def reaches_outside(script: str) -> tuple[Outside, ...]:
    """Return what a script reaches outside its database, by line, each once in a line.

    Empty is no proof for a script that builds its SQL from pieces, or that calls functions which
    are in the database already.
    """
    line = line_numbers(script)
    found: list[_Found] = []
    for statement in cut(script):
        found += (
            (token.start, psql_command(script, token)) for token in statement if token.text == "\\"
        )
        for part in _parts(statement):
            found += _of_part(part)
    return tuple(dict.fromkeys(Outside(what, line(position)) for position, what in sorted(found)))


# --- what is a statement ---


def _parts(statement: tuple[Token, ...]) -> Iterator[tuple[Token, ...]]:
    """Yield a statement; a routine with a body that is written out, in parts."""
    if tag_of(statement) in _ROUTINES:
        for index, (token, after) in enumerate(pairwise(statement)):
            if (token.keyword, after.keyword) == ("BEGIN", "ATOMIC"):
                yield statement[:index]
                yield from _chunks(statement[index:])
                return
    yield statement


def _chunks(body: Iterable[Token]) -> Iterator[tuple[Token, ...]]:
    """Yield the statements of a function's body, roughly: what begins where one can begin."""
    found: list[Token] = []
    for token in body:
        if token.text != ";":
            found.append(token)
        if found and (token.text == ";" or token.keyword in _BEGINS_STATEMENT):
            yield tuple(found)
            found = []
    if found:
        yield tuple(found)


def _of_part(part: tuple[Token, ...], depth: int = 0) -> Iterator[_Found]:
    """Yield what one statement reaches: itself, by the names in it, by the texts in it."""
    tag = tag_of(part)
    for rule in _RULES:
        if what := rule(tag, part):
            yield part[0].start, what
    yield from _of_names(part)
    read = _search if depth == _DEEPEST else _reader(tag, part)
    for token in part:
        if token.kind == "text":
            yield from read(token, depth)


def _reader(tag: str, part: tuple[Token, ...]) -> Callable[[Token, int], Iterator[_Found]]:
    """Return what reads the texts of a statement: they may be SQL, another language, or data."""
    if tag in _ROUTINES:
        return _read_body if _language(part) in _READ_AS_SQL else _search_body
    if tag.partition(" ")[0] in _HOLD_DATA:
        return _search
    is_run = any(token.keyword == "EXECUTE" for token in part)
    return _read_body if is_run else _read_unless_label


def _search(token: Token, depth: int) -> Iterator[_Found]:  # noqa: ARG001 - as the others
    """Yield the calls in a text that is data."""
    yield from _matches(_CALL_IN_TEXT, token)


def _search_body(token: Token, depth: int) -> Iterator[_Found]:
    """Yield what looks like SQL in a language with other quotes and comments."""
    yield from _search(token, depth)
    yield from _matches(_STATEMENT_IN_TEXT, token)


def _read_body(token: Token, depth: int) -> Iterator[_Found]:
    """Yield what the statements in a text reach."""
    for chunk in _chunks(_nested(token)):
        yield from _of_part(chunk, depth + 1)


def _read_unless_label(token: Token, depth: int) -> Iterator[_Found]:
    """Do so, but a text of one or two words is more likely a label, such as 'create user'."""
    inside, _ = _inside(token)
    if len(_nested(token)) > 2 or inside != inside.rstrip():  # noqa: PLR2004
        yield from _read_body(token, depth)


def _nested(token: Token) -> tuple[Token, ...]:
    """Return the tokens in a text, without comments, each where it stands in the script."""
    inside, start = _inside(token)
    return tuple(
        replace(found, start=start + found.start)
        for found in tokens(inside)
        if found.kind != "comment"
    )


def _inside(token: Token) -> tuple[str, int]:
    """Return what a text's quotes hold, and where that starts.

    Escapes become what they stand for, after a space each: so everything keeps its place.
    """
    text = token.text
    if dollars := _DOLLARS.match(text):
        return text[dollars.end() :].removesuffix(dollars.group()), token.start + dollars.end()
    is_escape = text[0] != "'"
    start = 2 if is_escape else 1
    inside = text[start:].removesuffix("'")
    if is_escape:
        return _ESCAPE.sub(_escaped, inside), token.start + start
    return inside.replace("''", " '"), token.start + start


def _escaped(found: re.Match[str]) -> str:
    character = found.group(1) or "'"
    return "  " if character.isalnum() else f" {character}"


def _matches(pattern: re.Pattern[str], token: Token) -> Iterator[_Found]:
    for found in pattern.finditer(token.text):
        what = " ".join(found.group(1).rstrip("';").split())
        yield (
            token.start + found.start(),
            what.lower() if pattern is _CALL_IN_TEXT else what.upper(),
        )


# --- by name ---


def _identifier(token: Token) -> str:
    """Return the name that a token may be, folded as PostgreSQL folds it; or empty."""
    if token.kind == "name":
        return token.text[1:].removesuffix('"').replace('""', '"')
    return token.keyword.lower()


def _of_names(part: tuple[Token, ...]) -> Iterator[_Found]:
    """Yield the functions that reach outside, and what else is known by a name."""
    for index, token in enumerate(part):
        name = _identifier(token)
        if not name:
            continue
        after = [found.text for found in part[index + 1 : index + 3]]
        calls = after[:1] == ["("]
        is_named = token.kind == "word" and _REACHING.fullmatch(name)
        is_called = calls and (_WHEN_CALLED.fullmatch(name) or (name, *after) == _HTTP)
        if is_named or is_called:
            yield token.start, name
        elif name == "set_config" and calls and len(after) > 1:
            if what := _SETTINGS.get(after[1].strip("'").lower()):
                yield token.start, what
        elif after[:1] == ["."] and len(part) > index + 2:
            whole = f"{name}.{_identifier(part[index + 2])}"
            if _IN_SCHEMA.fullmatch(whole):
                yield token.start, whole


# --- by statement: each rule returns what the statement is, or empty ---


def _by_tag(tag: str, part: tuple[Token, ...]) -> str:
    if tag.endswith(" USER MAPPING") and first_words(part)[3:4] not in {("FOR",), ("IF",)}:
        return tag.removesuffix(" MAPPING")
    return tag if tag in _TAGS else ""


def _grant(tag: str, part: tuple[Token, ...]) -> str:
    """Roles are granted without ON."""
    if tag not in {"GRANT", "REVOKE"}:
        return ""
    flat = outside_parentheses(part)
    for index, token in enumerate(flat):
        if token.keyword == "ON":
            kind, after = (*(found.keyword or found.text for found in flat[index + 1 :]), "", "")[
                :2
            ]
            is_kind = kind in {"DATABASE", "TABLESPACE", "PARAMETER"}
            # A table may be called database; then one of these comes next.
            return f"{tag} ON {kind}" if is_kind and after not in {"TO", "FROM", ",", "."} else ""
        if token.keyword in {"TO", "FROM"}:
            break
    return f"{tag} ROLE"


def _comment(tag: str, part: tuple[Token, ...]) -> str:
    if tag not in {"COMMENT", "SECURITY LABEL"}:
        return ""
    for token, after in pairwise(part):
        if token.keyword == "ON":
            return f"{tag} ON {after.keyword}" if after.keyword in _OF_THE_CLUSTER else ""
    return ""


def _copy(tag: str, part: tuple[Token, ...]) -> str:
    if tag != "COPY":
        return ""
    direction, target = copy_direction(part)
    if target in {"", "STDIN", "STDOUT"}:
        return ""
    return f"COPY {direction} {'PROGRAM' if target == 'PROGRAM' else 'FILE'}"


def _set(tag: str, part: tuple[Token, ...]) -> str:
    """SET and RESET of the role; also as an option of a routine."""
    if tag in {"SET", "RESET"}:
        return _setting(part[1:])
    if tag in _ROUTINES | _ALTERED_ROUTINES:
        flat = outside_parentheses(part)
        for index, token in enumerate(flat):
            if token.keyword == "SET" and (what := _setting(flat[index + 1 :])):
                return what
    return ""


def _setting(after: Sequence[Token]) -> str:
    names = [_identifier(token) for token in after[:3]]
    if names[:2] == ["session", "authorization"]:
        return _SETTINGS["session_authorization"]
    if names[:1] in (["session"], ["local"]):
        del names[0]
    if names[:2] == ["session", "authorization"]:
        return _SETTINGS["session_authorization"]
    return _SETTINGS.get(names[0], "") if names else ""


def _language_of(tag: str, part: tuple[Token, ...]) -> str:
    """A routine in a language that is not trusted, or such a language itself."""
    if tag in _ROUTINES:
        name = _language(part)
    elif tag in {"CREATE LANGUAGE", "CREATE EXTENSION"}:
        skipped = {"create", "or", "replace", "trusted", "procedural", "if", "not", "exists"}
        names = [_identifier(token) for token in part[:8]]
        name = next((name for name in names if name not in {*skipped, "language", "extension"}), "")
    else:
        return ""
    return f"LANGUAGE {name.upper()}" if _UNTRUSTED.fullmatch(name) else ""


def _language(part: tuple[Token, ...]) -> str:
    """Return the language of a routine, in upper case."""
    for token, after in pairwise(outside_parentheses(part)):
        if token.keyword == "LANGUAGE":
            return (_identifier(after) or _inside(after)[0]).upper()
    return "PLPGSQL" if tag_of(part) == "DO" else "SQL"


def _load(tag: str, part: tuple[Token, ...]) -> str:
    """In plpgsql, variables may have these names."""
    after = part[1].kind if len(part) > 1 else ""
    is_one = (tag == "LOAD" and after == "text") or (
        tag == "CHECKPOINT" and (not after or part[1].text == "(")
    )
    return tag if is_one else ""


def _catalog(tag: str, part: tuple[Token, ...]) -> str:
    """What all databases share, written to directly."""
    if tag not in {"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE"}:
        return ""
    names = [_identifier(token) for token in part[1:6] if _identifier(token)]
    while names[:1] and names[0] in {"into", "from", "only", "table", "pg_catalog"}:
        del names[0]
    return f"{tag} {names[0]}" if names[:1] and names[0] in _SHARED_CATALOGS else ""


_RULES: Final[tuple[Callable[[str, tuple[Token, ...]], str], ...]] = (
    *(_by_tag, _grant, _comment, _copy, _set, _language_of, _load, _catalog),
)
