"""Prisma's database URL and the .env line it stands in: every parameter, every mistake."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import ExitCode
from ops.facts.url import WrongUrl, parse_env_line, parse_url
from ops.secrets import Secret

if TYPE_CHECKING:
    from pathlib import Path

HERE = "DATABASE_URL in /srv/.env"
CANARY = "c@n/a:r%y'\"$\\ x"


def url(query: str = "", place: str = "db.example:5433") -> str:
    return f"postgresql://app:s3cret@{place}/school{query}"


def variables(text: str) -> dict[str, Any]:
    return {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in parse_url(text, HERE).variables.items()
    }


PLAIN = {
    "PGHOST": "db.example",
    "PGPORT": "5433",
    "PGUSER": "app",
    "PGPASSWORD": "s3cret",
    "PGDATABASE": "school",
    "PGCONNECT_TIMEOUT": "10",
}
ROOT = "PGSSLROOTCERT"
PARAMETERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("", {}),
    ("?", {}),
    # Prisma's own: libpq would refuse them
    ("?schema=x", {}),
    ("?connection_limit=5&pool_timeout=0&pgbouncer=true&socket_timeout=3", {}),
    ("?statement_cache_size=0&max_connection_lifetime=1&max_idle_connection_lifetime=1", {}),
    ("?single_use_connections=true&uselibpqcompat=true&sslpassword=x&application_name=a", {}),
    ("?gssencmode=disable&whatever", {}),
    # the same meaning
    ("?connect_timeout=3", {"PGCONNECT_TIMEOUT": "3"}),
    ("?connect_timeout=0", {"PGCONNECT_TIMEOUT": "0"}),
    ("?connect_timeout=", {}),
    ("?options=-c%20search_path%3Dx", {"PGOPTIONS": "-c search_path=x"}),
    ("?options=-c+lock_timeout=5s", {"PGOPTIONS": "-c lock_timeout=5s"}),
    ("?channel_binding=require", {"PGCHANNELBINDING": "require"}),
    ("?host=/var/run/postgresql", {"PGHOST": "/var/run/postgresql"}),
    ("?host=", {}),
    ("?host=a&host=b", {"PGHOST": "b"}),
    # TLS
    ("?sslmode=disable", {"PGSSLMODE": "disable"}),
    ("?sslmode=prefer", {"PGSSLMODE": "prefer"}),
    ("?sslmode=require", {"PGSSLMODE": "require"}),
    ("?sslmode=verify-full", {"PGSSLMODE": "prefer"}),
    ("?sslmode=allow", {"PGSSLMODE": "prefer"}),
    ("?sslmode=", {}),
    ("?sslmode=require&sslcert=/ca.pem", {"PGSSLMODE": "require"}),
    ("?sslmode=require&sslcert=ca.pem", {"PGSSLMODE": "require"}),
    ("?sslaccept=accept_invalid_certs&sslcert=/ca.pem", {}),
    ("?sslaccept=strict", {"PGSSLMODE": "verify-full", ROOT: "system"}),
    ("?sslaccept=strict&sslcert=/ca.pem", {"PGSSLMODE": "verify-full", ROOT: "/ca.pem"}),
    ("?sslmode=require&sslaccept=strict", {"PGSSLMODE": "verify-full", ROOT: "system"}),
    ("?sslmode=disable&sslaccept=strict", {"PGSSLMODE": "disable"}),
)


@pytest.mark.parametrize(("query", "more"), PARAMETERS, ids=[query for query, _ in PARAMETERS])
def test_each_parameter_becomes_what_it_means_to_libpq(query: str, more: dict[str, str]) -> None:
    assert variables(url(query)) == PLAIN | more


@pytest.mark.parametrize(
    ("text", "user", "host", "port", "database", "schema"),
    [
        (url(), "app", "db.example", 5433, "school", "public"),
        (url("?schema=x%20y"), "app", "db.example", 5433, "school", "x y"),
        (url("?schema="), "app", "db.example", 5433, "school", "public"),
        ("postgres://u:p@h/d", "u", "h", 5432, "d", "public"),
        ("postgres://u:p@h:/d", "u", "h", 5432, "d", "public"),
        ("postgres://u@h/d/", "u", "h", 5432, "d", "public"),
        ("postgres://u:p@[::1]:6000/d", "u", "::1", 6000, "d", "public"),
        ("postgres://a%40b:p@h/my%20db", "a@b", "h", 5432, "my db", "public"),
        ("postgres://u:p@localhost/d?host=/run", "u", "/run", 5432, "d", "public"),
        ("postgres://u:p@%2Frun%2Fpg/d", "u", "/run/pg", 5432, "d", "public"),
        ("postgres://u:p@h/d?options=a@b", "u", "h", 5432, "d", "public"),
    ],
)
def test_each_part_is_found(
    text: str, user: str, host: str, port: int, database: str, schema: str
) -> None:
    found = parse_url(text, HERE)
    assert (found.user, found.host, found.port) == (user, host, port)
    assert (found.database, found.schema) == (database, schema)
    assert found.label == f"{user}@{host}:{port}/{database}"
    assert found.text.reveal() == text


@pytest.mark.parametrize("text", ["p@ss", "p:a:s", "p+s", "p%25", "sp ace", "a'b\"c", "p&q=r", ""])
def test_passwords_that_need_no_encoding_are_taken_as_prisma_takes_them(text: str) -> None:
    expected = text.replace("%25", "%")
    assert parse_url(f"postgres://u:{text}@h/d", HERE).password.reveal() == expected


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
)
def test_any_password_survives_percent_encoding(password: str, user: str) -> None:
    text = f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@h/d"
    found = parse_url(text, HERE)
    assert (found.user, found.password.reveal()) == (user, password)


@given(st.text())
def test_any_text_is_a_url_or_one_line(text: str) -> None:
    for candidate in (text, f"postgresql://{text}", f"postgresql://u:p@{text}/d?{text}"):
        problem: WrongUrl | None = None
        try:
            parse_url(candidate, HERE)
        except WrongUrl as wrong:
            problem = wrong
        if problem:
            assert problem.message.startswith(f"{HERE}: ")
            assert problem.hint
            assert problem.exit_code is ExitCode.REFUSED


ENCODE = "that is not percent-encoded"
WRONG: tuple[tuple[str, str, str], ...] = (
    ("", "it is empty", "where the inventory looks"),
    (" \n", "it is empty", "where the inventory looks"),
    ("'postgres://u:p@h/d'", "keeps the quotes of a .env file", "take the quotes off"),
    ('"postgres://u:p@h/d"', "keeps the quotes of a .env file", "take the quotes off"),
    ("`postgres://u:p@h/d`", "keeps the quotes of a .env file", "take the quotes off"),
    (" postgres://u:p@h/d", "white space around the URL", "remove it"),
    ("postgres://u:p@h/d\n", "white space around the URL", "remove it"),
    ("postgres://u:p@h/d\r", "white space around the URL", "remove it"),
    ("postgres://u:p\n@h/d", "a line break in it", "remove it"),
    ("postgres://u:\ud800@h/d", "a line break in it", "remove it"),
    ("not set", "not a URL", "postgresql://USER:PASSWORD@HOST/DATABASE"),
    ("host=h user=u dbname=d", "not a URL", "postgresql://"),
    ("prisma://accelerate.example/?api_key=x", "a prisma:// URL", "direct_url"),
    ("prisma+postgres://accelerate.example/?api_key=x", "a prisma+postgres:// URL", "direct_url"),
    ("mysql://u:p@h/d", "not a PostgreSQL URL", "postgresql://"),
    ("file:///dev.db", "not a PostgreSQL URL", "postgresql://"),
    ("POSTGRES://u:p@h/d", "not a PostgreSQL URL", "postgresql://"),
    ("jdbc:postgresql://h/d", "something stands before the URL", "`jdbc:`"),
    ("psql 'postgresql://u:p@h/d'", "something stands before the URL", "`psql`"),
    ("DATABASE_URL=postgres://u:p@h/d", "something stands before the URL", "`NAME=`"),
    ("postgres://h/d", "names no user", "USER:PASSWORD"),
    ("postgres://:p@h/d", "names no user", "USER:PASSWORD"),
    ("postgres://@h/d", "names no user", "USER:PASSWORD"),
    ("postgres://u:p/w@h/d", ENCODE, "/ as %2F"),
    ("postgres://u:p@s/w@h/d", ENCODE, "/ as %2F"),
    ("postgres://u:p?w@h/d", ENCODE, "? as %3F"),
    ("postgres://u:p#w@h/d", ENCODE, "# as %23"),
    ("postgres://u:p@s#w@h/d", ENCODE, "# as %23"),
    ("postgres://u:p@h/d@b", ENCODE, "@ as %40"),
    ("postgres://u:%ff@h/d", "does not begin a character in UTF-8", "%25"),
    ("postgres://u:p@/d", "names no host", "postgresql://"),
    ("postgres://u:p@h", "names no database", "/DATABASE"),
    ("postgres://u:p@h/", "names no database", "/DATABASE"),
    ("postgres://u:p@h?schema=x", "names no database", "/DATABASE"),
    ("postgres://u:p@h/a/b", "database's name holds a /", "/DATABASE"),
    ("postgres://u:p@h//d", "database's name holds a /", "/DATABASE"),
    ("postgres://u:p@a,b/d", "names several hosts", "the primary only"),
    ("postgres://u:p@a:5432,b:5433/d", "names several hosts", "the primary only"),
    ("postgres://u:p@a/d?host=a,b", "names several hosts", "the primary only"),
    ("postgres://u:p@h:port/d", "HOST:PORT cannot be read", "HOST:5432"),
    ("postgres://u:p@h:\u0661/d", "HOST:PORT cannot be read", "HOST:5432"),
    ("postgres://u:p@h: 1/d", "HOST:PORT cannot be read", "HOST:5432"),
    ("postgres://u:p@::1/d", "HOST:PORT cannot be read", "HOST:5432"),
    ("postgres://u:p@[fe80::1%25eth0]/d", "HOST:PORT cannot be read", "HOST:5432"),
    ("postgres://u:p@[::1/d", "HOST:PORT cannot be read", "HOST:5432"),
    ("postgres://u:p@a b/d", "HOST:PORT cannot be read", "HOST:5432"),
    (f"postgres://u:p@h:{'9' * 5000}/d", "HOST:PORT cannot be read", "HOST:5432"),
    ("postgres://u:p@h:0/d", "port is not a number from 1 to 65535", "check"),
    ("postgres://u:p@h:65536/d", "port is not a number from 1 to 65535", "check"),
    ("postgres://u:p%00@h/d", "control character", "write the URL anew"),
    ("postgres://u:p@h/d%0A", "control character", "write the URL anew"),
    ("postgres://u:p@h/d?options=%0APGHOST=x", "control character", "write the URL anew"),
    ("postgres://u:p@h/d?host=/run%0a", "control character", "write the URL anew"),
    ("postgres://u:p@h/d?connect_timeout=10s", "connect_timeout is not a number", "check"),
    ("postgres://u:p@h/d?connect_timeout=-1", "connect_timeout is not a number", "check"),
    ("postgres://u:p@h/d?sslidentity=x.p12", "sslidentity", "client certificate"),
    ("postgres://u:p@h/d?sslaccept=strict&sslcert=ca.pem", "relative path", "absolute"),
)


@pytest.mark.parametrize(("text", "problem", "hint"), WRONG, ids=range(len(WRONG)))
def test_each_wrong_url_has_its_own_line_and_does_not_show_itself(
    text: str, problem: str, hint: str
) -> None:
    with pytest.raises(WrongUrl) as raised:
        parse_url(text, HERE)
    assert raised.value.message.startswith(f"{HERE}: ")
    assert problem in raised.value.message
    assert hint in raised.value.hint
    assert "p@h" not in raised.value.message + raised.value.hint


@pytest.mark.parametrize(
    ("place", "query", "reason"),
    [
        ("h", "?pgbouncer=true", "pgbouncer=true"),
        ("h:6432", "", "port 6432, PgBouncer's usual port"),
        ("aws-0-eu.pooler.supabase.com:6543", "", "port 6543, Supabase's pooler"),
        ("aws-0-eu.pooler.supabase.com:5432", "", ""),
        ("h:25061", "", "port 25061, DigitalOcean's pools"),
        ("ep-a-pooler.eu.aws.neon.tech", "", "host ep-a-pooler.eu.aws.neon.tech"),
        ("ep-a.eu.aws.neon.tech", "", ""),
        ("h", "?pgbouncer=false", ""),
        ("h", "", ""),
        ("h", "?host=x-pooler.example", "host x-pooler.example"),
    ],
)
def test_a_pooler_is_recognised(place: str, query: str, reason: str) -> None:
    assert parse_url(url(query, place), HERE).pooler == reason


# --- .env ---


ENV = (
    ("DATABASE_URL=postgres://u:p@h/d", "postgres://u:p@h/d"),
    ("  export   DATABASE_URL = postgres://u:p@h/d  ", "postgres://u:p@h/d"),
    ("export\tDATABASE_URL=x", "x"),
    ("DATABASE_URL=x\r", "x"),
    ("DATABASE_URL=x # a comment", "x"),
    ("DATABASE_URL='x' # a comment", "x"),
    ('DATABASE_URL="x"', "x"),
    ("DATABASE_URL=`x`", "x"),
    ('DATABASE_URL="a b#c\'d"', "a b#c'd"),
    ("DATABASE_URL='a$b\\c\"d'", 'a$b\\c"d'),
    ("DATABASE_URL=p%24x", "p%24x"),
    ("DATABASE_URL=a$", "a$"),
    ("DATABASE_URL=", ""),
    ("DATABASE_URL= # nothing", ""),
    ('DATABASE_URL=""', ""),
    ("DATABASE_URL=a\nDATABASE_URL=b", "b"),
    ("DATABASE_URL=\nDATABASE_URL=b", "b"),
    ("DATABASE_URL=a\nDATABASE_URL=", ""),
    ("DATABASE_URL=a\nexport DATABASE_URL='b'", "b"),
    ("DATABASE_URL=a=b", "a=b"),
)


@pytest.mark.parametrize(("lines", "value"), ENV)
def test_a_line_is_read_as_dotenv_reads_it(lines: str, value: str) -> None:
    assert parse_env_line(lines, "DATABASE_URL", HERE) == value


UNCLEAR = (
    ("", "not set there"),
    ("OTHER=x", "not set there"),
    ("XDATABASE_URL=x", "not set there"),
    ("#DATABASE_URL=x", "not set there"),
    ("DATABASE_URL_2=x", "not set there"),
    ("DATABASE_URL: x", "not set there"),
    ('DATABASE_URL="x', "the quote is not closed"),
    ("DATABASE_URL='x", "the quote is not closed"),
    ("DATABASE_URL='x'y", "something follows the closing quote"),
    ("DATABASE_URL='it''s'", "something follows the closing quote"),
    ("DATABASE_URL='x'#y", "something follows the closing quote"),
    ("DATABASE_URL=${BASE}/d", "from other variables"),
    ('DATABASE_URL="postgres://$DB_USER@h/d"', "from other variables"),
    ("DATABASE_URL=a$(b)", "from other variables"),
    ("DATABASE_URL=a$1", "from other variables"),
    ("DATABASE_URL='${BASE}/d'", "from other variables"),
    ("DATABASE_URL=a#b", "no quotes around it"),
    ("DATABASE_URL=a b", "no quotes around it"),
    ("DATABASE_URL=a'b", "no quotes around it"),
    ("DATABASE_URL=a\\b", "a backslash"),
    ('DATABASE_URL="a\\"b"', "something follows the closing quote"),
    ('DATABASE_URL="a\\nb"', "a backslash"),
)


@pytest.mark.parametrize(("lines", "problem"), UNCLEAR)
def test_what_is_not_read_alike_by_everybody_is_refused(lines: str, problem: str) -> None:
    with pytest.raises(WrongUrl, match=re.escape(problem)) as raised:
        parse_env_line(lines, "DATABASE_URL", HERE)
    assert raised.value.hint
    assert raised.value.message.startswith(f"{HERE}: ")


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell")
@pytest.mark.parametrize(
    "lines", [lines for lines, _ in ENV if "=\t" not in lines and " = " not in lines]
)
def test_a_shell_reads_the_same(lines: str, tmp_path: Path) -> None:
    if "`" in lines or "\r" in lines:
        pytest.skip("dotenv's own: a shell would run it, or keep the carriage return")
    file = tmp_path / "env"
    file.write_text(lines + "\n", encoding="utf-8")
    done = subprocess.run(
        ["sh", "-c", f'. {file}; printf %s "$DATABASE_URL"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == parse_env_line(lines, "DATABASE_URL", HERE)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_any_encoded_url_survives_any_way_to_write_it(password: str) -> None:
    text = f"postgresql://u:{quote(password, safe='')}@h/d?schema=public"
    for line in (f"U={text}", f"U='{text}'", f'export U="{text}"', f"U={text} # {password!r}"):
        assert parse_env_line(line, "U", HERE) == text


def test_the_canary_passes_through_env_and_url() -> None:
    text = f"postgresql://app:{quote(CANARY, safe='')}@h/d"
    found = parse_url(parse_env_line(f'U="{text}"', "U", HERE), HERE)
    assert found.password.reveal() == CANARY
    assert CANARY not in f"{found} {found!r} {found.variables}"
    assert quote(CANARY, safe="") not in f"{found} {found!r} {found.variables}"
