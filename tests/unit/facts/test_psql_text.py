"""SQL for psql: whatever the text holds, it arrives as it is and nothing of it is obeyed here."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.facts.psql_text import identifier, literal, queries

ODD = [
    "plain",
    "",
    "it's 'so'",
    'a "name"',
    "back\\slash \\q",
    "a;\n\\! rm -rf /\n;",
    ":variable :'x' :\"y\"",
    "größe 日本",
    "'); DROP TABLE a; --",
]


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("a", "'a'"), ("", "''"), ("it's", "'it''s'"), ("'", "''''"), ("a\\b", "'a\\b'")],
)
def test_a_literal_ends_where_it_should(text: str, quoted: str) -> None:
    assert literal(text) == quoted


@pytest.mark.parametrize(
    ("name", "quoted"), [("a", '"a"'), ('a"b', '"a""b"'), ("A b", '"A b"'), ("it's", '"it\'s"')]
)
def test_an_identifier_keeps_its_case_and_its_quotes(name: str, quoted: str) -> None:
    assert identifier(name) == quoted


def sent(sql: str) -> list[str]:
    """Return the texts that psql will send, in their order."""
    rows = re.findall(r"\((\d+), '([A-Za-z0-9+/=]*)'\)", sql)
    assert [int(number) for number, _ in rows] == list(range(len(rows)))
    return [base64.b64decode(text).decode() for _, text in rows]


@pytest.mark.parametrize("text", ODD)
def test_a_text_travels_as_base64(text: str) -> None:
    assert sent(queries([text])) == [text]
    assert sent(queries([text, "SELECT 2"])) == [text, "SELECT 2"]
    # Of what psql reads, only these lines are commands, whatever the text is.
    commands = [line for line in queries([text]).splitlines() if line.startswith("\\")]
    assert commands == ["\\o /dev/null", "\\o"]


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), min_size=1, max_size=4))
def test_texts_are_sent_one_by_one_in_order(texts: list[str]) -> None:
    sql = queries(texts)
    assert sent(sql) == texts
    assert sql.isascii()
    assert sql.count("\\") == 3, "two of output, one that sends"
    assert "ORDER BY number \\gexec" in sql
    assert ":" not in sql, "psql puts no variable in"
