"""Scripts cut into statements, and statements into what commits together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import ExitCode
from ops.proof.sql import line_numbers, tokens
from ops.proof.statements import CannotSplit, Rung, Statement, rungs, statements

if TYPE_CHECKING:
    from collections.abc import Callable

ATOMIC = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END"
CASES = (
    "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC SELECT CASE WHEN true THEN CASE 1 WHEN 1 THEN 2 "
    "END END; SELECT 1; END"
)


def texts(script: str) -> list[str]:
    return [statement.text for statement in statements(script)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("", []),
        (" \n\t", []),
        (";;; ;", []),
        ("-- nothing\n/* nothing; at /* all; */ */", []),
        ("; -- a;\n;/* b; */;", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;", ["SELECT 1"]),
        ("SELECT 1;SELECT 2;;", ["SELECT 1", "SELECT 2"]),
        ("  SELECT 1 ; -- x\n SELECT 2 -- y", ["SELECT 1", "SELECT 2"]),
        ("-- x;\nSELECT /* y; */ 1 -- z;\n;", ["SELECT /* y; */ 1"]),
        ("SELECT 1 -- a; b\n + 2; SELECT 3", ["SELECT 1 -- a; b\n + 2", "SELECT 3"]),
        ("SELECT 1 -- a; b\r + 2; SELECT 3", ["SELECT 1 -- a; b\r + 2", "SELECT 3"]),
        ("SELECT ';'; SELECT 2", ["SELECT ';'", "SELECT 2"]),
        ("SELECT 'it''s;'; SELECT 2", ["SELECT 'it''s;'", "SELECT 2"]),
        (r"SELECT '\'; SELECT 2", [r"SELECT '\'", "SELECT 2"]),
        (r"SELECT E'\';'; SELECT 2", [r"SELECT E'\';'", "SELECT 2"]),
        ("SELECT E'a'\n'\\';'; SELECT 2", ["SELECT E'a'\n'\\';'", "SELECT 2"]),
        (r"SELECT U&'\0041;'; SELECT 2", [r"SELECT U&'\0041;'", "SELECT 2"]),
        (r"SELECT U&'\'; SELECT 2", [r"SELECT U&'\'", "SELECT 2"]),
        ("SELECT B'1;', X'a;', N'b;'; SELECT 2", ["SELECT B'1;', X'a;', N'b;'", "SELECT 2"]),
        ('SELECT ";" ; SELECT "a"";"', ['SELECT ";"', 'SELECT "a"";"']),
        ("DO $$ BEGIN; END; $$; SELECT 2", ["DO $$ BEGIN; END; $$", "SELECT 2"]),
        ("DO $a$ ; $$ ; $b$ ; $a$; SELECT 2", ["DO $a$ ; $$ ; $b$ ; $a$", "SELECT 2"]),
        ("SELECT a$b$; SELECT c$b$", ["SELECT a$b$", "SELECT c$b$"]),
        ("SELECT $1; SELECT $2", ["SELECT $1", "SELECT $2"]),
        ("SELECT $1$$;$$; SELECT 2", ["SELECT $1$$;$$", "SELECT 2"]),
        ("SELECT 1 /* /* ; */ ; */ x; SELECT 2", ["SELECT 1 /* /* ; */ ; */ x", "SELECT 2"]),
        ("SELECT 2*/*;*/3; SELECT 2", ["SELECT 2*/*;*/3", "SELECT 2"]),
        ("SELECT 2//*;*/3; SELECT 2", ["SELECT 2//*;*/3", "SELECT 2"]),
        (
            "CREATE RULE r AS ON INSERT TO a DO (DELETE FROM b; DELETE FROM c); SELECT 2",
            ["CREATE RULE r AS ON INSERT TO a DO (DELETE FROM b; DELETE FROM c)", "SELECT 2"],
        ),
        ("SELECT 1); SELECT 2", ["SELECT 1)", "SELECT 2"]),
        ("SELECT (1; SELECT 2;", ["SELECT (1; SELECT 2;"]),
        ("SELECT )(; SELECT 2", ["SELECT )(; SELECT 2"]),
        (
            "CREATE FUNCTION f() BEGIN ATOMIC SELECT (END); SELECT 1; END; SELECT 2",
            ["CREATE FUNCTION f() BEGIN ATOMIC SELECT (END); SELECT 1; END", "SELECT 2"],
        ),
        ("SELECT ';)', \")\"; SELECT 2", ["SELECT ';)', \")\"", "SELECT 2"]),
        (f"{ATOMIC}; SELECT 2", [ATOMIC, "SELECT 2"]),
        (f"{ATOMIC.lower()}; SELECT 2", [ATOMIC.lower(), "SELECT 2"]),
        (f"{CASES}; SELECT 2", [CASES, "SELECT 2"]),
        (
            'CREATE FUNCTION f() BEGIN /* x */ ATOMIC SELECT "end"; SELECT $$END$$; END; SELECT 2',
            [
                'CREATE FUNCTION f() BEGIN /* x */ ATOMIC SELECT "end"; SELECT $$END$$; END',
                "SELECT 2",
            ],
        ),
        (
            "CREATE FUNCTION f() BEGIN ATOMIC SELECT n.end, (1) AS end, c AS case; END; SELECT 2",
            [
                "CREATE FUNCTION f() BEGIN ATOMIC SELECT n.end, (1) AS end, c AS case; END",
                "SELECT 2",
            ],
        ),
        (
            "CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT 2",
            ["CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'SELECT 1'", "SELECT 2"],
        ),
        (
            'CREATE "FUNCTION" BEGIN ATOMIC; SELECT 2',
            ['CREATE "FUNCTION" BEGIN ATOMIC', "SELECT 2"],
        ),
        (
            "CREATE VIEW v AS SELECT 1; END; SELECT 2",
            ["CREATE VIEW v AS SELECT 1", "END", "SELECT 2"],
        ),
        ("BEGIN; SELECT CASE 1 WHEN 1 THEN 2 END; END", 3),
        ("BEGIN ATOMIC; SELECT 1; END", 3),
        ("\ufeffSELECT 1; SELECT 2", ["\ufeffSELECT 1", "SELECT 2"]),
        ("\ufeff-- x\nSELECT 1; SELECT 2", ["\ufeff-- x\nSELECT 1", "SELECT 2"]),
        ("SELECT 1; 'never; closed", ["SELECT 1", "'never; closed"]),
        ('SELECT 1; "never; closed', ["SELECT 1", '"never; closed']),
        ("SELECT 1; $$never; closed $", ["SELECT 1", "$$never; closed $"]),
        ("SELECT 1; /* never; closed", ["SELECT 1"]),
        ("SELECT '\\'; SELECT 1 \\", CannotSplit),
    ],
)
def test_a_script_is_cut_where_statements_end(
    script: str, expected: list[str] | int | type[CannotSplit]
) -> None:
    if expected is CannotSplit:
        with pytest.raises(CannotSplit):
            statements(script)
    elif isinstance(expected, int):
        assert len(texts(script)) == expected
    else:
        assert texts(script) == expected


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_statement_stands_on_the_line_of_its_first_token(end: str) -> None:
    script = end.join(
        ["-- one", "", "/* three", "*/ SELECT 1;", ";; SELECT", "  ';", "'; SELECT 3; SELECT 4"]
    )
    assert [statement.line for statement in statements(script)] == [4, 5, 7, 7]


def test_a_byte_order_mark_is_the_first_token() -> None:
    (statement,) = statements("\ufeff\n\nBEGIN")
    assert statement == Statement("\ufeff\n\nBEGIN", 1, "BEGIN")
    assert statements("\ufeff")[0].tag == ""


@pytest.mark.parametrize(
    ("script", "tag"),
    [
        ("create table a (id int)", "CREATE TABLE"),
        ("CREATE/**/TEMP TABLE a (id int)", "CREATE TABLE"),
        ("CREATE GLOBAL TEMPORARY TABLE a (id int)", "CREATE TABLE"),
        ("CREATE UNLOGGED TABLE a (id int)", "CREATE TABLE"),
        ('CREATE TABLE"a"(id int)', "CREATE TABLE"),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON a (id)", "CREATE INDEX"),
        ("CREATE OR REPLACE FUNCTION f()", "CREATE FUNCTION"),
        ("CREATE OR REPLACE RECURSIVE VIEW v AS", "CREATE VIEW"),
        ("CREATE MATERIALIZED VIEW v AS", "CREATE MATERIALIZED VIEW"),
        ("CREATE CONSTRAINT TRIGGER t", "CREATE TRIGGER"),
        ("CREATE EVENT TRIGGER t", "CREATE EVENT TRIGGER"),
        ("CREATE DEFAULT CONVERSION c", "CREATE DEFAULT CONVERSION"),
        ("CREATE FOREIGN DATA WRAPPER w", "CREATE FOREIGN DATA WRAPPER"),
        ("CREATE FOREIGN TABLE t", "CREATE FOREIGN TABLE"),
        ("CREATE TEXT SEARCH CONFIGURATION c", "CREATE TEXT SEARCH CONFIGURATION"),
        ("CREATE TRUSTED PROCEDURAL LANGUAGE l", "CREATE LANGUAGE"),
        ("CREATE USER MAPPING FOR a SERVER b", "CREATE USER MAPPING"),
        ("CREATE USER a", "CREATE USER"),
        ("CREATE", "CREATE"),
        ("ALTER TYPE t ADD VALUE 'x'", "ALTER TYPE"),
        ("ALTER DEFAULT PRIVILEGES GRANT", "ALTER DEFAULT PRIVILEGES"),
        ("DROP MATERIALIZED VIEW v", "DROP MATERIALIZED VIEW"),
        ("DROP OWNED BY a", "DROP OWNED"),
        ('DROP "TABLE" a', "DROP"),
        ("UPDATE a SET b = 1", "UPDATE"),
        ("WITH a AS (SELECT 1) INSERT INTO b TABLE a", "WITH"),
        ("DO $$ $$", "DO"),
        ("do'x'", "DO"),
        ("(SELECT 1) UNION ((SELECT 2))", "SELECT"),
        ("begin isolation level serializable", "BEGIN"),
        ("START TRANSACTION READ ONLY", "START TRANSACTION"),
        ("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION"),
        ("PREPARE x AS SELECT 1", "PREPARE"),
        ("COMMIT PREPARED 'x'", "COMMIT PREPARED"),
        ("COMMIT WORK", "COMMIT"),
        ("REFRESH MATERIALIZED VIEW v", "REFRESH MATERIALIZED VIEW"),
        ("\ufeffDROP TABLE a", "DROP TABLE"),
        ("\u017fELECT 1", "\u017fELECT"),
        ("1", ""),
        ("'x' SELECT", ""),
        ('"SELECT" 1', ""),
    ],
)
def test_a_tag_says_what_a_statement_is(script: str, tag: str) -> None:
    assert [statement.tag for statement in statements(script)] == [tag]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("SELECT 1;\n\\connect other secret", r"line 2 of the script: \connect is for psql"),
        ("SELECT 1\n\n\\gexec", r"line 3 of the script: \gexec is for psql"),
        ("\\.", r"line 1 of the script: \. is for psql"),
        ("\\i+ x", r"line 1 of the script: \i+ is for psql"),
        ("SELECT 1 \\; SELECT 2", r"line 1 of the script: \; is for psql"),
        ("SELECT (\\\n", "line 1 of the script: \\ is for psql"),
        ("SELECT E'\\\\'\r\n\\!rm", r"line 2 of the script: \! is for psql"),
        ("\nCOPY a FROM STDIN;\n1\n\\.\n", "line 2 of the script: COPY ... FROM STDIN waits"),
        (
            "COPY a (from_, b) FROM/**/stdin WITH (FORMAT csv)",
            "line 1 of the script: COPY ... FROM",
        ),
        ('copy "from" from Stdout', "line 1 of the script: COPY ... FROM"),
    ],
)
def test_what_is_not_sql_alone_is_refused(script: str, words: str) -> None:
    with pytest.raises(CannotSplit) as refused:
        statements(script)
    assert refused.value.message.startswith(words)
    assert "secret" not in refused.value.message
    assert refused.value.hint
    assert refused.value.exit_code == ExitCode.REFUSED


@pytest.mark.parametrize(
    "script",
    [
        "COPY a TO STDOUT",
        "COPY (SELECT 1 FROM stdin) TO '/tmp/x'",
        "COPY a FROM '/tmp/stdin'",
        "COPY a FROM PROGRAM 'x'",
        'COPY a FROM "stdin"',
        "COPY a",
        "SELECT 1 FROM stdin",
        r"SELECT '\connect', $$\i x$$, " + r'"\x" -- \y' + "\n/* \\z */",
    ],
)
def test_what_only_looks_like_it_is_not(script: str) -> None:
    assert len(statements(script)) == 1


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("", []),
        ("a; b; c", [1, 1, 1]),
        ("BEGIN; a; b; COMMIT", [4]),
        ("a; BEGIN; b; END; c; START TRANSACTION; d; ROLLBACK; e", [1, 3, 1, 3, 1]),
        ("begin work; a; abort; b", [3, 1]),
        ("BEGIN; a; b", [3]),
        ("BEGIN", [1]),
        ("BEGIN; COMMIT", [2]),
        ("BEGIN; BEGIN; a; COMMIT; COMMIT", [4, 1]),
        ("COMMIT; a; END; ROLLBACK", [1, 1, 1, 1]),
        ("BEGIN; SAVEPOINT a; ROLLBACK TO a; ROLLBACK TO SAVEPOINT a; RELEASE a; b; COMMIT", [7]),
        ("BEGIN; SAVEPOINT a; ROLLBACK WORK TO a; ROLLBACK TRANSACTION TO SAVEPOINT a; END", [5]),
        ("BEGIN; a; COMMIT AND CHAIN; b; COMMIT; c", [3, 2, 1]),
        ("BEGIN; a; ROLLBACK WORK AND CHAIN; b; c; COMMIT AND NO CHAIN; d; e", [3, 3, 1, 1]),
        ("BEGIN; COMMIT AND CHAIN; COMMIT AND CHAIN; a", [2, 1, 1]),
        ("BEGIN; COMMIT AND CHAIN; a; b", [2, 2]),
        ("COMMIT AND CHAIN; a; b", [1, 1, 1]),
        ("BEGIN; a; PREPARE TRANSACTION 'x'; COMMIT PREPARED 'x'; b", [3, 1, 1]),
        ("BEGIN; COMMIT PREPARED 'x'; ROLLBACK PREPARED 'y'; a; COMMIT", [5]),
        ("BEGIN; PREPARE p AS SELECT 1; COMMIT", [3]),
        ("BEGIN; DO $$ BEGIN COMMIT; END $$; SELECT 'COMMIT'; COMMIT -- x", [4]),
        ("/* x */ BEGIN /* AND CHAIN */; a; COMMIT /* AND CHAIN */; b", [3, 1]),
        (f"BEGIN; {ATOMIC}; COMMIT; {ATOMIC}; a", [3, 1, 1]),
    ],
)
def test_a_rung_holds_what_commits_together(script: str, expected: list[int]) -> None:
    found = statements(script)
    made = rungs(found)
    assert [len(rung.statements) for rung in made] == expected
    assert tuple(statement for rung in made for statement in rung.statements) == found


def test_a_rung_stands_where_its_first_statement_does() -> None:
    first, second = rungs(statements("SELECT 1;\nBEGIN;\nSELECT 2;\nEND;"))
    assert (first.line, second.line) == (1, 2)
    assert first == Rung((Statement("SELECT 1", 1, "SELECT"),))


# --- properties ---

_CODE = st.sampled_from(
    [
        *(
            "SELECT 1",
            "a$b",
            "$1",
            "größe",
            ";",
            ";",
            ";",
            "(",
            ")",
            "\n",
            " ",
            ",",
            "e",
            "U&",
            "::",
        ),
        *("CREATE FUNCTION f()", "BEGIN ATOMIC", "CASE", "END", "BEGIN", "COMMIT", "/", "*", "-"),
        *(
            "'a;''b'",
            "E'\\';'",
            '";"',
            "$$;$$",
            "$x$ $$; $x$",
            "-- ;\n",
            "/* ; /* ; */ */",
            "\ufeff",
        ),
    ]
)
_PASTED = st.lists(_CODE, max_size=25).map("".join)
_SCRIPTS = _PASTED.filter(lambda script: ("sign", "\\") not in code_of(script))


def code_of(script: str) -> list[tuple[str, str]]:
    return [(found.kind, found.text) for found in tokens(script) if found.kind != "comment"]


@given(_SCRIPTS)
def test_no_token_is_lost_but_the_semicolons_between(script: str) -> None:
    found = statements(script)
    joined = code_of("\n;\n".join(statement.text for statement in found))
    assert [token for token in joined if token[1] != ";"] == [
        token for token in code_of(script) if token[1] != ";"
    ]
    assert texts("\n;\n".join(texts(script))) == texts(script)
    # Its text may stand in a comment before it: only where a token begins can it be.
    begins = [token.start for token in tokens(script) if token.kind != "comment"]
    position = 0
    for statement in found:
        position = next(
            at for at in begins if at >= position and script.startswith(statement.text, at)
        )
        assert statement.line == line_numbers(script)(position)
        position += len(statement.text)


@given(_SCRIPTS)
def test_line_ends_of_windows_change_nothing(script: str) -> None:
    windows = statements(script.replace("\n", "\r\n"))
    assert windows == tuple(
        Statement(found.text.replace("\n", "\r\n"), found.line, found.tag)
        for found in statements(script)
    )


_QUOTES: dict[str, Callable[[str], str]] = {
    "'": lambda text: "'" + text.replace("'", "''") + "'",
    "E'": lambda text: "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
    '"': lambda text: '"' + text.replace('"', '""') + '"',
    "$": lambda text: "$wrap$" + text + "$wrap$",
    "/*": lambda text: "/*" + text.replace("/", "") + "*/",
    # What is quoted itself could go on after the parenthesis.
    "(": lambda text: "(" + " ".join(plain(text)) + ")",
}


def plain(text: str) -> list[str]:
    found = (token for token in tokens(text) if token.kind in {"word", "sign"})
    return [token.text for token in found if token.text not in {"(", ")"}]


@given(st.lists(_SCRIPTS, max_size=4), st.sampled_from(sorted(_QUOTES)))
def test_what_is_wrapped_does_not_count(pieces: list[str], quote: str) -> None:
    script = ";\n".join(f"SELECT {_QUOTES[quote](piece)} x" for piece in pieces)
    found = statements(script)
    assert len(found) == len(pieces)
    assert all((statement.tag, statement.text[-1]) == ("SELECT", "x") for statement in found)


@given(_SCRIPTS)
def test_rungs_hold_every_statement_once(script: str) -> None:
    found = statements(script)
    assert tuple(statement for rung in rungs(found) for statement in rung.statements) == found
    assert all(rung.statements for rung in rungs(found))
