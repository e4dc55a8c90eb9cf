"""The step that runs statements: what it announces is what it sends, and nothing else is obeyed."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import pytest

from ops.steps.statements import LOCK_TIMEOUT, Piece, run_statements
from tests.unit.factories import DIGEST, PASSWORD, make_facts

if TYPE_CHECKING:
    from ops.steps.base import Step

PIECES = [
    Piece("statement 2 of 3, line 3: UPDATE", ("UPDATE a SET b = 'x;\\q'",)),
    Piece("statement 3 of 3, line 4: BEGIN, COMMIT", ("BEGIN", "DELETE FROM a", "COMMIT")),
]


def made(pieces: list[Piece], digest: str = DIGEST, **changes: Any) -> Step:
    return run_statements(make_facts(**changes), "resume", "title", pieces, ["b", "a"], digest)


def sql(pieces: list[Piece], **changes: Any) -> str:
    return str(made(pieces, **changes).script.values["sql"])


def sent(text: str) -> list[str]:
    """Return what psql will send, in its order."""
    rows = re.findall(r"\(\d+, '([A-Za-z0-9+/=]*)'\)", text)
    return [base64.b64decode(row).decode() for row in rows]


def test_a_step_is_announced_and_proved_by_its_statements() -> None:
    step = made(PIECES)
    assert (step.name, step.title) == ("resume", "title")
    assert step.commands == (
        "psql: statement 2 of 3, line 3: UPDATE: UPDATE a SET b = 'x; q'",
        "psql: statement 3 of 3, line 4: BEGIN, COMMIT: BEGIN; DELETE FROM a; COMMIT",
    )
    assert step.success == ("statements complete: 2",)
    assert step.writes_database
    assert PASSWORD in step.script.render()
    assert PASSWORD not in step.script.masked()
    assert "open_rows='a b'\n" in step.script.render()


def test_all_texts_are_sent_in_order_and_the_last_word_comes_after_them() -> None:
    text = sql(PIECES)
    assert sent(text) == [each for piece in PIECES for each in piece.texts]
    places = [text.index(f"\\echo '{piece.label}'") for piece in PIECES]
    blocks = [found.start() for found in re.finditer("gexec", text)]
    assert places[0] < blocks[0] < places[1] < blocks[1]
    assert text.splitlines()[-1] == "\\echo 'statements complete: 2'"


def test_the_session_holds_prismas_lock_and_waits_for_no_table_for_long() -> None:
    before = sql(PIECES, url="postgresql://a:b@h/d?schema=My%22s").partition("\\echo")[0]
    for line in (
        "SET client_encoding = 'UTF8';",
        "SET standard_conforming_strings = on;",
        "SET statement_timeout = 0;",
        f"SET lock_timeout = '{LOCK_TIMEOUT}s';",
        'SET search_path = "My""s";',
    ):
        assert f"{line}\n" in before
    assert "pg_try_advisory_lock(72707369)" in before
    assert "pg_advisory_lock" not in before, "it is never waited for"
    assert "RAISE EXCEPTION 'another session migrates'" in before


def test_nothing_runs_unless_everything_is_as_judged() -> None:
    text = made(PIECES).script.render()
    guards = ["\nsame_database\n", '\nsame_ledger "$open_rows"\n', "\nsame_catalog\n", "\npsql -X"]
    places = [text.index(guard) for guard in guards]
    assert places == sorted(places)
    assert f"digest={DIGEST}\n" in text
    assert "ON_ERROR_STOP=1" in text[places[-1] :]
    later = made(PIECES, digest="")
    assert (later.script.values["digest"], later.script.values["catalog_sql"]) == ("", "")


@pytest.mark.parametrize(
    ("label", "echoed"),
    [
        ("plain: CREATE INDEX", "'plain: CREATE INDEX'"),
        ('DROP INDEX public."a b"', "'DROP INDEX public.\"a b\"'"),
        ("it's", "'it''s'"),
        ("two\nlines", "'two lines'"),
        ("two\r\n\\! touch x", "'two ! touch x'"),
        ("a\\b", "'a b'"),
        ("ends with\\", "'ends with '"),
        ("'\\'", "''' '''"),
        ("tab\tbell\x07nul\x00", "'tab bell nul '"),
        ("`date` :x :'y' $(z)", "'`date` :x :''y'' $(z)'"),
        ("größe", "'größe'"),
    ],
)
def test_a_label_is_one_line_that_is_only_shown(label: str, echoed: str) -> None:
    commands = [line for line in sql([Piece(label, ("SELECT 1",))]).split("\n") if line[:1] == "\\"]
    assert commands == [
        f"\\echo {echoed}",
        "\\o /dev/null",
        "\\o",
        "\\echo 'statements complete: 1'",
    ]
