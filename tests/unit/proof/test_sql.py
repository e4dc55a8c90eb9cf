"""Comments and quotes as PostgreSQL's lexer cuts them, and the words that leave traces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.proof.sql import top_level, without_comments
from ops.proof.testimony import may_leave_traces


@pytest.mark.parametrize(
    ("script", "without", "top"),
    [
        ("a -- b\nc", "a  \nc", "a  \nc"),
        ("a -- b\rc", "a  \rc", "a  \rc"),
        ("a -- b", "a  ", "a  "),
        ("a /* b */ c", "a   c", "a   c"),
        ("a /* /* b */ -- ' */ c", "a   c", "a   c"),
        ("a /* b", "a  ", "a  "),
        ("a /* /* b */ c", "a  ", "a  "),
        ("'--' b", "'--' b", "  b"),
        ("'/*' b '*/'", "'/*' b '*/'", "  b  "),
        ("'it''s -- x' b", "'it''s -- x' b", "  b"),
        (r"'\' -- x", r"'\'  ", "   "),
        (r"E'\'--' b -- x", r"E'\'--' b  ", "  b  "),
        (r"e'\\' -- x", r"e'\\'  ", "   "),
        ("E'a'\n  'b\\'--' c", "E'a'\n  'b\\'--' c", "  c"),
        ("E'a' -- x\n 'b\\'--' c", "E'a' -- x\n 'b\\'--' c", "  c"),
        ("E'a' 'b\\' -- x", "E'a' 'b\\'  ", "     "),
        ("be'\\' -- x", "be'\\'  ", "be   "),
        ("x_E'\\' -- x", "x_E'\\'  ", "x_E   "),
        ("é" + "e'\\' -- x", "é" + "e'\\'  ", "é" + "e   "),
        ("U&'\\' -- x", "U&'\\'  ", "U&   "),
        ('"a -- b" c', '"a -- b" c', "  c"),
        ('"a""--" c', '"a""--" c', "  c"),
        ("$$ -- $$ b", "$$ -- $$ b", "  b"),
        ("$a$ $$ -- $b$ $a$ b", "$a$ $$ -- $b$ $a$ b", "  b"),
        ("$größe$ -- $größe$ b", "$größe$ -- $größe$ b", "  b"),
        ("a$$ -- $$ b", "a$$  ", "a$$  "),
        ("a$b$ -- $b$", "a$b$  ", "a$b$  "),
        ("1$$ -- $$ b", "1$$ -- $$ b", "1  b"),
        ("$1 -- x", "$1  ", "$1  "),
        ("$1$$ -- $$ b", "$1$$ -- $$ b", "$1  b"),
        ("€$$ -- $$ b", "€$$  ", "€$$  "),
        ("a - - b", "a - - b", "a - - b"),
        ("a +-- b", "a + ", "a + "),
        ("'never closed -- b", "'never closed -- b", " "),
        ("E'never closed\\' -- b", "E'never closed\\' -- b", " "),
        ('"never closed -- b', '"never closed -- b', " "),
        ("$x$ never closed -- b $$", "$x$ never closed -- b $$", " "),
        ("", "", ""),
    ],
)
def test_text_is_cut_as_postgresql_cuts_it(script: str, without: str, top: str) -> None:
    assert without_comments(script) == without
    assert top_level(script) == top


HARMLESS = [
    "",
    "CREATE TABLE a (id int);",
    "-- COMMIT;\nCREATE TABLE a (id int);",
    "/* COMMIT; /* ROLLBACK */ END; */ SELECT 1",
    "/*\n  Warnings:\n  - This will CALL for a COMMIT. Duplicates will END it.\n*/",
    "SELECT CASE WHEN true THEN 1 ELSE 2 END;",
    "SELECT 1 AS committed, 'recommit' AS uncommitted",
    'CREATE TABLE "commit" ("rollback" int, "call" text, "cluster" int, "program" int);',
    "CREATE TABLE programs (program_id int, call_id int);",
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$;",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
    "DO $$ BEGIN IF true THEN UPDATE a SET id = 1; END IF; END $$;",
    "DO $x$ BEGIN\n  PERFORM 1;\nEND;\n$x$;",
    "BEGIN; CREATE TABLE a (id int);",
    "SELECT nextval('a_id_seq'); NOTIFY a; LISTEN a; SET search_path = x;",
    "SELECT lo_create(5); LOCK TABLE a; TRUNCATE a; ALTER TYPE t ADD VALUE 'x';",
    "CREATE TYPE t AS ENUM ('COMMITTED', 'END');",
    "GRANT ALL ON a TO b; COPY a FROM stdin; REFRESH MATERIALIZED VIEW v;",
    "ALTER SEQUENCE s RESTART; CREATE EXTENSION citext; SELECT 1; ;",
    "ALTER TABLE a ADD language varchar(2), ADD prepared_at date;",
]


@pytest.mark.parametrize("script", HARMLESS)
def test_what_a_rollback_undoes_is_harmless(script: str) -> None:
    assert may_leave_traces(script.encode()) == ""


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("CREATE TABLE a (id int); COMMIT; CREATE TABLE b (id int);", "COMMIT"),
        ("commit", "COMMIT"),
        ("CoMmIt WORK", "COMMIT"),
        ("COMMIT AND CHAIN", "COMMIT"),
        ("COMMIT/**/;", "COMMIT"),
        ("/* */COMMIT", "COMMIT"),
        ("SELECT $$--$$;COMMIT", "COMMIT"),
        ("SELECT 1$$ -- $$; COMMIT", "COMMIT"),
        ("SELECT E'\\'' -- it's\n; COMMIT", "COMMIT"),
        ("SELECT '/*'; COMMIT; SELECT '*/'", "COMMIT"),
        ("SELECT '-- '; COMMIT", "COMMIT"),
        ('SELECT 1 AS "--"; COMMIT', "COMMIT"),
        ('SELECT "x"\nCOMMIT', "COMMIT"),
        ("/* /* */ */ COMMIT", "COMMIT"),
        ("\ufeffCOMMIT", "COMMIT"),
        ("SELECT '\xa0'; COMMIT", "COMMIT"),
        ("DO $$ BEGIN INSERT INTO a VALUES (1); COMMIT; END $$;", "COMMIT"),
        ("DO 'BEGIN COMMIT; END'", "COMMIT"),
        ("CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN ROLLBACK; END $$;", "ROLLBACK"),
        ("SAVEPOINT a; ROLLBACK TO a", "ROLLBACK"),
        ("CALL p()", "CALL"),
        ("DO $$ BEGIN CALL p(); END $$", "CALL"),
        ('CALL"p"()', "CALL"),
        ("END", "END"),
        ("BEGIN; SELECT 1; END;", "END"),
        ("SELECT 1;end", "END"),
        ("SELECT 1; /* x */ END TRANSACTION", "END"),
        ("SELECT 1; -- x\nABORT", "ABORT"),
        ("BEGIN; PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION"),
        ("BEGIN; PREPARE -- x\n\tTRANSACTION 'x'", "PREPARE TRANSACTION"),
        ("ROLLBACK PREPARED 'x'", "ROLLBACK"),
        ("CREATE INDEX CONCURRENTLY i ON a (id)", "CONCURRENTLY"),
        ("REINDEX TABLE a", "REINDEX"),
        ("VACUUM a", "VACUUM"),
        ("CLUSTER a", "CLUSTER"),
        ("ALTER SYSTEM SET a = 1", "ALTER SYSTEM"),
        ("ALTER/**/SYSTEM SET a = 1", "ALTER SYSTEM"),
        ("ALTER DATABASE a SET TABLESPACE b", "ALTER DATABASE"),
        ("CREATE DATABASE x", "CREATE DATABASE"),
        ("DROP\n TABLESPACE x", "DROP TABLESPACE"),
        ("CREATE SUBSCRIPTION s", "CREATE SUBSCRIPTION"),
        ("ALTER SUBSCRIPTION s REFRESH PUBLICATION", "ALTER SUBSCRIPTION"),
        ("COPY a TO PROGRAM 'mail'", "PROGRAM"),
        ("SELECT dblink_exec('x', 'y')", "DBLINK_EXEC"),
        ("SELECT \"dblink\"('x')", "DBLINK"),
        ("SELECT setval('s', 5)", "SETVAL"),
        ("SELECT pg_background_launch('x')", "PG_BACKGROUND_LAUNCH"),
        ("SELECT lo_export(1, 'x')", "LO_EXPORT"),
        ("SELECT pg_file_write('a', 'b', false)", "PG_FILE_WRITE"),
        (
            "SELECT pg_create_logical_replication_slot('a', 'b')",
            "PG_CREATE_LOGICAL_REPLICATION_SLOT",
        ),
        ("SELECT pg_logical_emit_message(false, 'a', 'b')", "PG_LOGICAL_EMIT_MESSAGE"),
        ("SELECT * FROM run_command_on_workers('x')", "RUN_COMMAND_ON_WORKERS"),
        ("SELECT http_post('x', 'y')", "HTTP_POST"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS 'x'", "LANGUAGE PLPYTHON3U"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE C AS 'x'", "LANGUAGE C"),
        ("CREATE FUNCTION f() RETURNS int AS 'x' LANGUAGE 'plperlu'", "LANGUAGE 'PLPERLU"),
        ("SET standard_conforming_strings = off", "STANDARD_CONFORMING_STRINGS"),
        ("SELECT 1; COMMIT \\g", "COMMIT"),
    ],
)
def test_what_a_rollback_may_not_undo_is_named(script: str, word: str) -> None:
    assert may_leave_traces(script.encode()) == word


def test_bytes_that_are_no_utf_8_hide_nothing() -> None:
    assert may_leave_traces(b"SELECT '\xff\xfe'; COMMIT") == "COMMIT"


# Pieces of which it is known by construction what they are; each is whole in itself.
_TEXT = st.text("ab-*/'\"$\\;\n\t é€", max_size=8)
_COMMENTS = st.one_of(
    _TEXT.map(lambda text: "--" + text.replace("\n", "") + "\n"),
    _TEXT.map(lambda text: "/*" + text.replace("*", "").replace("/", "") + "*/"),
    _TEXT.map(lambda text: "/* /*" + text.replace("*", "").replace("/", "") + "*/ */"),
)
_QUOTED = st.one_of(
    _TEXT.map(lambda text: "'" + text.replace("'", "''") + "'"),
    _TEXT.map(lambda text: "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"),
    _TEXT.map(lambda text: '"' + text.replace('"', '""') + '"'),
    _TEXT.map(lambda text: "$t$" + text + "$t$"),
    _TEXT.map(lambda text: "$$" + text.replace("$", "") + "$$"),
)
_CODE = st.sampled_from(["SELECT 1", "a$b", "x_e", "1", "$1", "(a + b)", "größe", "e", ", "])
_PIECES = st.lists(
    st.one_of(
        _COMMENTS.map(lambda text: ("comment", text)),
        _QUOTED.map(lambda text: ("quoted", text)),
        _CODE.map(lambda text: ("code", text)),
    ),
    max_size=8,
)


@given(_PIECES)
def test_any_row_of_pieces_is_cut_between_them(pieces: list[tuple[str, str]]) -> None:
    # A separator that no piece swallows: `;` with spaces keeps strings from going on.
    script = " ; ".join(text for _, text in pieces)
    without = " ; ".join(_shown(kind, text, {"comment"}) for kind, text in pieces)
    top = " ; ".join(_shown(kind, text, {"comment", "quoted"}) for kind, text in pieces)
    assert without_comments(script) == without
    assert top_level(script) == top


def _shown(kind: str, text: str, hidden: set[str]) -> str:
    """A line comment ends before its line end, which stays."""
    if kind not in hidden:
        return text
    return " \n" if text.startswith("--") else " "


@given(_PIECES, st.sampled_from(["COMMIT", "ROLLBACK", "END", "CALL p()", "VACUUM", "ABORT"]))
def test_a_statement_is_found_after_anything_that_is_closed(
    pieces: list[tuple[str, str]], statement: str
) -> None:
    script = " ; ".join([*(text for _, text in pieces), statement])
    assert may_leave_traces(script.encode()) != ""
