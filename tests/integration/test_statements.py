"""Our cut of scripts against psql's, which logs every statement that it sends to a server."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from ops.proof.sql import tokens
from ops.proof.statements import statements
from tests.facts_cases import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOGGED = re.compile(
    r"^(?:/\*{8} QUERY \*{9}/|\*{9} QUERY \*{10})\n(.*?)\n(?:/\*{24}/|\*{26})$",
    re.DOTALL | re.MULTILINE,
)
"""A statement in the log of psql, as of version 16 and before."""

ATOMIC = "RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END"
SCRIPTS = [
    "",
    ";;",
    "-- only; a comment",
    "/* only; */ /* comments; */ ;",
    "SELECT 1",
    "SELECT 1;SELECT 2;;SELECT 3",
    "SELECT 1 ; -- x; y\nSELECT 2 -- z",
    "SELECT 1 -- a; b\n + 2; SELECT 3",
    "SELECT 1\n\n\n+ 2;\n\n\nSELECT 3;",
    "SELECT 1;\r\nSELECT 2 -- x;\r\n;\r\n",
    "SELECT 1 -- old Mac\r+ 2; SELECT 3;",
    "SELECT ';'; SELECT 'it''s;'; SELECT 3",
    "SELECT '\n;\n-- \n'; SELECT 2",
    r"SELECT '\'; SELECT 2",
    r"SELECT E'\';'; SELECT 2",
    r"SELECT e'\\'; SELECT 2",
    r"SELECT E'\\\';'; SELECT 2",
    "SELECT E'a' '\\'; SELECT 2",
    "SELECT 'a'\n'b;'; SELECT 2",
    r"SELECT U&'\0041;'; SELECT 2",
    r"SELECT U&'\'; SELECT 2",
    r"SELECT U&'d!0061;' UESCAPE '!'; SELECT 2",
    "SELECT U&\"d!0061;\" UESCAPE '!'; SELECT 2",
    "SELECT B'1;', X'a;', N'b;'; SELECT 2",
    "SELECT x'a'';'; SELECT 2",
    'SELECT ";"; SELECT "a"";"; SELECT 3',
    "SELECT \"'\"; SELECT '\"'; SELECT 3",
    "DO $$ BEGIN PERFORM 1; END; $$; SELECT 2",
    "DO $a$ BEGIN PERFORM $$;$$; END; $a$; SELECT 2",
    "SELECT $a$ ; $b$ ; $ a $ ; $a$; SELECT 2",
    "SELECT $a$ ; $x$a$; SELECT 2",
    "SELECT $größe$;$größe$; SELECT 2",
    "SELECT a$b$; SELECT c$b$; SELECT 3",
    "SELECT a$$; SELECT b$$; SELECT 3",
    "SELECT $1; SELECT $2",
    "SELECT $1$$;$$; SELECT 2",
    "SELECT 1$$;$$; SELECT 2",
    "SELECT 1a$$; SELECT b$$",
    "SELECT $; SELECT $a; SELECT $$;$$",
    "SELECT €$$; SELECT $$;$$",
    "SELECT 1 /* /* ; */ ; */; SELECT 2",
    "SELECT 1 /*/ ; /**/ ; */; SELECT 2",
    "SELECT 1 /* ' ; */; SELECT 2 -- '\n; SELECT 3",
    "SELECT 2*/*;*/3; SELECT 2//*;*/3; SELECT 4",
    "SELECT 2+--;\n3; SELECT 2 - - 1; SELECT 3",
    "SELECT 1 /* **/; SELECT 2 /***/; SELECT 3",
    "SELECT 1::text; SELECT (ARRAY[1,2])[1:2]; SELECT 3",
    "SELECT (';'); SELECT (1); SELECT 2",
    "SELECT 1); SELECT 2); SELECT 3",
    "SELECT (1; SELECT 2;",
    "SELECT )(; SELECT 2",
    "SELECT [; SELECT ]",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT (END); SELECT 1; END; SELECT 2",
    (
        "CREATE TABLE a (id int); CREATE RULE r AS ON INSERT TO a DO (DELETE FROM a; DELETE FROM a)"
        "; SELECT 2"
    ),
    f"CREATE FUNCTION f() {ATOMIC}; SELECT 2",
    f"create or replace function f() {ATOMIC.lower()}; SELECT 2",
    f"CREATE OR REPLACE PROCEDURE f() {ATOMIC}; SELECT 2",
    f"CREATE /* x */ OR -- y\nREPLACE FUNCTION f() {ATOMIC}; SELECT 2",
    f"CREATE VIEW v AS SELECT 1 AS x; {ATOMIC}; SELECT 2",
    f"REPLACE FUNCTION f() {ATOMIC}; SELECT 2",
    f'CREATE "OR" FUNCTION f() {ATOMIC}; SELECT 2',
    (
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN CASE 1 WHEN 1"
        " THEN 2 END END; SELECT (CASE 1 WHEN 1 THEN 2 END); END; SELECT 2"
    ),
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS \"end\"; SELECT 'END'; END; SELECT 2",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC END; SELECT 2; END",
    (
        "CREATE FUNCTION f(a int DEFAULT CASE 1 WHEN 1 THEN 2 END) RETURNS int LANGUAGE sql AS"
        " 'SELECT 1;'; SELECT 2"
    ),
    "CREATE FUNCTION f() RETURNS int RETURN CASE WHEN true THEN 1 END; SELECT 2",
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$; SELECT 2",
    "BEGIN; SELECT CASE 1 WHEN 1 THEN 2 END; END; SELECT 2",
    "BEGIN; SELECT 1; ROLLBACK; START TRANSACTION; COMMIT AND CHAIN; SELECT 2; COMMIT",
    "SELECT 1; SELECT 'never; closed",
    'SELECT 1; SELECT "never; closed',
    "SELECT 1; SELECT $$never; closed $",
    "SELECT 1; SELECT 2 /* never; closed",
    "SELECT\xa01; SELECT\u20032; SELECT '\u2028;'",
    "SELECT\f1;\vSELECT 2\t;SELECT 3",
]

UNLIKE_PSQL = [
    # It reads line by line, and takes what a string goes on with for a new one.
    "SELECT E'a'\n'\\';'; SELECT 2",
    "SELECT E'a' -- x\n  '\\';'; SELECT 2; SELECT ';'",
    # It takes each of these words for a keyword.
    "CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT begin(); SELECT 2",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS end; SELECT 5; END; SELECT f()",
    (
        'CREATE TYPE t AS ("end" int); CREATE FUNCTION f(x t) RETURNS int BEGIN ATOMIC SELECT (x)'
        ".end; SELECT (x).end + 1; END; SELECT f(ROW(4)); SELECT 2"
    ),
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS case; SELECT 5; END; SELECT f()",
]
"""Where psql does not cut as the server does, we do as the server."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server") / "postgres")
    try:
        yield started
    finally:
        started.stop()


def sent_by_psql(server: Server, script: Path, database: str = "postgres") -> list[list[str]]:
    """Run a script with psql; return the tokens of each statement that it sent."""
    log = script.with_suffix(".log")
    subprocess.run(
        [server.bin / "psql", "-XAtq", "-L", log, "-f", script],
        env={**server.variables(database), "PGCLIENTENCODING": "UTF8"},
        capture_output=True,
        check=True,
    )
    logged = log.read_bytes().decode() if log.exists() else ""
    sent = (code_of(found) for found in _LOGGED.findall(logged))
    return [found for found in sent if found]


def code_of(text: str) -> list[str]:
    """Return the tokens of a statement, without comments and without the semicolon at its end."""
    found = [token.text for token in tokens(text) if token.kind != "comment"]
    return found[:-1] if found[-1:] == [";"] else found


@pytest.mark.parametrize("script", SCRIPTS)
def test_psql_sends_the_statements_that_we_find(
    script: str, server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "migration.sql"
    file.write_bytes(script.encode())
    assert [code_of(found.text) for found in statements(script)] == sent_by_psql(server, file)


@pytest.mark.parametrize("script", UNLIKE_PSQL)
def test_where_psql_errs_the_server_takes_our_statements(
    script: str, server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "migration.sql"
    file.write_text(script)
    found = statements(script)
    assert [code_of(statement.text) for statement in found] != sent_by_psql(
        server, file, fresh(server)
    ), "this one is no example any more"
    whole = answers(server, fresh(server), script)
    database = fresh(server)
    single = [answers(server, database, statement.text) for statement in found]
    assert [line for lines in single for line in lines] == whole
    assert max(len(lines) for lines in single) == 1, "one of them holds two"
    assert whole


def fresh(server: Server) -> str:
    server.sql("DROP DATABASE IF EXISTS cut WITH (FORCE)")
    server.sql("CREATE DATABASE cut")
    return "cut"


def answers(server: Server, database: str, query: str) -> list[str]:
    """Send a text as one query; return the rows of all results."""
    done = subprocess.run(
        [server.bin / "psql", "-XAtq", "-c", query],
        env=server.variables(database),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_psql_would_have_been_seen_to_differ(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "migration.sql"
    file.write_text("SELECT 1; SELECT 2;\nSELECT ';'")
    assert sent_by_psql(server, file) == [["SELECT", "1"], ["SELECT", "2"], ["SELECT", "';'"]]
